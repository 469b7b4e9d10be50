//! A link as it is drawn, with what was measured of it.

use deployctl_checks::{Bound, Measurement};
use deployctl_core::inventory::cluster::Link;
use deployctl_core::name::HostName;

use super::super::number::{against, round, sign, unit_of};
use super::super::numbers::{none_of_none, used};
use super::super::place::Place;
use super::super::plot::width_of;
use super::super::{cut, float, numbers, plot};
use super::{Box, INSIDE, NAME, SMALL, Words, fit};
use crate::text::html::place::Mark;

/// Measured quantities that a link's box tells.
const QUANTITIES: usize = 4;

/// A link as it is drawn.
pub(super) struct Hub {
    pub(super) name: String,
    pub(super) facts: String,
    pub(super) mark: Mark,
    pub(super) asked: bool,
    pub(super) anchor: Option<String>,
    pub(super) quantities: Vec<Quantity>,
    /// What is said where nothing was measured.
    pub(super) unmeasured: Option<String>,
    /// Its hosts among the nodes, each with its status on the link.
    pub(super) hosts: Vec<(usize, Mark)>,
}

/// What was measured of a link, each way or the worst of many ways.
pub(super) struct Quantity {
    pub(super) what: String,
    pub(super) limit: String,
    pub(super) ways: Vec<Direction>,
}

pub(super) struct Direction {
    pub(super) text: String,
    pub(super) held: bool,
}

pub(super) fn hub(name: &str, link: Option<&Link>, places: &[Place<'_>], names: &[&str]) -> Hub {
    let place = places.iter().find(|p| p.host.is_none() && p.name == name);
    let ends: Vec<&str> = link.map_or_else(Vec::new, |link| {
        link.endpoints.keys().map(HostName::as_str).collect()
    });
    let quantities = place.map_or_else(Vec::new, |place| quantities(place, &ends));
    let unmeasured = quantities.is_empty().then(|| match link {
        Some(link) => format!(
            "not measured: ≥ {}, ≤ {}",
            unit_of(&round(link.min_gbits), "Gbit/s"),
            unit_of(&round(link.max_rtt_ms), "ms")
        ),
        None => "not measured".to_owned(),
    });
    Hub {
        name: cut(name, 63),
        facts: link.map_or_else(String::new, |link| {
            format!("{} · MTU {}", link.subnet.as_str(), link.mtu)
        }),
        mark: place.map_or(Mark::Skip, Place::mark),
        asked: place.is_some_and(|place| place.mark() != Mark::Skip),
        anchor: place.map(|p| p.anchor.clone()),
        quantities,
        unmeasured,
        hosts: ends
            .iter()
            .filter_map(|end| {
                let node = names.iter().position(|name| name == end)?;
                Some((node, place.map_or(Mark::Skip, |place| mark_of(place, end))))
            })
            .collect(),
    }
}

/// The status of `host` on a link: the worst of the checks that name it.
fn mark_of(place: &Place<'_>, host: &str) -> Mark {
    let names = |id: &str| {
        let ends = id.splitn(3, '/').nth(2).unwrap_or_default();
        ends == host
            || ends
                .strip_prefix(host)
                .is_some_and(|rest| rest.starts_with("-to-"))
            || ends
                .strip_suffix(host)
                .is_some_and(|rest| rest.ends_with("-to-"))
    };
    let checks = place.checks.iter().filter(|check| names(&check.check));
    checks.map(Mark::of).max().unwrap_or(Mark::Skip)
}

/// A measurement of a link, with its check and direction.
struct Measured<'a> {
    check: &'a str,
    way: Option<String>,
    measurement: &'a Measurement,
}

/// What was measured and is held against something, by quantity; rates first.
fn quantities(place: &Place<'_>, ends: &[&str]) -> Vec<Quantity> {
    let mut groups: Vec<Vec<Measured<'_>>> = Vec::new();
    for check in place.checks {
        for measurement in check
            .measurements
            .iter()
            .filter(|m| m.limit.is_some() && !none_of_none(m))
        {
            let (check, way) = numbers::of_link(&check.check);
            let item = Measured {
                check,
                way,
                measurement,
            };
            let alike = |group: &&mut Vec<Measured<'_>>| {
                let first = &group[0];
                first.check == check
                    && first.measurement.what == measurement.what
                    && first.measurement.unit == measurement.unit
            };
            match groups.iter_mut().find(alike) {
                Some(group) => group.push(item),
                None => groups.push(vec![item]),
            }
        }
    }
    groups.sort_by_key(|group| bound(group[0].measurement) != Some(Bound::AtLeast));
    let names: Vec<&str> = groups
        .iter()
        .map(|g| g[0].measurement.what.as_str())
        .collect();
    groups
        .iter()
        .filter_map(|group| {
            let alone = names
                .iter()
                .filter(|name| **name == group[0].measurement.what)
                .count()
                == 1;
            quantity(group, alone, ends)
        })
        .take(QUANTITIES)
        .collect()
}

fn bound(measurement: &Measurement) -> Option<Bound> {
    measurement.limit.as_ref().map(|limit| limit.bound)
}

fn quantity(group: &[Measured<'_>], alone: bool, ends: &[&str]) -> Option<Quantity> {
    let first = group[0].measurement;
    let limit = first.limit.as_ref()?;
    let text = |m: &Measurement| match (plot::judged(m), &m.limit) {
        (Some((_, value)), Some(limit)) => against(value, limit.value).0,
        _ => "—".to_owned(),
    };
    let ways = if ends.len() == 2 && group.len() <= 2 {
        let way = |item: &Measured<'_>| Direction {
            text: match direction(item.way.as_deref(), ends) {
                Some(arrow) => format!("{arrow} {}", text(item.measurement)),
                None => text(item.measurement),
            },
            held: item.measurement.holds(),
        };
        group.iter().map(way).collect()
    } else {
        // Of many ways the worst speaks for all.
        let worst = group
            .iter()
            .max_by(|a, b| used(a.measurement).total_cmp(&used(b.measurement)))?;
        vec![Direction {
            text: match &worst.way {
                Some(way) => format!("{} {}", text(worst.measurement), cut(way, 40)),
                None => text(worst.measurement),
            },
            held: worst.measurement.holds(),
        }]
    };
    let name = if alone {
        first.what.clone()
    } else {
        group[0].check.replace('-', " ")
    };
    let unit = cut(&first.unit, 12);
    Some(Quantity {
        what: cut(&name, 40),
        limit: unit_of(
            &format!("{} {}", sign(limit.bound), round(limit.value)),
            &unit,
        ),
        ways,
    })
}

/// `→` from the first of two ends to the second, `←` back.
fn direction(way: Option<&str>, ends: &[&str]) -> Option<char> {
    let (from, to) = way?.split_once(" → ")?;
    match ends {
        [first, second] if from == *first && to == *second => Some('→'),
        [first, second] if from == *second && to == *first => Some('←'),
        _ => None,
    }
}

impl Hub {
    pub(super) fn height(&self) -> f64 {
        let facts = if self.facts.is_empty() { 0.0 } else { 16.0 };
        let unmeasured = if self.unmeasured.is_some() { 18.0 } else { 0.0 };
        34.0 + facts + unmeasured + 36.0 * float(self.quantities.len())
    }

    pub(super) fn draw(&self, x: f64, y: f64, width: f64) -> Box {
        let (left, right) = (x + INSIDE, x + width - INSIDE);
        let room = right - left;
        let mut line = y + 21.0;
        let name = fit(&self.name, room - 20.0, NAME);
        let mut words = vec![word("name", left, line, name)];
        if !self.facts.is_empty() {
            line += 16.0;
            words.push(word("dim", left, line, fit(&self.facts, room, SMALL)));
        }
        if let Some(text) = &self.unmeasured {
            line += 18.0;
            words.push(word("dim", left, line, fit(text, room, SMALL)));
        }
        for quantity in &self.quantities {
            line += 19.0;
            words.extend(quantity.draw(left, right, line));
            line += 17.0;
        }
        Box {
            class: if self.asked { "link" } else { "link unasked" },
            mark: self.mark,
            anchor: self.anchor.clone(),
            title: self.name.clone(),
            x: x.into(),
            y: y.into(),
            width: width.into(),
            height: self.height().into(),
            words,
        }
    }
}

impl Quantity {
    /// Its name and limit in a line at `y`, and its values in the next one.
    fn draw(&self, left: f64, right: f64, y: f64) -> Vec<Words> {
        let room = right - left;
        let limit = fit(&self.limit, room * 0.6, SMALL);
        let rest = room - width_of(&limit, SMALL) - 8.0;
        let mut words = vec![
            word("dim", left, y, fit(&self.what, rest, SMALL)),
            Words {
                anchor: "end",
                ..word("dim", right, y, limit)
            },
        ];
        let share = room / float(self.ways.len().max(1));
        let mut at = left;
        for way in &self.ways {
            let class = if way.held { "value" } else { "value bad" };
            let text = fit(&way.text, share - 18.0, NAME);
            let mark = if way.held { Mark::Pass } else { Mark::Fail };
            words.push(Words {
                mark: Some(mark),
                ..word(class, at + 16.0, y + 17.0, text)
            });
            at += share;
        }
        words
    }
}

/// A text that begins at `x`.
fn word(class: &'static str, x: f64, y: f64, text: String) -> Words {
    Words {
        class,
        x: x.into(),
        y: y.into(),
        anchor: "start",
        text,
        mark: None,
    }
}

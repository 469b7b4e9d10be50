//! How the hosts are joined: a box for each host, one for each link between them, and lines from one to
//! the other. Words stand in boxes alone and lines run between columns alone, so that nothing overlaps
//! however many there are. Drawn twice, for a wide page and a narrow one.

use std::collections::BTreeSet;

use serde::Serialize;

use super::mark::Mark;
use super::number::{against, round, sign, unit_of};
use super::numbers::{none_of_none, used};
use super::place::Place;
use super::plot::width_of;
use super::{Px, cut, host, numbers, plot};
use crate::check::gate::Tally;
use crate::check::{Bound, Measurement};
use crate::inventory::Inventory;
use crate::inventory::cluster::Link;
use crate::name::HostName;
use crate::report::Report;

mod narrow;
mod wide;

/// Size of a name, and of what stands below it, in pixels.
const NAME: f64 = 13.0;
const SMALL: f64 = 11.0;
/// Height of a host's box.
const TALL: f64 = 80.0;
/// What stays free around the words in a box.
const INSIDE: f64 = 12.0;
/// Measured quantities that a link's box tells.
const QUANTITIES: usize = 4;

/// Both drawings, and the same in words.
#[derive(Serialize)]
pub(super) struct Topology {
    drawings: Vec<Drawing>,
    described: Vec<String>,
}

/// One drawing.
#[derive(Serialize)]
struct Drawing {
    class: &'static str,
    width: Px,
    height: Px,
    lines: Vec<Line>,
    boxes: Vec<Box>,
}

/// A host's line to a link.
#[derive(Serialize)]
struct Line {
    path: String,
    mark: Mark,
    /// Whether anything was asked of the link.
    asked: bool,
}

/// A host or a link.
#[derive(Serialize)]
struct Box {
    class: &'static str,
    mark: Mark,
    anchor: Option<String>,
    title: String,
    x: Px,
    y: Px,
    width: Px,
    height: Px,
    words: Vec<Words>,
}

/// A word or a line of them.
#[derive(Serialize)]
struct Words {
    class: &'static str,
    x: Px,
    y: Px,
    /// `start` or `end`.
    anchor: &'static str,
    text: String,
    /// A sign before it.
    mark: Option<Mark>,
}

/// A host as it is drawn.
struct Node {
    name: String,
    system: String,
    tags: Vec<String>,
    told: String,
    mark: Mark,
    anchor: Option<String>,
}

/// A link as it is drawn.
struct Hub {
    name: String,
    facts: String,
    mark: Mark,
    asked: bool,
    anchor: Option<String>,
    quantities: Vec<Quantity>,
    /// What is said where nothing was measured.
    unmeasured: Option<String>,
    /// Its hosts among the nodes, and how each stands on it.
    hosts: Vec<(usize, Mark)>,
}

/// What was measured of a link, each way or the worst of many ways.
struct Quantity {
    what: String,
    limit: String,
    ways: Vec<Way>,
}

struct Way {
    text: String,
    held: bool,
}

/// All hosts of the inventory and of the report, and the links between them.
pub(super) fn topology(inventory: &Inventory, report: &Report, places: &[Place<'_>]) -> Topology {
    let mut names: Vec<&str> = report.hosts.iter().map(|h| h.host.as_str()).collect();
    let asked: BTreeSet<&str> = names.iter().copied().collect();
    let others = inventory.hosts().keys().map(HostName::as_str);
    names.extend(others.filter(|name| !asked.contains(name)));
    let nodes: Vec<Node> = names
        .iter()
        .map(|name| node(inventory, places, name))
        .collect();
    let mut hubs: Vec<Hub> = inventory
        .cluster()
        .links
        .iter()
        .map(|(label, link)| hub(label.as_str(), Some(link), places, &names))
        .collect();
    for link in &report.links {
        if !hubs.iter().any(|hub| hub.name == link.link) {
            hubs.push(hub(&link.link, None, places, &names));
        }
    }
    Topology {
        described: described(&nodes, &hubs),
        drawings: vec![wide::draw(&nodes, &hubs), narrow::draw(&nodes, &hubs)],
    }
}

fn node(inventory: &Inventory, places: &[Place<'_>], name: &str) -> Node {
    let place = places.iter().find(|p| p.host.is_some() && p.name == name);
    let facts = inventory
        .hosts()
        .iter()
        .find(|(host, _)| host.as_str() == name);
    Node {
        name: cut(name, 63),
        system: facts.map_or_else(String::new, |(_, host)| host::system(host)),
        tags: facts.map_or_else(Vec::new, |(_, host)| {
            host.tags
                .iter()
                .map(|tag| tag.as_str().to_owned())
                .collect()
        }),
        told: place.map_or_else(|| "not asked".to_owned(), told),
        mark: place.map_or(Mark::Skip, Place::mark),
        anchor: place.map(|p| p.anchor.clone()),
    }
}

/// `31 hold`, `2 of 33 wrong`, `unreachable`.
fn told(place: &Place<'_>) -> String {
    if let Some(end) = &place.end {
        return end.word.replace('-', " ");
    }
    let tally = Tally::of(place.checks);
    let bad = tally.fail + tally.error + tally.stale;
    match (bad, tally.pass, tally.skip) {
        (0, 0, 0) => "nothing asked".to_owned(),
        (0, 0, skip) => format!("{skip} skipped"),
        (0, pass, _) => format!("{pass} hold"),
        (bad, ..) => format!("{bad} of {} wrong", place.checks.len()),
    }
}

fn hub(name: &str, link: Option<&Link>, places: &[Place<'_>], names: &[&str]) -> Hub {
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

/// How `host` stands on a link: the worst of the checks that name it.
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

/// A measurement of a link, of which check and which way.
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
        let way = |item: &Measured<'_>| Way {
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
        vec![Way {
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

fn described(nodes: &[Node], hubs: &[Hub]) -> Vec<String> {
    let hosts = nodes
        .iter()
        .map(|node| format!("{}: {}.", node.name, node.told));
    let links = hubs.iter().map(|hub| {
        let joined: Vec<_> = hub
            .hosts
            .iter()
            .map(|&(n, _)| nodes[n].name.as_str())
            .collect();
        let measured: Vec<_> = hub
            .quantities
            .iter()
            .map(|q| {
                let ways: Vec<_> = q.ways.iter().map(|way| way.text.as_str()).collect();
                format!("{} {} ({})", q.what, ways.join(", "), q.limit)
            })
            .collect();
        format!(
            "{} joins {}. {}",
            hub.name,
            joined.join(", "),
            measured.join("; ")
        )
    });
    hosts.chain(links).collect()
}

impl Node {
    fn draw(&self, x: f64, y: f64, width: f64) -> Box {
        let room = width - 2.0 * INSIDE;
        // Whole words only: a tag that was cut is another tag.
        let tags = self.tags.iter().fold(String::new(), |tags, tag| {
            let more = if tags.is_empty() {
                tag.clone()
            } else {
                format!("{tags} · {tag}")
            };
            if width_of(&more, SMALL) <= room {
                more
            } else {
                tags
            }
        });
        let line = |class, y, text: &str, room, size| Words {
            class,
            x: (x + INSIDE).into(),
            y: Px(y),
            anchor: "start",
            text: fit(text, room, size),
            mark: None,
        };
        Box {
            class: if self.anchor.is_some() {
                "host"
            } else {
                "host unasked"
            },
            mark: self.mark,
            anchor: self.anchor.clone(),
            title: format!("{}: {}", self.name, self.told),
            x: x.into(),
            y: y.into(),
            width: width.into(),
            height: TALL.into(),
            words: vec![
                line("name", y + 21.0, &self.name, room - 20.0, NAME),
                line("told", y + 38.0, &self.told, room, SMALL),
                line("dim", y + 55.0, &self.system, room, SMALL),
                line("dim", y + 70.0, &tags, room, SMALL),
            ],
        }
    }
}

impl Hub {
    fn height(&self) -> f64 {
        let facts = if self.facts.is_empty() { 0.0 } else { 16.0 };
        let unmeasured = if self.unmeasured.is_some() { 18.0 } else { 0.0 };
        34.0 + facts + unmeasured + 36.0 * self.quantities.iter().map(|_| 1.0).sum::<f64>()
    }

    fn draw(&self, x: f64, y: f64, width: f64) -> Box {
        let room = width - 2.0 * INSIDE;
        let mut words = Vec::new();
        let mut line = y + 21.0;
        let mut add = |class, x: f64, y: f64, anchor, text: String, mark| {
            words.push(Words {
                class,
                x: x.into(),
                y: y.into(),
                anchor,
                text,
                mark,
            });
        };
        let (left, right) = (x + INSIDE, x + width - INSIDE);
        add(
            "name",
            left,
            line,
            "start",
            fit(&self.name, room - 20.0, NAME),
            None,
        );
        if !self.facts.is_empty() {
            line += 16.0;
            add(
                "dim",
                left,
                line,
                "start",
                fit(&self.facts, room, SMALL),
                None,
            );
        }
        if let Some(text) = &self.unmeasured {
            line += 18.0;
            add("dim", left, line, "start", fit(text, room, SMALL), None);
        }
        for quantity in &self.quantities {
            line += 19.0;
            let limit = fit(&quantity.limit, room * 0.6, SMALL);
            let rest = room - width_of(&limit, SMALL) - 8.0;
            add(
                "dim",
                left,
                line,
                "start",
                fit(&quantity.what, rest, SMALL),
                None,
            );
            add("dim", right, line, "end", limit, None);
            line += 17.0;
            let share = room / quantity.ways.iter().map(|_| 1.0).sum::<f64>().max(1.0);
            let mut at = left;
            for way in &quantity.ways {
                let mark = if way.held { Mark::Pass } else { Mark::Fail };
                let class = if way.held { "value" } else { "value bad" };
                let text = fit(&way.text, share - 18.0, NAME);
                add(class, at + 16.0, line, "start", text, Some(mark));
                at += share;
            }
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

/// `text`, cut so that it is no wider than `room` at `size`.
fn fit(text: &str, room: f64, size: f64) -> String {
    if width_of(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width_of(&kept, size) + width_of("…", size) > room {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end_matches([' ', '·']))
}

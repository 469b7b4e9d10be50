//! What was measured, a small drawing each: now, and over the runs before.

use serde::Serialize;

use super::history::{self, Series};
use super::mark::Mark;
use super::number::{against, number, sign, unit_of};
use super::place::Place;
use super::plot::{self, Plot, Spark};
use super::{cut, shown};
use crate::check::{CheckResult, Measurement};
use crate::text::Run;

/// The measurements of one host or link.
#[derive(Serialize)]
pub(super) struct Group {
    name: String,
    kind: &'static str,
    cards: Vec<Card>,
}

/// One measurement.
#[derive(Serialize)]
struct Card {
    mark: Mark,
    /// `time to first token`.
    what: String,
    /// Of which check, and which way on a link.
    of: String,
    anchor: String,
    /// The statistic that stands for all, and its value with unit.
    statistic: String,
    value: String,
    /// What it is held against.
    limit: Option<String>,
    /// For who cannot see the drawing.
    described: String,
    plot: Option<Plot>,
    trend: Option<Spark>,
    /// How many runs the trend covers, and its least and greatest value.
    trend_told: String,
}

/// All measurements, by place.
pub(super) fn groups(places: &[Place<'_>], history: &[Run]) -> Vec<Group> {
    let groups = places.iter().map(|place| {
        let all: Vec<_> = place
            .checks
            .iter()
            .enumerate()
            .flat_map(|(index, check)| check.measurements.iter().map(move |m| (index, check, m)))
            .collect();
        let cards = all.iter().map(|&(index, check, measurement)| {
            // What is alike is drawn alike, so that lengths can be compared.
            let alike = all.iter().map(|(.., m)| *m);
            let scale = plot::scale(
                alike.filter(|m| m.what == measurement.what && m.unit == measurement.unit),
            );
            let drawn = plot::plot(measurement, &scale);
            card(place, index, check, measurement, drawn, history)
        });
        Group {
            name: shown(place.name),
            kind: if place.host.is_some() { "host" } else { "link" },
            cards: cards.collect(),
        }
    });
    groups.filter(|group| !group.cards.is_empty()).collect()
}

fn card(
    place: &Place<'_>,
    index: usize,
    check: &CheckResult,
    measurement: &Measurement,
    drawn: Option<Plot>,
    history: &[Run],
) -> Card {
    let unit = cut(&measurement.unit, 16);
    let judged = plot::judged(measurement);
    let limit = measurement.limit.as_ref().filter(|l| l.value.is_finite());
    let (value, bound) = match (judged, limit) {
        (Some((_, value)), Some(limit)) => {
            let (value, bound) = against(value, limit.value);
            (value, Some(format!("{} {bound}", sign(limit.bound))))
        }
        (Some((_, value)), None) => (number(value), None),
        (None, limit) => (
            "—".to_owned(),
            limit.map(|l| crate::text::html::number::limit(l, "")),
        ),
    };
    let series = history::series(place, check, measurement, history);
    let mark = if measurement.holds() {
        Mark::Pass
    } else {
        Mark::Fail
    };
    let said: Vec<_> = measurement
        .statistics
        .iter()
        .map(|s| format!("{} {}", cut(&s.name, 24), number(s.value)))
        .collect();
    Card {
        mark: if measurement.limit.is_none() {
            Mark::Skip
        } else {
            mark
        },
        what: cut(&measurement.what, 80),
        of: of(place, check),
        anchor: place.anchor_of(index),
        statistic: judged.map_or_else(String::new, |(name, _)| match name {
            "value" => String::new(),
            _ => cut(name, 24),
        }),
        value: unit_of(&value, &unit),
        limit: bound.map(|bound| unit_of(&bound, &unit)),
        described: unit_of(&said.join(", "), &unit),
        plot: drawn,
        trend_told: told(&series),
        trend: plot::spark(&series.values, limit.map(|l| l.value)),
    }
}

fn told(series: &Series) -> String {
    let values = || series.values.iter().flatten().map(|(value, _)| *value);
    let least = values().fold(f64::INFINITY, f64::min);
    let most = values().fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{} runs, {} to {}",
        values().count(),
        number(least),
        number(most)
    )
}

fn of(place: &Place<'_>, check: &CheckResult) -> String {
    if place.host.is_some() {
        return shown(&check.check);
    }
    match of_link(&check.check) {
        (_, Some(way)) => shown(&way),
        (what, None) => shown(what),
    }
}

/// What of `LINK/WHAT/FROM-to-PEER`, and which way.
pub(super) fn of_link(id: &str) -> (&str, Option<String>) {
    let mut words = id.splitn(3, '/').skip(1);
    let what = words.next().unwrap_or(id);
    (what, words.next().map(|way| way.replacen("-to-", " → ", 1)))
}

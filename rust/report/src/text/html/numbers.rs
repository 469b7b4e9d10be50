//! What was measured, a small drawing each: now, and over the runs before.

use deployctl_checks::{Bound, CheckResult, Limit, Measurement};
use serde::Serialize;

use super::history::{self, Series};
use super::number::{self, against, number, sign, unit_of};
use super::place::{Mark, Place};
use super::plot::{self, Plot, Spark};
use super::{Px, cut, shown};
use crate::text::Run;

/// How many numbers near their limits are shown.
const NEAREST: usize = 6;

/// The measurements of one host or link.
#[derive(Serialize)]
pub(super) struct Group {
    name: String,
    kind: &'static str,
    /// What varies, as it varies.
    cards: Vec<Card>,
    /// Single numbers and rates, a bar each.
    bars: Vec<Card>,
}

/// One measurement.
#[derive(Serialize)]
struct Card {
    mark: Mark,
    /// `time to first token`.
    what: String,
    /// Its check, and on a link its direction.
    of: String,
    anchor: String,
    /// The statistic that summarises all, and its value with unit.
    statistic: String,
    value: String,
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
            .filter(|(.., m)| !none_of_none(m))
            .collect();
        let cards = all.iter().map(|&(index, check, measurement)| {
            // What is alike is drawn alike, so that lengths can be compared.
            let alike = || {
                let all = all.iter().map(|(.., m)| *m);
                all.filter(|m| m.what == measurement.what && m.unit == measurement.unit)
            };
            let scale = plot::scale(alike());
            // One length alone, held against nothing, says no more than its number.
            let compared = alike().count() > 1 || measurement.limit.is_some();
            let drawn = plot::plot(measurement, &scale).filter(|plot| compared || !plot.is_bar());
            card(place, index, check, measurement, drawn, history)
        });
        let (bars, cards) = cards.partition(|card| card.plot.as_ref().is_none_or(Plot::is_bar));
        Group {
            name: shown(place.name),
            kind: if place.host.is_some() { "host" } else { "link" },
            cards,
            bars,
        }
    });
    groups
        .filter(|group| !group.cards.is_empty() || !group.bars.is_empty())
        .collect()
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
    let value = match (judged, limit) {
        (Some((_, value)), Some(limit)) => against(value, limit.value).0,
        (Some((_, value)), None) => number(value),
        (None, _) => "—".to_owned(),
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
        described: match limit {
            Some(limit) => format!(
                "{}, to be {}",
                unit_of(&said.join(", "), &unit),
                number::limit(limit, &unit)
            ),
            None => unit_of(&said.join(", "), &unit),
        },
        plot: drawn,
        trend_told: told(&series),
        trend: plot::spark(&series.values, limit.map(|l| l.value)),
    }
}

fn told(series: &Series) -> String {
    let values = || series.values.iter().flatten().map(|(value, _)| *value);
    let least = values().fold(f64::INFINITY, f64::min);
    let most = values().fold(f64::NEG_INFINITY, f64::max);
    if least.total_cmp(&most).is_eq() {
        return format!("{} runs, always {}", values().count(), number(least));
    }
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
        (what, Some(way)) if check.measurements.iter().any(|m| m.what == what) => shown(&way),
        (what, Some(way)) => shown(&format!("{}, {way}", what.replace('-', " "))),
        (what, None) => shown(what),
    }
}

/// Whether it says no more than that nothing was lost where nothing may be lost.
pub(super) fn none_of_none(measurement: &Measurement) -> bool {
    let no_more = |limit: &Limit| limit.bound == Bound::AtMost && limit.value <= 0.0;
    measurement.holds() && measurement.limit.as_ref().is_some_and(no_more)
}

/// How much of what its limit allows a measurement uses up; above 1 where it does not hold.
pub(super) fn used(measurement: &Measurement) -> f64 {
    let (Some(limit), Some((_, value))) = (&measurement.limit, plot::judged(measurement)) else {
        return 0.0;
    };
    let (part, whole) = match limit.bound {
        Bound::AtMost => (value, limit.value),
        Bound::AtLeast => (limit.value, value),
    };
    match part / whole {
        share if share.is_finite() => share,
        _ => f64::from(u8::from(!measurement.holds())) * 2.0,
    }
}

/// A measurement that came near its limit.
#[derive(Serialize)]
pub(super) struct Near {
    what: String,
    place: String,
    anchor: String,
    /// `95.1 of 100 ms`.
    told: String,
    /// How much of the limit is used, in percent.
    used: Px,
}

/// What came nearest to its limit and held, nearest first.
pub(super) fn nearest(places: &[Place<'_>]) -> Vec<Near> {
    let mut all = Vec::new();
    for place in places {
        for (index, check) in place.checks.iter().enumerate() {
            let held = check.measurements.iter().filter(|m| m.holds());
            all.extend(held.filter_map(|m| Some((used(m), near(place, index, check, m)?))));
        }
    }
    all.retain(|(used, _)| *used > 0.0);
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    all.into_iter()
        .map(|(_, near)| near)
        .take(NEAREST)
        .collect()
}

fn near(place: &Place<'_>, index: usize, check: &CheckResult, m: &Measurement) -> Option<Near> {
    let limit = m.limit.as_ref()?;
    let (statistic, value) = plot::judged(m)?;
    let (value, bound) = against(value, limit.value);
    let of = match (place.host.is_some(), of_link(&check.check).1) {
        (false, Some(way)) => format!("{}, {way}", place.name),
        _ => place.name.to_owned(),
    };
    let statistic = if statistic == "value" {
        String::new()
    } else {
        format!("{} ", cut(statistic, 12))
    };
    let bound = unit_of(&format!("{} {bound}", sign(limit.bound)), &cut(&m.unit, 12));
    Some(Near {
        what: cut(&m.what, 60),
        place: shown(&of),
        anchor: place.anchor_of(index),
        told: format!("{statistic}{value} {bound}"),
        used: (used(m).clamp(0.0, 1.0) * 100.0).into(),
    })
}

/// What of `LINK/WHAT/FROM-to-PEER`, and which way.
pub(super) fn of_link(id: &str) -> (&str, Option<String>) {
    let mut words = id.splitn(3, '/').skip(1);
    let what = words.next().unwrap_or(id);
    (what, words.next().map(|way| way.replacen("-to-", " → ", 1)))
}

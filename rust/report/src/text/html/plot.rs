//! Drawings of one measurement, [`WIDTH`] wide: how it was distributed, or how far it goes, and what it
//! is held against. No ink without a number behind it.

use deployctl_checks::{Bound, Measurement};
use serde::Serialize;

use super::number::{number, round};
use super::{Px, cut, float, number as words};

mod label;
mod scale;
mod spark;

pub(super) use label::width_of;
use label::{Label, place_label, spread};
pub(super) use scale::Scale;
pub(super) use spark::{Spark, spark};

/// Width of a drawing.
pub(super) const WIDTH: f64 = 320.0;
/// Samples from which on their distribution says something.
const ENOUGH: usize = 8;
/// Where drawings begin, below the limit's name.
const TOP: f64 = 16.0;
/// How high a histogram is.
const TALL: f64 = 36.0;
/// How high a bar is.
const BAR: f64 = 12.0;
/// Room for the names of marks.
const BELOW: f64 = 24.0;

/// One drawing.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    /// `distribution`, `range` or `bar`.
    kind: &'static str,
    width: Px,
    height: Px,
    /// Where bars stand.
    base: Px,
    bars: Vec<Bar>,
    /// From the least to the greatest value, and no further.
    frame: Option<(Px, Px)>,
    /// Statistics at their places.
    marks: Vec<Mark>,
    limit: Option<LimitLine>,
    /// Whether equal steps are equal factors.
    log: bool,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: Px,
    y: Px,
    width: Px,
    height: Px,
    /// Whether it is on the wrong side of the limit.
    beyond: bool,
}

#[derive(Debug, Serialize)]
struct Mark {
    /// Where it is.
    x: Px,
    /// Where its name's middle is.
    label_x: Px,
    label: String,
    /// Whether the limit judges this one.
    judged: bool,
    /// Whether it is only the end of the scale, without a line.
    end: bool,
}

#[derive(Debug, Serialize)]
struct LimitLine {
    /// `None` if it is far outside of the drawing.
    x: Option<Px>,
    label_x: Px,
    label: String,
    /// What does not pass: from, and how wide.
    beyond: Option<(Px, Px)>,
}

impl Plot {
    /// Whether it is one bar, low enough for a line of a list.
    pub(super) fn is_bar(&self) -> bool {
        self.kind == Kind::Bar.word()
    }
}

/// Draws `measurement` on `scale`, or nothing where nothing is known.
pub(super) fn plot(measurement: &Measurement, scale: &Scale) -> Option<Plot> {
    let samples: Vec<f64> = finite(measurement.samples.iter().copied());
    let statistics = finite(measurement.statistics.iter().map(|s| s.value));
    if samples.is_empty() && statistics.is_empty() {
        return None;
    }
    let kind = kind(measurement);
    let (height, base) = match kind {
        Kind::Distribution => (TOP + TALL + BELOW, TOP + TALL),
        Kind::Range => (TOP + BAR + BELOW, TOP + BAR),
        Kind::Bar => (TOP + BAR + 4.0, TOP + BAR),
    };
    let wrong = |value: f64| wrong(measurement, value);
    let bars = match kind {
        Kind::Distribution => histogram(&samples, scale, &wrong),
        Kind::Range => Vec::new(),
        Kind::Bar => bar(measurement, &statistics, &samples, scale, &wrong),
    };
    let frame = (kind != Kind::Bar || samples.len() > 1).then(|| {
        let all = if samples.is_empty() {
            &statistics
        } else {
            &samples
        };
        let (least, most) = ends(all);
        (scale.at(least).into(), scale.at(most).into())
    });
    Some(Plot {
        kind: kind.word(),
        width: WIDTH.into(),
        height: height.into(),
        base: base.into(),
        bars,
        frame,
        marks: if kind == Kind::Bar {
            Vec::new()
        } else {
            marks(measurement, scale)
        },
        limit: limit_line(measurement, scale),
        log: scale.log,
    })
}

/// A scale on which all of these can be compared.
pub(super) fn scale<'a>(together: impl IntoIterator<Item = &'a Measurement>) -> Scale {
    let mut values = Vec::new();
    let mut limits = Vec::new();
    let mut bars = false;
    for measurement in together {
        values.extend(finite(measurement.samples.iter().copied()));
        values.extend(finite(measurement.statistics.iter().map(|s| s.value)));
        limits.extend(finite(measurement.limit.iter().map(|l| l.value)));
        bars |= kind(measurement) == Kind::Bar;
    }
    Scale::over(&values, &limits, bars)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Distribution,
    Range,
    Bar,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Range => "range",
            Self::Bar => "bar",
        }
    }
}

/// A rate is a bar, as is a single number; what varies is shown as it varies.
fn kind(measurement: &Measurement) -> Kind {
    let rate = matches!(&measurement.limit, Some(limit) if limit.bound == Bound::AtLeast);
    if rate || (measurement.statistics.len() < 2 && measurement.samples.len() < ENOUGH) {
        Kind::Bar
    } else if measurement.samples.len() < ENOUGH {
        Kind::Range
    } else {
        Kind::Distribution
    }
}

fn finite(values: impl Iterator<Item = f64>) -> Vec<f64> {
    values.filter(|value| value.is_finite()).collect()
}

fn ends(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

/// Whether `value` would not pass.
fn wrong(measurement: &Measurement, value: f64) -> bool {
    match &measurement.limit {
        Some(limit) if limit.bound == Bound::AtMost => value > limit.value,
        Some(limit) => value < limit.value,
        None => false,
    }
}

/// How many samples fall where, by height.
fn histogram(samples: &[f64], scale: &Scale, wrong: &dyn Fn(f64) -> bool) -> Vec<Bar> {
    /// Width of a column with the gap after it.
    const STEP: f64 = 5.0;
    const COLUMNS: usize = 64;
    let mut counts = [(0_usize, false); COLUMNS];
    for &sample in samples {
        let x = scale.at(sample);
        let column = (1..COLUMNS).take_while(|n| float(*n) * STEP <= x).count();
        counts[column].0 += 1;
        counts[column].1 |= wrong(sample);
    }
    let most = counts
        .iter()
        .map(|(count, _)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    counts
        .iter()
        .enumerate()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(column, &(count, beyond))| {
            // The rarest must still be seen: it is what an operator looks for.
            let height = (TALL * float(count) / float(most)).max(2.0);
            Bar {
                x: (float(column) * STEP).into(),
                y: (TOP + TALL - height).into(),
                width: (STEP - 1.0).into(),
                height: height.into(),
                beyond,
            }
        })
        .collect()
}

/// From the scale's beginning to what is judged.
fn bar(
    measurement: &Measurement,
    statistics: &[f64],
    samples: &[f64],
    scale: &Scale,
    wrong: &dyn Fn(f64) -> bool,
) -> Vec<Bar> {
    let judged = judged(measurement).map(|(_, value)| value);
    let Some(value) = judged.or_else(|| statistics.first().or(samples.first()).copied()) else {
        return Vec::new();
    };
    vec![Bar {
        x: 0.0.into(),
        y: TOP.into(),
        width: scale.at(value).max(1.0).into(),
        height: BAR.into(),
        beyond: wrong(value),
    }]
}

/// The statistic that summarises all: what the limit judges, or the middle, or the first.
pub(super) fn judged(measurement: &Measurement) -> Option<(&str, f64)> {
    let by_limit = measurement
        .limit
        .as_ref()
        .map(|limit| limit.statistic.as_str());
    let found = [by_limit, Some("p50"), Some("mean"), Some("value")]
        .into_iter()
        .flatten()
        .find_map(|name| measurement.statistics.iter().find(|s| s.name == name))
        .or_else(|| measurement.statistics.first())?;
    found
        .value
        .is_finite()
        .then_some((found.name.as_str(), found.value))
}

fn marks(measurement: &Measurement, scale: &Scale) -> Vec<Mark> {
    let judged = measurement
        .limit
        .as_ref()
        .map(|limit| limit.statistic.as_str());
    let mut labels: Vec<Label<Mark>> = Vec::new();
    let mut add = |value: f64, label: String, judged: bool, end: bool| {
        let x = scale.at(value);
        let mark = Mark {
            x: x.into(),
            label_x: x.into(),
            label,
            judged,
            end,
        };
        labels.push(Label::new(x, &mark.label.clone(), mark));
    };
    for statistic in measurement
        .statistics
        .iter()
        .filter(|s| s.value.is_finite())
    {
        let is_judged = judged == Some(statistic.name.as_str());
        let label = format!("{} {}", cut(&statistic.name, 12), number(statistic.value));
        add(statistic.value, label, is_judged, false);
    }
    let told = |value: f64| {
        measurement
            .statistics
            .iter()
            .any(|s| s.value.total_cmp(&value).is_eq())
    };
    if !scale.log && !told(scale.low) {
        add(scale.low, round(scale.low), false, true);
    }
    // What is judged stays, and then what comes first; the end of the scale goes first.
    labels.sort_by_key(|label| (label.item.end, !label.item.judged));
    spread(labels, WIDTH)
        .into_iter()
        .map(|(x, mark)| Mark {
            label_x: x.into(),
            ..mark
        })
        .collect()
}

fn limit_line(measurement: &Measurement, scale: &Scale) -> Option<LimitLine> {
    let limit = measurement.limit.as_ref().filter(|l| l.value.is_finite())?;
    let mut label = words::limit(limit, &cut(&measurement.unit, 16));
    if limit.value > scale.high {
        label.push_str(" →");
        return Some(LimitLine {
            x: None,
            label_x: place_label(WIDTH, &label, WIDTH).into(),
            label,
            beyond: None,
        });
    }
    let x = scale.at(limit.value);
    Some(LimitLine {
        x: Some(x.into()),
        label_x: place_label(x, &label, WIDTH).into(),
        label,
        beyond: Some(match limit.bound {
            Bound::AtMost => (x.into(), (WIDTH - x).into()),
            Bound::AtLeast => (0.0.into(), x.into()),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(measurement: &Measurement) -> Plot {
        plot(measurement, &scale([measurement])).unwrap()
    }

    #[test]
    fn each_kind_of_drawing() {
        let latency = Measurement::new("time to first token", "ms")
            .statistic("p50", 41.0)
            .statistic("p95", 62.0)
            .samples([38.0, 40.0, 40.5, 41.0, 41.5, 42.0, 55.0, 62.0, 118.0])
            .limit("p95", Bound::AtMost, 100.0);
        let echo = Measurement::new("echo", "µs")
            .statistic("p50", 9.0)
            .statistic("max", 4210.0);
        let rate = Measurement::new("throughput", "Gbit/s")
            .statistic("mean", 9.2)
            .limit("mean", Bound::AtLeast, 9.4);
        insta::assert_json_snapshot!([drawn(&latency), drawn(&echo), drawn(&rate)]);
    }

    #[test]
    fn little_and_nothing_is_drawn_too() {
        let same = Measurement::new("same", "ms")
            .statistic("p50", 3.0)
            .statistic("p95", 3.0)
            .samples([3.0; 9]);
        let nought = Measurement::new("nought", "%")
            .statistic("value", 0.0)
            .limit("value", Bound::AtMost, 0.0);
        let far = Measurement::new("far", "ms")
            .statistic("p50", 0.2)
            .statistic("max", 0.3)
            .limit("max", Bound::AtMost, 400.0);
        insta::assert_json_snapshot!([drawn(&same), drawn(&nought), drawn(&far)]);
        let nothing = Measurement::new("nothing", "ms").limit("p95", Bound::AtMost, 1.0);
        assert!(plot(&nothing, &scale([&nothing])).is_none());
    }
}

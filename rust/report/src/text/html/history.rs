//! How it went before: a line of cells for each host and link, series of numbers, and since when.

use deployctl_checks::{CheckResult, Measurement};
use serde::Serialize;

use super::number::time;
use super::place::{self, Mark, Place};
use super::{Px, float, plot, shown};
use crate::text::Run;
use crate::text::words::count;

/// How wide a run's cell is, with the gap after it.
const STEP: f64 = 14.0;
/// How high the line of cells is.
const HEIGHT: f64 = 20.0;

/// All lines; none where there was no run before.
#[derive(Serialize)]
pub(super) struct Timelines {
    rows: Vec<Row>,
    runs: usize,
    first: String,
    last: String,
}

/// One host's or link's line.
#[derive(Serialize)]
struct Row {
    name: String,
    anchor: String,
    mark: Mark,
    width: Px,
    height: Px,
    cells: Vec<Cell>,
    /// What is other than in the run before: `2 new, 1 repaired`.
    changed: String,
}

/// One run: good ones are low, bad ones high.
#[derive(Serialize)]
struct Cell {
    mark: Mark,
    x: Px,
    y: Px,
    width: Px,
    height: Px,
    /// When, and how it went.
    told: String,
}

/// The runs before, and this one.
pub(super) fn timelines(places: &[Place<'_>], history: &[Run], at: &str) -> Option<Timelines> {
    let first = history.first()?;
    let before: Vec<Vec<Place<'_>>> = history
        .iter()
        .map(|run| place::places(&run.report))
        .collect();
    let rows = places.iter().map(|place| {
        let past = before
            .iter()
            .zip(history)
            .map(|(run, at)| (find(run, place), at.at.as_str()));
        let cells = past
            .chain([(Some(place), at)])
            .enumerate()
            .filter_map(|(n, (place, at))| Some(cell(n, place?, at)))
            .collect();
        Row {
            name: shown(place.name),
            anchor: place.anchor.clone(),
            mark: place.mark(),
            width: (STEP * float(history.len() + 1)).into(),
            height: HEIGHT.into(),
            cells,
            changed: before.last().and_then(|run| find(run, place)).map_or_else(
                || "not in the run before".to_owned(),
                |then| changed(then, place),
            ),
        }
    });
    Some(Timelines {
        rows: rows.collect(),
        runs: history.len() + 1,
        first: time(&first.at),
        last: time(at),
    })
}

fn cell(n: usize, place: &Place<'_>, at: &str) -> Cell {
    let mark = place.mark();
    let height = match mark {
        Mark::Skip => 3.0,
        Mark::Pass => 7.0,
        Mark::Stale => 13.0,
        Mark::Error | Mark::Fail | Mark::Lost => HEIGHT,
    };
    let bad = place.checks.iter().filter(|c| Mark::of(c).is_bad()).count();
    let told = match (&place.end, bad) {
        (Some(end), _) => end.phrase.to_owned(),
        (None, 0) => format!("{} hold", count(place.checks.len(), "check")),
        (None, bad) => format!("{bad} of {} wrong", count(place.checks.len(), "check")),
    };
    Cell {
        mark,
        x: (STEP * float(n)).into(),
        y: (HEIGHT - height).into(),
        width: (STEP - 3.0).into(),
        height: height.into(),
        told: format!("{}: {told}", time(at)),
    }
}

/// The same host or link in another run.
fn find<'a, 'r>(run: &'a [Place<'r>], place: &Place<'_>) -> Option<&'a Place<'r>> {
    run.iter()
        .find(|then| then.name == place.name && then.host.is_some() == place.host.is_some())
}

fn changed(then: &Place<'_>, now: &Place<'_>) -> String {
    let bad = |place: &Place<'_>, id: &str| {
        let mut of_it = place.checks.iter().filter(|check| check.check == id);
        of_it.next().map(|check| Mark::of(check).is_bad())
    };
    let differs = |from: &Place<'_>, to: &Place<'_>| {
        let wrong = from.checks.iter().filter(|check| Mark::of(check).is_bad());
        wrong
            .filter(|check| bad(to, &check.check) == Some(false))
            .count()
    };
    let parts = [
        (differs(now, then), "newly wrong"),
        (differs(then, now), "repaired"),
    ];
    let told: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    match (&then.end, &now.end) {
        (Some(_), None) => "back again".to_owned(),
        (None, Some(end)) => end.phrase.to_owned(),
        _ if told.is_empty() => "as before".to_owned(),
        _ => told.join(", "),
    }
}

/// One number of every run, oldest first, this one last.
pub(super) struct Series {
    /// Its value and whether it held; none where it was not measured.
    pub(super) values: Vec<Option<(f64, bool)>>,
}

/// How `measurement` went in the runs before, and now.
pub(super) fn series(
    place: &Place<'_>,
    check: &CheckResult,
    measurement: &Measurement,
    history: &[Run],
) -> Series {
    let value = |m: &Measurement| plot::judged(m).map(|(_, value)| (value, m.holds()));
    let past = history.iter().map(|run| {
        let then = check_in(run, place, check)?;
        let same = then
            .measurements
            .iter()
            .find(|m| m.what == measurement.what && m.unit == measurement.unit)?;
        value(same)
    });
    let values = past.chain([value(measurement)]).collect();
    Series { values }
}

/// Since when `check` has been wrong: in the words of the runs before.
pub(super) fn since(place: &Place<'_>, check: &CheckResult, history: &[Run]) -> Option<String> {
    let mut oldest: Option<&Run> = None;
    let mut runs = 1;
    for run in history.iter().rev() {
        match check_in(run, place, check) {
            Some(then) if Mark::of(then).is_bad() => {
                oldest = Some(run);
                runs += 1;
            }
            // A run that left it out says nothing.
            None => {}
            Some(then) if Mark::of(then) == Mark::Skip => {}
            Some(then) if Mark::of(then) == Mark::Pass && oldest.is_none() => {
                return Some(format!("new: it held on {}", time(&run.at)));
            }
            _ => break,
        }
    }
    let oldest = oldest?;
    Some(format!("since {} ({runs} runs)", time(&oldest.at)))
}

fn check_in<'a>(run: &'a Run, place: &Place<'_>, check: &CheckResult) -> Option<&'a CheckResult> {
    let checks = if place.host.is_some() {
        let mut hosts = run.report.hosts.iter();
        &hosts.find(|then| then.host.as_str() == place.name)?.checks
    } else {
        let mut links = run.report.links.iter();
        &links.find(|then| then.link == place.name)?.checks
    };
    checks.iter().find(|then| then.check == check.check)
}

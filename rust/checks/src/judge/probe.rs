//! One thing that `hostprobe` did with the rights of a unit, or was not asked to do while the unit runs.
//!
//! The answer begins with `unit=absent`, `unit=running` or `unit=idle`; hostprobe's report follows.

use serde::Deserialize;

use super::{no_unit, refused};
use crate::answer::{Answer, Found, Holds, Unreadable};
use crate::reader::hostprobe::Report;
use crate::{Bound, Measurement};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// What hostprobe calls it.
    item: String,
    /// The most that any of its measurements may be.
    #[serde(default)]
    max: Option<f64>,
}

pub(super) fn judge(options: &Options, answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let item = options.item.as_str();
    let text = answer.text()?;
    let (unit, report) = text.split_once('\n').unwrap_or((text, ""));
    let Some(unit) = unit.trim().strip_prefix("unit=") else {
        return Err(Unreadable::new("the answer does not begin with `unit=`"));
    };
    if unit == "absent" {
        return Ok(no_unit());
    }
    if report.trim().is_empty() {
        let status = answer.status;
        let no_report = || {
            Unreadable(format!(
                "hostprobe ended with status {status} and no report"
            ))
        };
        return refused(status).ok_or_else(no_report);
    }
    let Some(found) = Report::parse(report)?.item(item) else {
        if unit == "running" {
            return Ok(passed_over(
                "the unit runs, and would be disturbed: stop it first",
            ));
        }
        return Err(Unreadable(format!("nothing about `{item}` in the report")));
    };
    let found = found.tried()?;
    let measured: Vec<_> = found
        .measurements()
        .map(|measured| match options.max {
            Some(limit) => measured.limit("max", Bound::AtMost, limit),
            None => measured,
        })
        .collect();
    let within = measured.iter().all(Measurement::holds);
    // Whether wake-ups were measured under `SCHED_FIFO`; other items do not say.
    let with_fifo = found.flag("fifo") != Some(false);
    let judged =
        Found::when(found.passed() && within && with_fifo, found.message).measuring(measured);
    Ok(match found.hint {
        Some(hint) => judged.or_hint(hint),
        None if !with_fifo => judged.or_hint("SCHED_FIFO was refused: it was measured without"),
        None => judged,
    })
}

fn passed_over(reason: &str) -> Found {
    Found {
        holds: Holds::PassedOver(reason.to_owned()),
        ..Found::when(false, "")
    }
}

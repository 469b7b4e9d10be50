//! Reports as text for people.

mod checks;
mod plan;

use std::fmt::Write as _;

use deployctl_core::report::{HostReport, Outcome, Problem, Report};

use crate::ui::Tone;

pub(crate) use checks::checks;
pub(crate) use plan::{drift, headline, plan, plans};

/// Lines of a host's log that are shown when it did not come through.
const LOG_LINES: usize = 20;

/// How every host of an apply or a rollback ended.
pub(crate) fn report(report: &Report) -> String {
    let width = width(report);
    let mut text = String::new();
    for host in &report.hosts {
        let _ = writeln!(text, "{:width$}  {}", host.host, outcome(host));
        text.push_str(&after(host));
    }
    text
}

/// Characters of the longest host name.
fn width(report: &Report) -> usize {
    let names = report.hosts.iter().map(|host| host.host.as_str().len());
    names.max().unwrap_or_default()
}

/// One host's end in a line, with hints below.
fn outcome(report: &HostReport) -> String {
    match &report.outcome {
        Outcome::Unchanged | Outcome::Planned { changes: false } => "nothing to change".to_owned(),
        Outcome::Planned { changes: true } => "has changes".to_owned(),
        Outcome::Committed { generation } => {
            let what = report.plan.as_ref().map(plan::summary).unwrap_or_default();
            format!(
                "{} generation {generation}: {what}",
                Tone::Good.of("committed")
            )
        }
        Outcome::RolledBack { reason } => format!("{}: {reason}", Tone::Bad.of("rolled back")),
        Outcome::RollbackFailed { reason, hint } => {
            format!(
                "{}: {reason}\n  hint: {hint}",
                Tone::Bad.of("rollback failed")
            )
        }
        Outcome::Refused { reasons } => {
            let mut text = Tone::Bad.of("refused");
            for reason in reasons {
                let _ = write!(text, ": {}", problem(reason));
            }
            text
        }
        Outcome::Unreachable { reason } => {
            format!("{}: {}", Tone::Bad.of("unreachable"), problem(reason))
        }
        Outcome::Unknown { reason } => format!("{}: {}", Tone::Bad.of("unknown"), problem(reason)),
        Outcome::Failed { reason } => format!("{}: {}", Tone::Bad.of("failed"), problem(reason)),
        Outcome::Verified => "verified".to_owned(),
        Outcome::Skipped { reason } => Tone::Dim.of(&format!("skip: {reason}")),
    }
}

fn problem(problem: &Problem) -> String {
    match &problem.hint {
        None => problem.message.clone(),
        Some(hint) => format!("{}\n  hint: {hint}", problem.message),
    }
}

/// What else there is to know: a reboot, what a sandbox left out, the log of what went wrong.
fn after(report: &HostReport) -> String {
    let mut text = String::new();
    let committed = matches!(report.outcome, Outcome::Committed { .. });
    if committed {
        for reason in report.plan.iter().flat_map(|plan| &plan.reboot) {
            let _ = writeln!(text, "  {}: {reason}", Tone::Warn.of("reboot needed"));
        }
        let skipped = checks::skipped(&report.checks);
        if !skipped.is_empty() {
            let _ = writeln!(text, "  {}", Tone::Dim.of(&skipped));
        }
    }
    let from = report.log.len().saturating_sub(LOG_LINES);
    for line in &report.log[from..] {
        let _ = writeln!(text, "  | {line}");
    }
    text
}

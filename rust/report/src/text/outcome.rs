//! How hosts ended, with what the operator does next.

use std::fmt::Write as _;

use deployctl_core::activation::status::FAILURE_CHARACTERS;
use deployctl_core::plan::Severity;
use deployctl_core::query::printable_line;

use super::checks::{failing, skipped};
use super::words::{changes, count, problem, size, time_of_day};
use super::{Style, pad, shown, widest};
use crate::report::{HostReport, Outcome, Problem, Report};

/// Lines of a host's log that are shown when it did not come through.
const LOG_LINES: usize = 20;

/// How every host of an apply or a rollback ended, and a line that sums up several.
pub fn report(report: &Report, style: Style) -> String {
    let width = widest(report.hosts.iter().map(|host| host.host.as_str()));
    let mut text = String::new();
    for host in &report.hosts {
        text.push_str(&line(host, width, style));
        after(&mut text, host, style);
    }
    if report.hosts.len() > 1 {
        let _ = write!(text, "\n{}", summary(report, style));
    }
    text
}

/// All hosts in one line: `cuda: 12 changes · linode: unchanged`.
pub fn summary(report: &Report, style: Style) -> String {
    let parts: Vec<_> = report
        .hosts
        .iter()
        .map(|host| format!("{}: {}", host.host, brief(host, style)))
        .collect();
    format!("{}\n", parts.join(" · "))
}

pub(super) fn brief(host: &HostReport, style: Style) -> String {
    match &host.outcome {
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Planned { changes } => match &host.plan {
            Some(plan) if plan.findings.iter().any(|f| f.severity == Severity::Refuse) => {
                style.bad("would be refused")
            }
            Some(plan) if *changes => count(plan.change_count(), "change"),
            _ if *changes => "changes".to_owned(),
            _ => "unchanged".to_owned(),
        },
        Outcome::Committed { generation } => style.good(&format!("generation {generation}")),
        Outcome::RolledBack { .. } => style.bad("rolled back"),
        Outcome::RollbackFailed { .. } => style.bad("rollback failed"),
        Outcome::Refused { .. } => style.bad("refused"),
        Outcome::Unreachable { .. } => style.bad("unreachable"),
        Outcome::Open { .. } => style.bad("open"),
        Outcome::BuildFailed { .. } => style.bad("build failed"),
        Outcome::Staged { .. } => style.good("staged"),
        Outcome::NotStaged { .. } => style.bad("not staged"),
        Outcome::Verified => "verified".to_owned(),
        Outcome::Skipped { reason } => style.dim(&format!("skip: {}", shown(reason))),
        Outcome::Interrupted => style.bad("interrupted"),
        Outcome::Failed { .. } => style.bad("failed"),
    }
}

/// One host's end in a line, hints below it.
pub(super) fn line(host: &HostReport, width: usize, style: Style) -> String {
    let name = pad(host.host.as_str(), width);
    format!("{name}  {}\n", end(host, style))
}

fn end(host: &HostReport, style: Style) -> String {
    let failed = |what: &str, reason: &Problem| {
        format!("{} {}", style.bad(what), problem(reason, "  ", style))
    };
    match &host.outcome {
        Outcome::Unchanged | Outcome::Planned { changes: false } => match &host.took_over {
            None => "nothing to change".to_owned(),
            Some(what) => format!("{}, nothing else to change", shown(what)),
        },
        Outcome::Planned { changes: true } => "has changes".to_owned(),
        Outcome::Committed { generation } => {
            let what = host.plan.as_ref().map(changes).unwrap_or_default();
            format!(
                "{} {what}",
                style.good(&format!("committed as generation {generation}:"))
            )
        }
        Outcome::RolledBack { reason, login } => rolled_back(reason, *login, style),
        Outcome::RollbackFailed { reason, hint } => format!(
            "{} {}\n  {} {}",
            style.bad("rollback failed, a person has to look:"),
            whole(reason),
            style.bad("do this now:"),
            shown(hint)
        ),
        Outcome::Refused { reasons } => refused(reasons, host, style),
        Outcome::Unreachable { reason } => failed("unreachable:", reason),
        Outcome::Open { reason, until } => {
            failed(&format!("open: {}:", unconfirmed(*until)), reason)
        }
        Outcome::BuildFailed { reason } => failed("not built, nothing was touched:", reason),
        Outcome::Staged { artifacts: 0, .. } => "all of it is staged already".to_owned(),
        Outcome::Staged { artifacts, bytes } => format!(
            "{} {}, {} transferred",
            style.good("staged:"),
            count(*artifacts, "artifact"),
            size(*bytes)
        ),
        Outcome::NotStaged { reason } => failed(
            &format!("not staged, {} was changed:", nothing(host)),
            reason,
        ),
        Outcome::Interrupted => style.bad(&interrupted(host)),
        Outcome::Failed { reason } => failed("failed:", reason),
        Outcome::Verified => "verified".to_owned(),
        Outcome::Skipped { reason } => style.dim(&format!("skip: {}", shown(reason))),
    }
}

fn rolled_back(reason: &str, login: bool, style: Style) -> String {
    let login = if login {
        ", and a new login became root"
    } else {
        ""
    };
    format!(
        "{} {}\n  everything was put back and verified{login}",
        style.bad("rolled back:"),
        whole(reason)
    )
}

/// One line of why a host was rolled back, as long as a host's own words may be: the next step comes last.
fn whole(reason: &str) -> String {
    printable_line(reason.as_bytes(), FAILURE_CHARACTERS)
}

fn refused(reasons: &[Problem], host: &HostReport, style: Style) -> String {
    let mut text = match host.took_over.as_deref() {
        None => style.bad(&format!("refused, {} was touched", nothing(host))),
        Some(what) => format!(
            "{} {}",
            style.bad("refused, nothing else was touched:"),
            shown(what)
        ),
    };
    for reason in reasons {
        let _ = write!(text, "\n  {}", problem(reason, "    ", style));
    }
    text
}

/// What was changed of a host that ended before its apply began: nothing, or no more than by a first step.
fn nothing(host: &HostReport) -> &'static str {
    if host.first_step.is_none() {
        "nothing"
    } else {
        "nothing more"
    }
}

/// Said of a host that an interrupt came before.
fn interrupted(host: &HostReport) -> String {
    let anything = match host.first_step {
        None => "anything",
        Some(_) => "anything more",
    };
    format!("interrupted before {anything} was changed")
}

/// Said of a host or a link on which nothing was asked.
pub(super) const WITHOUT_CHECKS: &str = "nothing was checked";

/// How a host ended that did not come through: unescaped, for whoever shows it.
pub(super) struct BadEnd {
    /// In a word for programs: `unreachable`.
    pub(super) word: &'static str,
    /// For people, after the host's name: `could not be reached`.
    pub(super) phrase: &'static str,
    /// Why.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: Option<String>,
}

/// Why a host counts as failed, independently of its checks; `None` if it succeeded.
pub(super) fn bad_end(host: &HostReport) -> Option<BadEnd> {
    let (word, phrase, message, hint) = match &host.outcome {
        Outcome::Unchanged
        | Outcome::Planned { .. }
        | Outcome::Committed { .. }
        | Outcome::Staged { .. }
        | Outcome::Verified
        | Outcome::Skipped { .. } => return None,
        Outcome::RolledBack { reason, .. } => {
            ("rolled-back", "was rolled back", reason.clone(), None)
        }
        Outcome::RollbackFailed { reason, hint } => (
            "rollback-failed",
            "could not be rolled back",
            reason.clone(),
            Some(hint.clone()),
        ),
        Outcome::Refused { reasons } => {
            let messages: Vec<_> = reasons.iter().map(|r| r.message.as_str()).collect();
            let hints: Vec<_> = reasons.iter().filter_map(|r| r.hint.as_deref()).collect();
            let hint = (!hints.is_empty()).then(|| hints.join("; "));
            ("refused", "was refused", messages.join("; "), hint)
        }
        Outcome::Unreachable { reason } => told("unreachable", "could not be reached", reason),
        Outcome::Open { reason, until } => (
            "open",
            "is open",
            format!("{}: {}", unconfirmed(*until), reason.message),
            reason.hint.clone(),
        ),
        Outcome::BuildFailed { reason } => told("build-failed", "could not be built", reason),
        Outcome::NotStaged { reason } => told("not-staged", "could not be staged", reason),
        Outcome::Interrupted => ("interrupted", "was left alone", interrupted(host), None),
        Outcome::Failed { reason } => told("failed", "could not be worked on", reason),
    };
    let message = match host.first_step {
        None => message,
        Some(generation) => format!("{message}; {}", first_step(generation, host)),
    };
    Some(BadEnd {
        word,
        phrase,
        message,
        hint,
    })
}

/// What an apply is that was started and neither confirmed nor seen to be put back.
fn unconfirmed(until: Option<u64>) -> String {
    until.map_or_else(
        || "not confirmed".to_owned(),
        |until| {
            let at = time_of_day(until);
            format!("not confirmed; rolls back by itself, at {at}Z at the latest")
        },
    )
}

fn told(
    word: &'static str,
    phrase: &'static str,
    reason: &Problem,
) -> (&'static str, &'static str, String, Option<String>) {
    (word, phrase, reason.message.clone(), reason.hint.clone())
}

/// What a first step has done.
fn first_step(generation: u32, host: &HostReport) -> String {
    let waited = host.plan.iter().flat_map(|plan| &plan.artifacts);
    let waited = waited.filter(|change| !change.awaits.is_empty());
    let waited: Vec<String> = waited
        .map(|change| format!("{} {}", change.kind, change.name))
        .collect();
    format!(
        "a first step is committed as generation {generation}, without {}",
        waited.join(", ")
    )
}

/// What else there is to know: a reboot, what a sandbox left out, gates that failed, the host's log.
fn after(text: &mut String, host: &HostReport, style: Style) {
    if let Some(generation) = host.first_step {
        let _ = writeln!(text, "  {}", first_step(generation, host));
    }
    let committed = matches!(host.outcome, Outcome::Committed { .. });
    // What a first step changed may need it, too.
    if committed || host.first_step.is_some() {
        for reason in host.plan.iter().flat_map(|plan| &plan.reboot) {
            let _ = writeln!(
                text,
                "  {} {}",
                style.warn("reboot needed:"),
                shown(&reason.words)
            );
        }
    }
    failing(text, &host.checks, style);
    if committed {
        skipped(text, &host.checks, style);
    }
    if !host.log.is_empty() {
        let from = host.log.len().saturating_sub(LOG_LINES);
        let title = if from > 0 {
            format!("its log, the last {LOG_LINES} lines of {}:", host.log.len())
        } else {
            "its log:".to_owned()
        };
        let _ = writeln!(text, "  {}", style.dim(&title));
        for line in &host.log[from..] {
            let _ = writeln!(text, "  {} {}", style.dim("|"), shown(line));
        }
    }
}

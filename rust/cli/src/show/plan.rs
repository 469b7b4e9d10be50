//! Plans as text.

use std::fmt::Write as _;

use deployctl_core::plan::{PackageAction, PathChange, PathTarget, Plan, Severity, UnitAction};
use deployctl_core::rendered::PathState;
use deployctl_core::report::Report;

use crate::ui::Tone;

/// Lines of a diff that are shown without `--full`.
const DIFF_LINES: usize = 12;

/// The plans of all hosts, and how the others ended.
pub(crate) fn plans(report: &Report, full: bool) -> String {
    let width = super::width(report);
    let mut text = String::new();
    for host in &report.hosts {
        match &host.plan {
            Some(made) => text.push_str(&plan(made, full)),
            None => {
                let _ = writeln!(text, "{:width$}  {}", host.host, super::outcome(host));
            }
        }
    }
    text
}

/// What was changed behind our back.
pub(crate) fn drift(report: &Report) -> String {
    let width = super::width(report);
    let mut text = String::new();
    for host in &report.hosts {
        let Some(plan) = &host.plan else {
            let _ = writeln!(text, "{:width$}  {}", host.host, super::outcome(host));
            continue;
        };
        if plan.drift.is_empty() {
            let _ = writeln!(text, "{:width$}  no drift", host.host);
        }
        for drift in &plan.drift {
            let _ = writeln!(
                text,
                "{:width$}  {}: committed {}, found {}",
                host.host, drift.subject, drift.committed, drift.found
            );
        }
    }
    text
}

/// `12 files, 2 packages, 1 unit`.
pub(super) fn summary(plan: &Plan) -> String {
    let counts = [
        (plan.paths.len(), "path"),
        (plan.packages.len(), "package"),
        (plan.units.len(), "unit"),
        (plan.sysctls.len(), "sysctl"),
        (plan.modules.len(), "module"),
    ];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() {
        "nothing to change".to_owned()
    } else {
        parts.join(", ")
    }
}

/// One host's plan in a line.
pub(crate) fn headline(plan: &Plan) -> String {
    let origin = format!(
        "(plan {}, from generation {})",
        plan.id, plan.base_generation
    );
    format!(
        "{}  {}  {}\n",
        Tone::Bold.of(plan.host.as_str()),
        summary(plan),
        Tone::Dim.of(&origin),
    )
}

/// One host's plan. With `full`, whole diffs.
pub(crate) fn plan(plan: &Plan, full: bool) -> String {
    let mut text = headline(plan);
    for finding in &plan.findings {
        let word = match finding.severity {
            Severity::Note => Tone::Dim.of("note"),
            Severity::Warn => Tone::Warn.of("warning"),
            Severity::Refuse => Tone::Bad.of("refused"),
        };
        let _ = writeln!(text, "  {word}: {}", finding.message);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "    hint: {hint}");
        }
    }
    for drift in &plan.drift {
        let _ = writeln!(
            text,
            "  {}: {}: committed {}, found {}",
            Tone::Warn.of("drift"),
            drift.subject,
            drift.committed,
            drift.found
        );
    }
    for change in &plan.paths {
        path(&mut text, change, full);
    }
    for package in &plan.packages {
        let before = package.before.as_deref().unwrap_or("not installed");
        let after = package.after.as_deref().unwrap_or("as offered");
        let words = match package.action {
            PackageAction::Install => format!("{before} → {after}"),
            PackageAction::Hold => "hold".to_owned(),
            PackageAction::Unhold => "no longer held, stays".to_owned(),
        };
        let _ = writeln!(text, "  package {}  {words}", package.name);
    }
    for sysctl in &plan.sysctls {
        let before = sysctl.before.as_deref().unwrap_or("unset");
        let after = sysctl.after.as_deref().unwrap_or("as before deployctl");
        let _ = writeln!(text, "  sysctl {}  {before} → {after}", sysctl.key);
    }
    for module in &plan.modules {
        let _ = writeln!(text, "  module {module}  load");
    }
    for unit in &plan.units {
        let actions: Vec<&str> = unit.actions.iter().copied().map(action).collect();
        let _ = writeln!(
            text,
            "  unit {}  {}  ({})",
            unit.unit,
            actions.join(", "),
            unit.reason
        );
    }
    for reason in &plan.reboot {
        let _ = writeln!(text, "  {}: {reason}", Tone::Warn.of("reboot needed"));
    }
    text
}

fn path(text: &mut String, change: &PathChange, full: bool) {
    let (mark, word) = match (&change.before, &change.after) {
        (_, PathTarget::Original) => (Tone::Warn.of("<"), "back to what it was before deployctl"),
        (
            _,
            PathTarget::Entry {
                state: PathState::Absent,
            },
        ) => (Tone::Bad.of("-"), "removed"),
        (PathState::Absent, _) => (Tone::Good.of("+"), "new"),
        _ => (Tone::Warn.of("~"), "changed"),
    };
    let concern = change
        .concern
        .as_ref()
        .map(|concern| format!("{concern}, "));
    let concern = concern.unwrap_or_default();
    let _ = writeln!(text, "  {mark} {}  ({concern}{word})", change.path);
    let Some(diff) = &change.diff else { return };
    // A new file's diff says no more than the file; it is for `--full`.
    if change.before == PathState::Absent && !full {
        return;
    }
    let total = diff.lines().count();
    let limit = if full { total } else { DIFF_LINES };
    for line in diff.lines().take(limit) {
        let line = match line.as_bytes().first() {
            Some(b'+') => Tone::Good.of(line),
            Some(b'-') => Tone::Bad.of(line),
            _ => line.to_owned(),
        };
        let _ = writeln!(text, "      {line}");
    }
    if total > limit {
        let more = format!("… {} more lines, see --full", total - limit);
        let _ = writeln!(text, "      {}", Tone::Dim.of(&more));
    }
}

fn action(action: UnitAction) -> &'static str {
    match action {
        UnitAction::Enable => "enable",
        UnitAction::Disable => "disable",
        UnitAction::Stop => "stop",
        UnitAction::Start => "start",
        UnitAction::Restart => "restart",
        UnitAction::Reload => "reload",
        UnitAction::Original => "back to what it was before deployctl",
    }
}

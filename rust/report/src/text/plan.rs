//! Plans: what refuses them, what changes, what restarts and for how long, why a reboot.

use std::fmt::Write as _;

use deployctl_core::name::{ModuleName, PackageName};
use deployctl_core::plan::{PackageAction, PathChange, PathTarget, Plan, Severity, UnitAction};
use deployctl_core::rendered::{Ownership, PathState};

use super::artifacts::artifacts;
use super::closure::closure;
use super::words::{action, changes, count, lasting};
use super::{Style, outcome, pad, shown, widest};
use crate::report::Report;

/// Lines of a diff that are shown unless all are asked for.
const DIFF_LINES: usize = 12;

/// The plans of all hosts, how the others ended, and a line that sums up several.
pub fn plans(report: &Report, full: bool, style: Style) -> String {
    let mut text = String::new();
    for host in &report.hosts {
        if !text.is_empty() {
            text.push('\n');
        }
        match &host.plan {
            Some(made) => text.push_str(&plan(made, full, style)),
            None => text.push_str(&outcome::line(host, 0, style)),
        }
    }
    if report.hosts.len() > 1 {
        let _ = write!(text, "\n{}", outcome::summary(report, style));
    }
    text
}

/// One host's plan in a line.
pub fn headline(plan: &Plan, style: Style) -> String {
    let origin = match plan.base_generation {
        0 => format!("plan {}, first apply", plan.id),
        base => format!("plan {}, from generation {base}", plan.id),
    };
    format!(
        "{}  {}  {}\n",
        style.bold(plan.host.as_str()),
        changes(plan),
        style.dim(&format!("({origin})"))
    )
}

/// One host's plan. Without `full`, long diffs and new files are cut short.
pub fn plan(plan: &Plan, full: bool, style: Style) -> String {
    let mut text = headline(plan, style);
    drifted(&mut text, plan, style);
    if let Some(change) = &plan.closure {
        closure(&mut text, change, full, style);
    }
    artifacts(&mut text, &plan.artifacts, style);
    files(&mut text, plan, full, style);
    packages(&mut text, plan, style);
    live(&mut text, plan, style);
    again(&mut text, plan, style);
    units(&mut text, plan, style);
    reboot(&mut text, plan, style);
    findings(&mut text, plan, style);
    text
}

/// What was changed on the hosts behind our back.
pub fn drift(report: &Report, style: Style) -> String {
    let width = widest(report.hosts.iter().map(|host| host.host.as_str()));
    let mut text = String::new();
    for host in &report.hosts {
        let open = host.plan.iter().flat_map(|plan| &plan.findings);
        for finding in open.filter(|finding| finding.code == "lock") {
            let said = style.warn(&shown(&finding.message));
            let _ = writeln!(text, "{:width$}  {said}", host.host);
        }
        match &host.plan {
            None => text.push_str(&outcome::line(host, width, style)),
            Some(plan) if plan.drift.is_empty() => {
                let known = match plan.base_generation {
                    0 => "nothing applied yet",
                    _ => "as committed",
                };
                let _ = writeln!(text, "{:width$}  {}", host.host, style.good(known));
            }
            Some(plan) => {
                let found = format!("{} behind our back", count(plan.drift.len(), "change"));
                let _ = writeln!(text, "{:width$}  {}", host.host, style.warn(&found));
                drift_rows(&mut text, plan, style);
            }
        }
    }
    text
}

fn drifted(text: &mut String, plan: &Plan, style: Style) {
    if plan.drift.is_empty() {
        return;
    }
    let title = format!(
        "changed on the host since generation {}",
        plan.base_generation
    );
    let _ = writeln!(text, "  {}", style.warn(&title));
    drift_rows(text, plan, style);
}

fn drift_rows(text: &mut String, plan: &Plan, style: Style) {
    let subjects: Vec<_> = plan.drift.iter().map(|d| shown(&d.subject)).collect();
    let width = widest(subjects.iter().map(String::as_str));
    for (subject, drift) in subjects.iter().zip(&plan.drift) {
        let _ = writeln!(
            text,
            "    {}  {} {} {}",
            pad(subject, width),
            shown(&drift.committed),
            style.dim("became"),
            shown(&drift.found)
        );
    }
}

fn files(text: &mut String, plan: &Plan, full: bool, style: Style) {
    if plan.paths.is_empty() {
        return;
    }
    let _ = writeln!(text, "  files");
    let width = widest(plan.paths.iter().map(|change| change.path.as_str()));
    for change in &plan.paths {
        let concern = change.concern.as_ref().map_or("", |c| c.as_str());
        let _ = writeln!(
            text,
            "    {} {}  {}  {}",
            mark(change, style),
            pad(change.path.as_str(), width),
            what(change),
            style.dim(&format!(
                "[{}]",
                if concern.is_empty() {
                    "no longer declared"
                } else {
                    concern
                }
            ))
        );
        diff(text, change, full, style);
    }
}

fn mark(change: &PathChange, style: Style) -> String {
    match (&change.before, &change.after) {
        (_, PathTarget::Original) => style.warn("<"),
        (_, PathTarget::Entry { state }) if *state == PathState::Absent => style.bad("-"),
        (PathState::Absent, _) => style.good("+"),
        _ => style.warn("~"),
    }
}

/// What happens to a path, in words; the diff shows the bytes, or the reason why it is missing.
fn what(change: &PathChange) -> String {
    if change.gone {
        return "is gone, and was not there before deployctl either".to_owned();
    }
    let PathTarget::Entry { state: after } = &change.after else {
        return "back to what it was before deployctl".to_owned();
    };
    match (&change.before, after) {
        (before, PathState::Absent) => format!("removed, was {}", shown(&before.to_string())),
        (
            PathState::File {
                sha256: old,
                ownership: was,
            },
            PathState::File {
                sha256: new,
                ownership: becomes,
            },
        ) => {
            let mut parts = owners(was, becomes);
            if old != new && change.diff.is_none() {
                let readable = was.mode.world_readable() && becomes.mode.world_readable();
                parts.push(if readable {
                    "new content (no text, or too long for a diff)".to_owned()
                } else {
                    "new content (redacted)".to_owned()
                });
            } else if old != new {
                parts.push("edited".to_owned());
            }
            parts.join(", ")
        }
        (PathState::Directory { ownership: was }, PathState::Directory { ownership: becomes }) => {
            owners(was, becomes).join(", ")
        }
        (PathState::Absent, PathState::File { ownership, .. }) => match &change.diff {
            Some(diff) => format!("new, {ownership}, {}", count(added(diff), "line")),
            None if ownership.mode.world_readable() => format!("new, {ownership}, empty"),
            None => format!("new, {ownership}, content redacted"),
        },
        (PathState::Absent, after) => format!("new {}", shown(&after.to_string())),
        (before, after) => format!(
            "{}, was {}",
            shown(&after.to_string()),
            shown(&before.to_string())
        ),
    }
}

fn owners(was: &Ownership, becomes: &Ownership) -> Vec<String> {
    let mut parts = Vec::new();
    if was.mode != becomes.mode {
        parts.push(format!("mode {} to {}", was.mode, becomes.mode));
    }
    if (&was.owner, &was.group) != (&becomes.owner, &becomes.group) {
        parts.push(format!(
            "owner {}:{} to {}:{}",
            was.owner, was.group, becomes.owner, becomes.group
        ));
    }
    parts
}

fn added(diff: &str) -> usize {
    diff.lines().filter(|line| line.starts_with('+')).count()
}

fn diff(text: &mut String, change: &PathChange, full: bool, style: Style) {
    let Some(diff) = &change.diff else {
        return;
    };
    // A new file's diff says no more than the file does.
    if change.before == PathState::Absent && !full {
        return;
    }
    let total = diff.lines().count();
    let limit = if full { total } else { DIFF_LINES };
    for line in diff.lines().take(limit) {
        let safe = shown(line);
        let line = match line.as_bytes().first() {
            Some(b'+') => style.good(&safe),
            Some(b'-') => style.bad(&safe),
            Some(b'@') => style.dim(&safe),
            _ => safe,
        };
        let _ = writeln!(text, "        {line}");
    }
    if total > limit {
        let more = format!("… {} more lines: `--full`", total - limit);
        let _ = writeln!(text, "        {}", style.dim(&more));
    }
}

fn packages(text: &mut String, plan: &Plan, style: Style) {
    if plan.packages.is_empty() {
        return;
    }
    let _ = writeln!(text, "  packages {}", style.dim("(a rollback keeps them)"));
    let width = widest(plan.packages.iter().map(|change| change.name.as_str()));
    for change in &plan.packages {
        let after = shown(change.after.as_deref().unwrap_or("what the archive offers"));
        let words = match (change.action, &change.before) {
            (PackageAction::Install, None) => format!("install {after}"),
            (PackageAction::Install, Some(before)) => {
                format!("upgrade {} to {after}", shown(before))
            }
            (PackageAction::Hold, _) => "hold against upgrades".to_owned(),
            (PackageAction::Unhold, _) => "no longer held; it stays installed".to_owned(),
        };
        let replaced: Vec<_> = change.replaces.iter().map(PackageName::as_str).collect();
        let replaced = if replaced.is_empty() {
            String::new()
        } else {
            format!(", in the place of {}", replaced.join(", "))
        };
        let file = change.file.as_ref();
        let file = file.map_or_else(String::new, |file| format!(", from {file}"));
        let _ = writeln!(
            text,
            "    {}  {words}{replaced}{file}",
            pad(change.name.as_str(), width)
        );
    }
}

fn live(text: &mut String, plan: &Plan, _style: Style) {
    if !plan.modules.is_empty() {
        let names: Vec<_> = plan.modules.iter().map(ModuleName::as_str).collect();
        let _ = writeln!(text, "  kernel modules to load: {}", names.join(", "));
    }
    if plan.sysctls.is_empty() {
        return;
    }
    let _ = writeln!(text, "  kernel settings");
    let width = widest(plan.sysctls.iter().map(|change| change.key.as_str()));
    for change in &plan.sysctls {
        let before = shown(change.before.as_deref().unwrap_or("unset"));
        let after = match &change.after {
            Some(after) => format!("{before} to {after}"),
            None => format!("{before}, back to what it was before deployctl"),
        };
        let _ = writeln!(text, "    {}  {after}", pad(change.key.as_str(), width));
    }
}

/// What is put into effect again though its files stay, with the lines that go and come.
fn again(text: &mut String, plan: &Plan, style: Style) {
    if plan.live.is_empty() {
        return;
    }
    let _ = writeln!(text, "  put into effect again");
    let subjects: Vec<_> = plan
        .live
        .iter()
        .map(|change| shown(&change.subject))
        .collect();
    let width = widest(subjects.iter().map(String::as_str));
    for (subject, change) in subjects.iter().zip(&plan.live) {
        let _ = writeln!(
            text,
            "    {}  {}",
            pad(subject, width),
            shown(&change.found)
        );
        for line in &change.lines {
            let safe = shown(line);
            let line = match line.as_bytes().first() {
                Some(b'+') => style.good(&safe),
                Some(b'-') => style.bad(&safe),
                _ => style.dim(&safe),
            };
            let _ = writeln!(text, "        {line}");
        }
    }
}

fn units(text: &mut String, plan: &Plan, style: Style) {
    if plan.units.is_empty() {
        return;
    }
    let _ = writeln!(text, "  units");
    let width = widest(plan.units.iter().map(|change| change.unit.as_str()));
    let words: Vec<_> = plan
        .units
        .iter()
        .map(|change| {
            let words: Vec<_> = change.actions.iter().copied().map(action).collect();
            words.join(" + ")
        })
        .collect();
    let actions = widest(words.iter().map(String::as_str));
    for (change, words) in plan.units.iter().zip(&words) {
        let interrupts = change.actions.iter().any(|a| {
            matches!(
                a,
                UnitAction::Restart | UnitAction::Stop | UnitAction::Original
            )
        });
        let starts = change
            .actions
            .iter()
            .any(|a| matches!(a, UnitAction::Restart | UnitAction::Start));
        let painted = if interrupts {
            style.warn(&pad(words, actions))
        } else {
            pad(words, actions)
        };
        let takes = if starts {
            format!("; up to {}", lasting(change.start_timeout_seconds))
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "    {painted}  {}  {}{takes}",
            pad(change.unit.as_str(), width),
            shown(&change.reason),
        );
    }
}

fn reboot(text: &mut String, plan: &Plan, style: Style) {
    if plan.reboot.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "  {} before all of it is in effect (deployctl does not reboot)",
        style.warn("a reboot is needed")
    );
    for reason in &plan.reboot {
        let _ = writeln!(text, "    {}", shown(&reason.words));
    }
}

/// Findings, the gravest last: that is where the eye is.
fn findings(text: &mut String, plan: &Plan, style: Style) {
    for finding in plan.findings.iter().rev() {
        let word = match finding.severity {
            Severity::Note => style.dim("note"),
            Severity::Warn => style.warn("warning"),
            Severity::Refuse => style.bad("refused"),
        };
        let _ = writeln!(text, "  {word}: {}", shown(&finding.message));
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "    {} {}", style.dim("hint:"), shown(hint));
        }
    }
    if plan.refusals().next().is_some() {
        let _ = writeln!(
            text,
            "  nothing of this is applied while something refuses it"
        );
    }
}

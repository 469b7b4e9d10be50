//! Results of checks as a table: what is right in a line each, what is not last and in full.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::words::count;
use super::{Style, outcome, pad, shown, widest};
use crate::check::gate::Tally;
use crate::check::{CheckResult, CheckStatus};
use crate::report::{Outcome, Report};

/// Every host with its checks. Skipped ones are counted by reason.
pub fn checks(report: &Report, style: Style) -> String {
    let width = widest(report.hosts.iter().map(|host| host.host.as_str()));
    let mut text = String::new();
    for host in &report.hosts {
        if host.outcome != Outcome::Verified {
            text.push_str(&outcome::line(host, width, style));
            continue;
        }
        let tally = Tally::of(&host.checks);
        let told = if host.checks.is_empty() {
            style.warn("nothing to check")
        } else if tally.good() && tally.pass == 0 {
            // Nothing was proven, so nothing is good.
            style.warn(&tally.to_string())
        } else if tally.good() {
            style.good(&tally.to_string())
        } else {
            style.bad(&tally.to_string())
        };
        let _ = writeln!(
            text,
            "{}  {told}",
            style.bold(&pad(host.host.as_str(), width))
        );
        let names = widest(host.checks.iter().map(|check| check.check.as_str()));
        for check in host.checks.iter().filter(|c| c.status == CheckStatus::Pass) {
            let _ = writeln!(
                text,
                "  {}  {}  {}",
                style.good("pass "),
                pad(&shown(&check.check), names),
                shown(&check.evidence)
            );
        }
        skipped(&mut text, &host.checks, style);
        failing(&mut text, &host.checks, style);
    }
    text
}

/// What is not as expected: evidence, expectation and hint.
pub(super) fn failing(text: &mut String, checks: &[CheckResult], style: Style) {
    let bad: Vec<_> = checks
        .iter()
        .filter_map(|check| {
            let (word, why, hint) = match &check.status {
                CheckStatus::Pass | CheckStatus::Skip { .. } => return None,
                CheckStatus::Fail { hint } => (style.bad("fail "), None, hint.as_ref()),
                CheckStatus::Error { reason } => (style.bad("error"), Some(reason), None),
                CheckStatus::Stale { reason } => (style.warn("stale"), Some(reason), None),
            };
            Some((check, word, why, hint))
        })
        .collect();
    let names = widest(bad.iter().map(|(check, ..)| check.check.as_str()));
    for (check, word, why, hint) in bad {
        let found = why.unwrap_or(&check.evidence);
        let gate = if check.gate {
            style.dim("  [gate]")
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "  {word}  {}  {}{gate}",
            pad(&shown(&check.check), names),
            shown(found)
        );
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(
                text,
                "         {}  {}",
                style.dim(&pad(name, 8)),
                shown(value)
            );
        };
        row("expected", &check.expected);
        if why.is_some() && !check.evidence.is_empty() {
            row("found", &check.evidence);
        }
        if let Some(hint) = hint {
            row("hint", hint);
        }
    }
}

/// `31 checks skipped: sandbox`, a line a reason.
pub(super) fn skipped(text: &mut String, checks: &[CheckResult], style: Style) {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for check in checks {
        if let CheckStatus::Skip { reason } = &check.status {
            *reasons.entry(shown(reason)).or_default() += 1;
        }
    }
    for (reason, number) in reasons {
        let told = format!("{} skipped: {reason}", count(number, "check"));
        let _ = writeln!(text, "  {}", style.dim(&told));
    }
}

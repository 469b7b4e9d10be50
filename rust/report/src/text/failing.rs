//! The checks of one host that are not as expected, and those that were not made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deployctl_checks::{CheckResult, CheckStatus};

use super::measured::measured;
use super::words::count;
use super::{Style, pad, shown, widest};

/// How often it took, where it took more than once.
pub(super) fn attempts(check: &CheckResult, style: Style) -> String {
    if check.attempts > 1 {
        style.warn(&format!("  after {} attempts", check.attempts))
    } else {
        String::new()
    }
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
            "  {word}  {}  {}{gate}{}",
            pad(&shown(&check.check), names),
            shown(found),
            attempts(check, style),
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
        measured(text, &check.measurements, style);
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

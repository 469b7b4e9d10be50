//! Results of checks as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deployctl_core::check::gate::Tally;
use deployctl_core::check::{CheckResult, CheckStatus};
use deployctl_core::report::{Outcome, Report};

use crate::ui::Tone;

/// Every host with its checks: what is not as expected in full, skipped ones counted by reason.
pub(crate) fn checks(report: &Report) -> String {
    let width = super::width(report);
    let mut text = String::new();
    for host in &report.hosts {
        if host.outcome != Outcome::Verified {
            let _ = writeln!(text, "{:width$}  {}", host.host, super::outcome(host));
            continue;
        }
        let tally = Tally::of(&host.checks);
        let tone = if tally.good() { Tone::Good } else { Tone::Bad };
        let _ = writeln!(
            text,
            "{:width$}  {}",
            host.host,
            tone.of(&tally.to_string())
        );
        let widest = host.checks.iter().map(|check| check.check.len()).max();
        for check in &host.checks {
            if let CheckStatus::Skip { .. } = check.status {
                continue;
            }
            let _ = writeln!(text, "{}", line(check, widest.unwrap_or_default()));
        }
        let skipped = skipped(&host.checks);
        if !skipped.is_empty() {
            let _ = writeln!(text, "  {}", Tone::Dim.of(&skipped));
        }
    }
    text
}

fn line(check: &CheckResult, width: usize) -> String {
    let (word, more) = match &check.status {
        CheckStatus::Pass => (Tone::Good.of("pass "), String::new()),
        CheckStatus::Fail { hint } => {
            let hint = hint
                .as_deref()
                .map(|hint| format!("\n         hint: {hint}"));
            (Tone::Bad.of("fail "), hint.unwrap_or_default())
        }
        CheckStatus::Skip { reason } => (Tone::Dim.of("skip "), format!(": {reason}")),
        CheckStatus::Error { reason } => (Tone::Bad.of("error"), format!(": {reason}")),
        CheckStatus::Stale { reason } => (Tone::Warn.of("stale"), format!(": {reason}")),
    };
    let found = if check.status == CheckStatus::Pass {
        check.evidence.clone()
    } else {
        format!("{}; found: {}", check.expected, check.evidence)
    };
    format!("  {word}  {:width$}  {found}{more}", check.check)
}

/// `31 checks skipped: sandbox`, by reason.
pub(super) fn skipped(checks: &[CheckResult]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for check in checks {
        if let CheckStatus::Skip { reason } = &check.status {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let parts: Vec<String> = reasons
        .into_iter()
        .map(|(reason, count)| {
            let checks = if count == 1 { "check" } else { "checks" };
            format!("{count} {checks} skipped: {reason}")
        })
        .collect();
    parts.join(", ")
}

//! What became different from one run to the next, a line each.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deployctl_checks::{CheckResult, CheckStatus};

use super::{Style, outcome, shown};
use crate::report::{Outcome, Report};

/// Every check whose status is another than in `before`, and every host that can be asked again or no longer;
/// each line begins with `at`. Empty where nothing changed.
pub fn became(before: &Report, after: &Report, at: &str, style: Style) -> String {
    let mut text = String::new();
    for host in &after.hosts {
        let earlier = before.hosts.iter().find(|other| other.host == host.host);
        let Some(earlier) = earlier else { continue };
        if brief(earlier) != brief(host) {
            let told = outcome::line(host, 0, style);
            let _ = write!(text, "{}  {told}", style.dim(at));
        }
        changed(
            &mut text,
            host.host.as_str(),
            &earlier.checks,
            &host.checks,
            at,
            style,
        );
    }
    for link in &after.links {
        if let Some(earlier) = before.links.iter().find(|other| other.link == link.link) {
            let name = format!("link {}", link.link);
            changed(&mut text, &name, &earlier.checks, &link.checks, at, style);
        }
    }
    text
}

/// How a host ended, as far as it is a change when it is another.
fn brief(host: &crate::report::HostReport) -> std::mem::Discriminant<Outcome> {
    std::mem::discriminant(&host.outcome)
}

fn changed(
    text: &mut String,
    whose: &str,
    before: &[CheckResult],
    after: &[CheckResult],
    at: &str,
    style: Style,
) {
    let before: BTreeMap<&str, &CheckStatus> = before
        .iter()
        .map(|check| (check.check.as_str(), &check.status))
        .collect();
    for check in after {
        let Some(old) = before.get(check.check.as_str()) else {
            continue;
        };
        if old.word() == check.status.word() {
            continue;
        }
        let _ = writeln!(
            text,
            "{}  {}  {}  {} became {}  {}",
            style.dim(at),
            style.bold(whose),
            shown(&check.check),
            old.word(),
            painted(&check.status, style),
            shown(said(check)),
        );
    }
}

fn painted(status: &CheckStatus, style: Style) -> String {
    match status {
        CheckStatus::Pass => style.good(status.word()),
        CheckStatus::Fail { .. } | CheckStatus::Error { .. } => style.bad(status.word()),
        CheckStatus::Skip { .. } | CheckStatus::Stale { .. } => style.warn(status.word()),
    }
}

/// What was found, or why nothing was.
fn said(check: &CheckResult) -> &str {
    match &check.status {
        CheckStatus::Pass | CheckStatus::Fail { .. } => &check.evidence,
        CheckStatus::Skip { reason }
        | CheckStatus::Error { reason }
        | CheckStatus::Stale { reason } => reason,
    }
}

//! What checks belong to, a host or a link, and the marks of what became of them.

use deployctl_checks::{CheckResult, CheckStatus};
use serde::Serialize;

use crate::report::{HostReport, Outcome, Report};
use crate::text::outcome::{BadEnd, bad_end};

/// A host or a link with its checks.
pub(super) struct Place<'a> {
    /// The host's or link's name.
    pub(super) name: &'a str,
    /// The host's own report; none for a link.
    pub(super) host: Option<&'a HostReport>,
    /// What was checked.
    pub(super) checks: &'a [CheckResult],
    /// Why it did not come through.
    pub(super) end: Option<BadEnd>,
    /// Unique on the page, and the beginning of its checks' anchors.
    pub(super) anchor: String,
}

impl Place<'_> {
    /// The worst there is to say.
    pub(super) fn mark(&self) -> Mark {
        if self.end.is_some() {
            return Mark::Lost;
        }
        Mark::worst(self.checks)
    }

    /// Where the `index`-th check stands.
    pub(super) fn anchor_of(&self, index: usize) -> String {
        format!("{}-{index}", self.anchor)
    }

    /// Why nothing was tried there.
    pub(super) fn left_out(&self) -> Option<&str> {
        match &self.host?.outcome {
            Outcome::Skipped { reason } => Some(reason),
            _ => None,
        }
    }
}

/// Hosts, then links, in the report's order.
pub(super) fn places(report: &Report) -> Vec<Place<'_>> {
    let hosts = report.hosts.iter().enumerate().map(|(n, host)| Place {
        name: host.host.as_str(),
        host: Some(host),
        checks: &host.checks,
        end: bad_end(host),
        anchor: format!("h{n}"),
    });
    let links = report.links.iter().enumerate().map(|(n, link)| Place {
        name: &link.link,
        host: None,
        checks: &link.checks,
        end: None,
        anchor: format!("l{n}"),
    });
    hosts.chain(links).collect()
}

/// How something stands; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    /// Not asked.
    Skip,
    /// As expected.
    Pass,
    /// Waits for a reboot.
    Stale,
    /// Not readable.
    Error,
    /// Not as expected.
    Fail,
    /// A host that did not come through.
    Lost,
}

impl Mark {
    /// The mark of one check.
    pub(super) fn of(check: &CheckResult) -> Self {
        match check.status {
            CheckStatus::Pass => Self::Pass,
            CheckStatus::Fail { .. } => Self::Fail,
            CheckStatus::Skip { .. } => Self::Skip,
            CheckStatus::Error { .. } => Self::Error,
            CheckStatus::Stale { .. } => Self::Stale,
        }
    }

    /// The worst of many.
    pub(super) fn worst(checks: &[CheckResult]) -> Self {
        checks.iter().map(Self::of).max().unwrap_or(Self::Skip)
    }

    /// Whether a person has to act.
    pub(super) fn is_bad(self) -> bool {
        self > Self::Pass
    }
}

//! One of six signs, each a colour, a shape and a word: no reader has to tell colours apart.

use deployctl_checks::{CheckResult, CheckStatus};
use serde::Serialize;

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

//! Checks: what a host should be, asked of the host as it runs.

use serde::{Deserialize, Serialize};

use crate::name::ConcernName;

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// `concern/what`, e.g. `hugepages/pool`.
    pub check: String,
    /// The concern it belongs to.
    pub concern: ConcernName,
    /// Whether it decides confirm.
    pub gate: bool,
    /// Pass, fail, …
    pub status: CheckStatus,
    /// What was expected, for people: `HugePages_Total is 2048`.
    pub expected: String,
    /// What was found, stripped of control sequences: `HugePages_Total: 1024`.
    pub evidence: String,
}

/// Pass, fail, or why neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum CheckStatus {
    /// As expected.
    Pass,
    /// Not as expected.
    Fail {
        /// What to do.
        hint: Option<String>,
    },
    /// Not asked, and why (`sandbox`).
    Skip {
        /// Why.
        reason: String,
    },
    /// Asked, and no answer that could be read.
    Error {
        /// Why.
        reason: String,
    },
    /// Right after the next reboot.
    Stale {
        /// What waits for it.
        reason: String,
    },
}

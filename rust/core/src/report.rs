//! How a run ended: one outcome per host, one verdict for all.

use serde::{Deserialize, Serialize};

use crate::check::CheckResult;
use crate::name::HostName;
use crate::plan::Plan;

/// What happened on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostReport {
    /// Which.
    pub host: HostName,
    /// How it ended.
    pub outcome: Outcome,
    /// The plan, when one could be made.
    pub plan: Option<Plan>,
    /// Checks that were made, as gate or as verification.
    pub checks: Vec<CheckResult>,
    /// The last lines of the host's activation log, when something went wrong.
    pub log: Vec<String>,
}

/// How one host ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to do.
    Unchanged,
    /// A plan was made and not applied; true when it has changes.
    Planned {
        /// Whether the plan has changes.
        changes: bool,
    },
    /// Applied, confirmed and committed.
    Committed {
        /// The new generation.
        generation: u32,
    },
    /// Something failed and everything was put back and verified.
    RolledBack {
        /// What failed.
        reason: String,
    },
    /// Something failed and putting it back did not work, or could not be verified: a person is needed.
    RollbackFailed {
        /// What failed, and what was left.
        reason: String,
        /// What to do on the console.
        hint: String,
    },
    /// Nothing was touched, by decision.
    Refused {
        /// Why: messages of the refusing findings.
        reasons: Vec<Problem>,
    },
    /// No connection.
    Unreachable {
        /// Why.
        reason: Problem,
    },
    /// Connected, lost, and not known how it ended.
    Unknown {
        /// What was last known.
        reason: Problem,
    },
    /// Checks were made.
    Verified,
    /// Nothing was tried.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Something broke on our side or in an unforeseen way.
    Failed {
        /// What.
        reason: Problem,
    },
}

/// A message with its next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// A lower-case fragment that names the host or thing in backticks.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// All hosts of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Format version, 1.
    pub version: u32,
    /// The command: `plan`, `apply`, `verify`, …
    pub command: String,
    /// Hosts in the order of the inventory.
    pub hosts: Vec<HostReport>,
}

/// The process's exit code, design section 9. The worst of all hosts wins; the order of badness is
/// that of [`Verdict::badness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 0
    Done,
    /// 1
    Internal,
    /// 2
    Usage,
    /// 3, only with `--exit-code`
    Pending,
    /// 4
    ChecksFailed,
    /// 5
    RolledBack,
    /// 6
    RollbackFailed,
    /// 7
    BuildFailed,
    /// 8
    Unreachable,
    /// 9
    Refused,
}

//! How a run ended: one outcome per host, one verdict for all.

use deployctl_checks::CheckResult;
use deployctl_checks::gate::{self, Decision, Tally};
use deployctl_core::name::{ConcernName, HostName};
use deployctl_core::plan::Plan;
use serde::{Deserialize, Serialize};

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
    /// The last lines of the host's activation log, or of the build's, when something went wrong.
    pub log: Vec<String>,
    /// What became of another apply that was open there and taken over: `apply … was rolled back first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_over: Option<String>,
    /// The generation that a first step committed, without artifacts that waited for what it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_step: Option<u32>,
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
        /// Whether a new login came in after that and became root; false in a sandbox, where nobody logs in.
        #[serde(default)]
        login: bool,
    },
    /// Something failed and putting it back did not work, could not be verified, or left no way in: a person is
    /// needed.
    RollbackFailed {
        /// What failed, and what was left.
        reason: String,
        /// What to do on the console.
        hint: String,
    },
    /// Started and not confirmed; the controller does not know how it ended. The host rolls back by itself.
    Open {
        /// What was in the way, and what was last heard of it.
        reason: Problem,
        /// When the host begins to put it back at the latest, in seconds since 1970; none where that is not known
        /// or behind.
        until: Option<u64>,
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
    /// Its system could not be built or brought to it; nothing was touched.
    BuildFailed {
        /// The derivation and why it failed, or what was missing.
        reason: Problem,
    },
    /// Its artifacts are on it, and nothing was changed.
    Staged {
        /// How many were not there before.
        artifacts: usize,
        /// Bytes that came from their sources.
        bytes: u64,
    },
    /// An artifact could not be brought to it; nothing was changed, or nothing more than by a first step.
    NotStaged {
        /// Which, why, and what to do.
        reason: Problem,
    },
    /// Checks were made.
    Verified,
    /// Nothing was tried.
    Skipped {
        /// Why.
        reason: String,
    },
    /// We were interrupted before anything was changed.
    Interrupted,
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
    /// Links between them, where they were checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkReport>,
    /// Folders of concerns, where they were tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<ConcernReport>,
}

/// What was found of one concern's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcernReport {
    /// Which.
    pub concern: ConcernName,
    /// Where it is: `modules/web`, `deployctl:modules/ssh`.
    pub folder: String,
    /// What was tried, or skipped for a reason.
    pub checks: Vec<CheckResult>,
}

/// What was found of one link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkReport {
    /// Which.
    pub link: String,
    /// Checks that were made, or skipped for a reason.
    pub checks: Vec<CheckResult>,
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
    /// 10
    Open,
    /// 130, the code of a shell for Ctrl-C
    Interrupted,
}

impl Verdict {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Pending => 3,
            Self::ChecksFailed => 4,
            Self::RolledBack => 5,
            Self::RollbackFailed => 6,
            Self::BuildFailed => 7,
            Self::Unreachable => 8,
            Self::Refused => 9,
            Self::Open => 10,
            Self::Interrupted => 130,
        }
    }

    /// The higher, the more urgent; the worst host decides for all.
    pub fn badness(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Pending => 1,
            Self::ChecksFailed => 2,
            Self::Refused => 3,
            Self::BuildFailed => 4,
            Self::Unreachable => 5,
            Self::Usage => 6,
            Self::Interrupted => 7,
            Self::RolledBack => 8,
            Self::Internal => 9,
            Self::Open => 10,
            Self::RollbackFailed => 11,
        }
    }
}

impl HostReport {
    /// A host about which there is nothing more to say than how it ended.
    pub fn ended(host: HostName, outcome: Outcome) -> Self {
        Self {
            host,
            outcome,
            plan: None,
            checks: Vec::new(),
            log: Vec::new(),
            took_over: None,
            first_step: None,
        }
    }

    /// What this host's end means for the exit code. A change counts as pending: only
    /// `--exit-code` asks for that, see [`Report::verdict`].
    pub fn verdict(&self) -> Verdict {
        match &self.outcome {
            Outcome::Unchanged
            | Outcome::Staged { .. }
            | Outcome::Skipped { .. }
            | Outcome::Planned { changes: false } => Verdict::Done,
            Outcome::Planned { changes: true } | Outcome::Committed { .. } => Verdict::Pending,
            Outcome::Verified => verdict_of(&self.checks),
            Outcome::RolledBack { .. } => Verdict::RolledBack,
            Outcome::RollbackFailed { .. } => Verdict::RollbackFailed,
            Outcome::Refused { .. } => Verdict::Refused,
            Outcome::BuildFailed { .. } | Outcome::NotStaged { .. } => Verdict::BuildFailed,
            Outcome::Unreachable { .. } => Verdict::Unreachable,
            Outcome::Open { .. } => Verdict::Open,
            Outcome::Interrupted => Verdict::Interrupted,
            Outcome::Failed { .. } => Verdict::Internal,
        }
    }
}

impl LinkReport {
    /// What this link's checks mean for the exit code.
    pub fn verdict(&self) -> Verdict {
        verdict_of(&self.checks)
    }
}

impl ConcernReport {
    /// What this concern's trials mean for the exit code.
    pub fn verdict(&self) -> Verdict {
        verdict_of(&self.checks)
    }
}

/// Whether any check is not as it should be.
fn verdict_of(checks: &[CheckResult]) -> Verdict {
    if Tally::of(checks).good() {
        Verdict::Done
    } else {
        Verdict::ChecksFailed
    }
}

impl Report {
    /// How `command` ended on `hosts`.
    pub fn new(command: impl Into<String>, hosts: Vec<HostReport>) -> Self {
        Self {
            version: 1,
            command: command.into(),
            hosts,
            links: Vec::new(),
            concerns: Vec::new(),
        }
    }

    /// The hosts whose gates were all skipped: that proves nothing.
    pub fn unproven(&self) -> impl Iterator<Item = &HostName> {
        let asked = self.hosts.iter().filter(|host| !host.checks.is_empty());
        asked
            .filter(|host| gate::decide(&host.checks) == Decision::Unproven)
            .map(|host| &host.host)
    }

    /// The verdict where gates alone were asked: skipped gates are no success.
    pub fn verdict_of_gates(&self) -> Verdict {
        match self.verdict(false) {
            Verdict::Done if self.unproven().next().is_some() => Verdict::ChecksFailed,
            verdict => verdict,
        }
    }

    /// The worst of all hosts, links and concerns. Without `changes_count`, changes made or pending are as good as none.
    pub fn verdict(&self, changes_count: bool) -> Verdict {
        let worst = self
            .hosts
            .iter()
            .map(HostReport::verdict)
            .chain(self.links.iter().map(LinkReport::verdict))
            .chain(self.concerns.iter().map(ConcernReport::verdict))
            .max_by_key(|verdict| verdict.badness())
            .unwrap_or(Verdict::Done);
        if worst == Verdict::Pending && !changes_count {
            Verdict::Done
        } else {
            worst
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: Vec<Outcome>) -> Report {
        let host = HostName::new("a").unwrap();
        Report::new(
            "apply",
            outcomes
                .into_iter()
                .map(|outcome| HostReport::ended(host.clone(), outcome))
                .collect(),
        )
    }

    #[test]
    fn the_worst_host_decides() {
        let nowhere = Outcome::Unreachable {
            reason: Problem {
                message: "no".to_owned(),
                hint: None,
            },
        };
        let back = Outcome::RolledBack {
            reason: "no".to_owned(),
            login: true,
        };
        let open = Outcome::Open {
            reason: Problem {
                message: "no".to_owned(),
                hint: None,
            },
            until: None,
        };
        let done = Outcome::Committed { generation: 1 };
        assert_eq!(report(vec![done.clone()]).verdict(false).code(), 0);
        assert_eq!(report(vec![done.clone()]).verdict(true).code(), 3);
        assert_eq!(
            report(vec![done.clone(), nowhere.clone()])
                .verdict(true)
                .code(),
            8
        );
        assert_eq!(report(vec![open, back.clone()]).verdict(false).code(), 10);
        let stopped = Outcome::Interrupted;
        assert_eq!(
            report(vec![nowhere.clone(), stopped.clone()])
                .verdict(false)
                .code(),
            130
        );
        assert_eq!(report(vec![stopped, back.clone()]).verdict(false).code(), 5);
        assert_eq!(report(vec![nowhere, back, done]).verdict(false).code(), 5);
        assert_eq!(report(Vec::new()).verdict(true).code(), 0);
    }
}

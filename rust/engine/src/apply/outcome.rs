//! Describes the end of an apply, with a next step.

use std::fmt::Write as _;

use deployctl_checks::{CheckResult, CheckStatus};
use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::{ApplyStatus, FailureCode, StatusError};
use deployctl_report::text::time_of_day;
use deployctl_report::{Outcome, Problem};

use super::refusal;
use super::way_in::{Proven, Shut};
use super::{Task, problem};
use crate::in_full;
use crate::transport::TransportError;

/// The outcome of an apply whose phase is final.
pub(super) fn of(
    task: &Task,
    generation: u32,
    apply: &ApplyStatus,
    checks: &[CheckResult],
) -> Outcome {
    let failure = apply.failure.as_ref();
    let said = failure.map(|failure| (failure.code, failure.line()));
    match apply.phase {
        Phase::Committed if generation <= apply.base => Outcome::Failed {
            reason: problem(
                format!(
                    "`{}` says that apply `{}` is committed, and is still at generation {generation}",
                    task.host, task.apply
                ),
                Some(
                    "the commit may have been cut off: `deployctl status` shows what the host holds; apply again to finish it",
                ),
            ),
        },
        Phase::Committed => Outcome::Committed { generation },
        Phase::Refused => {
            let (code, text) =
                said.unwrap_or((FailureCode::Other, "the host gave no reason".to_owned()));
            Outcome::Refused {
                reasons: vec![problem(
                    format!("`{}`: {text}", task.host),
                    refusal::hint(code, &text),
                )],
            }
        }
        Phase::RollbackFailed => Outcome::RollbackFailed {
            reason: said.map_or_else(|| "the host gave no reason".to_owned(), |(_, text)| text),
            hint: format!(
                "mend what is named, then on its console, as root: `sh /var/lib/deployctl/host.sh rollback`; where it is right as it is: `deployctl rollback {} --abandon`",
                task.host
            ),
        },
        _ => Outcome::RolledBack {
            reason: rollback_reason(said, checks),
            login: false,
        },
    }
}

/// The engine's own result of a failed gate says more than the reason that the host kept.
fn rollback_reason(said: Option<(FailureCode, String)>, checks: &[CheckResult]) -> String {
    let ours = said
        .as_ref()
        .is_none_or(|(code, _)| matches!(code, FailureCode::Requested | FailureCode::Gate));
    let closed = closed_gates(checks);
    if ours && !closed.is_empty() {
        return closed.join("; ");
    }
    said.map_or_else(|| "the host gave no reason".to_owned(), |(_, text)| text)
}

/// Which gates failed, and why.
pub(super) fn closed_gates(checks: &[CheckResult]) -> Vec<String> {
    let gates = checks.iter().filter(|check| check.gate);
    let closed = gates.filter_map(|check| match &check.status {
        CheckStatus::Fail { .. } => {
            Some(format!("gate `{}` failed: {}", check.check, check.evidence))
        }
        CheckStatus::Error { reason } => Some(format!(
            "gate `{}` could not be read: {reason}",
            check.check
        )),
        _ => None,
    });
    closed.collect()
}

/// What the host restored and verified, with the result of a new login.
pub(crate) fn put_back(reason: String, proof: Result<Proven, Shut>) -> Outcome {
    match proof {
        Ok(Proven { mended, .. }) if mended.is_empty() => Outcome::RolledBack {
            reason,
            login: true,
        },
        Ok(Proven { mended, .. }) => Outcome::RolledBack {
            reason: format!(
                "{reason}; no new login came in at first: {}",
                mended.join(", ")
            ),
            login: true,
        },
        Err(Shut {
            reason: shut,
            tried,
        }) => {
            let tried = if tried.is_empty() {
                String::new()
            } else {
                format!(
                    "; over the connection that is still open: {}",
                    tried.join(", ")
                )
            };
            Outcome::RollbackFailed {
                reason: format!(
                    "{reason}; files and units were put back and verified, but no new login becomes root: {shut}{tried}"
                ),
                hint: "on its console, as root: `mkdir -p /run/sshd`, `sshd -t`, `systemctl restart ssh`, until you can log in; `deployctl status` then says how it stands".to_owned(),
            }
        }
    }
}

/// A transport error before the apply was started.
pub(crate) fn transport(error: &TransportError) -> Outcome {
    let reason = Problem {
        message: in_full(error),
        hint: error.hint(),
    };
    match error {
        TransportError::Connect { .. }
        | TransportError::NoShell { .. }
        | TransportError::Lost { .. }
        | TransportError::Timeout { .. } => Outcome::Unreachable { reason },
        TransportError::HostKey { .. }
        | TransportError::Unadopted { .. }
        | TransportError::Privilege { .. } => Outcome::Refused {
            reasons: vec![reason],
        },
        TransportError::TooMuch { .. }
        | TransportError::Put { .. }
        | TransportError::Local { .. } => Outcome::Failed { reason },
    }
}

/// The last known status of an apply.
pub(super) struct LastHeard {
    pub(super) phase: Option<Phase>,
    /// When, in seconds since 1970.
    pub(super) at: u64,
    /// The latest time at which its dead-man timer acts, in seconds since 1970.
    pub(super) until: Option<u64>,
    /// Now.
    pub(super) now: u64,
}

/// Started, not confirmed, and with unknown outcome; `cause` is why it could not be learned.
pub(super) fn open(task: &Task, cause: &str, last: &LastHeard) -> Outcome {
    let ahead = last.until.filter(|until| *until > last.now);
    let mut message = format!("`{}`: {cause}", task.host);
    match last.phase {
        None => message.push_str("; it was started, and not heard of since"),
        Some(phase) => {
            let at = time_of_day(last.at);
            let _ = write!(message, "; last heard of at {at}Z: {phase}");
        }
    }
    let hint = match (last.until, ahead) {
        (Some(until), None) => {
            let over = time_of_day(until);
            let _ = write!(message, "; its time was over at {over}Z");
            "if the host runs, it was put back by then: ask `deployctl status` once it can be reached"
        }
        _ => {
            "what is not confirmed, the host puts back by itself: ask `deployctl status` once it can be reached"
        }
    };
    Outcome::Open {
        reason: problem(message, Some(hint)),
        until: ahead,
    }
}

/// A host that answers, but neither makes progress nor rolls back.
pub(super) fn not_put_back(task: &Task, words: &str) -> Outcome {
    Outcome::RollbackFailed {
        reason: format!("`{}`: {words}", task.host),
        hint: "see `deployctl status`; if it stays so, on its console, as root: `sh /var/lib/deployctl/host.sh rollback`".to_owned(),
    }
}

/// The host itself says that nothing began.
pub(super) fn never_began(task: &Task, words: &str) -> Outcome {
    Outcome::Failed {
        reason: problem(
            format!("`{}`: {words}", task.host),
            Some("nothing was changed; apply again"),
        ),
    }
}

/// Why an answer is not a status.
pub(super) fn nonsense(error: &StatusError, complaint: &str) -> String {
    if complaint.is_empty() {
        error.to_string()
    } else {
        format!("{error}; it said: {complaint}")
    }
}

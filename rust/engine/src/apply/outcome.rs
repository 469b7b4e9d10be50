//! What an apply's end means, in words with a next step.

use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::{ApplyStatus, FailureCode, StatusError};
use deployctl_core::check::{CheckResult, CheckStatus};
use deployctl_core::name::HostName;
use deployctl_core::query;
use deployctl_core::report::{Outcome, Problem};

use super::refusal;
use super::{Task, problem};
use crate::transport::TransportError;

/// The outcome of an apply whose phase is final.
pub(super) fn of(
    task: &Task,
    generation: u32,
    apply: &ApplyStatus,
    checks: &[CheckResult],
) -> Outcome {
    let said = apply.failure.as_ref().map(|failure| {
        (
            failure.code,
            query::printable_line(failure.text.as_bytes(), 500),
        )
    });
    match apply.phase {
        Phase::Committed if generation <= apply.base => Outcome::Failed {
            reason: problem(
                format!(
                    "`{}` says that apply `{}` is committed, and is still at generation {generation}",
                    task.host, task.apply
                ),
                Some("the commit may have been cut off: `deployctl status` shows what the host holds; apply again to finish it"),
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
            hint: "on its console, as root: `sh /var/lib/deployctl/host.sh rollback`; `deployctl status` shows what is left".to_owned(),
        },
        _ => Outcome::RolledBack {
            reason: rollback_reason(said, checks),
        },
    }
}

/// A gate that we saw closed says more than that somebody requested the rollback.
fn rollback_reason(said: Option<(FailureCode, String)>, checks: &[CheckResult]) -> String {
    let requested = said
        .as_ref()
        .is_none_or(|(code, _)| *code == FailureCode::Requested);
    let closed: Vec<String> = checks
        .iter()
        .filter(|check| check.gate)
        .filter_map(|check| match &check.status {
            CheckStatus::Fail { .. } => {
                Some(format!("gate `{}` failed: {}", check.check, check.evidence))
            }
            CheckStatus::Error { reason } => Some(format!(
                "gate `{}` could not be read: {reason}",
                check.check
            )),
            _ => None,
        })
        .collect();
    if requested && !closed.is_empty() {
        return closed.join("; ");
    }
    said.map_or_else(|| "the host gave no reason".to_owned(), |(_, text)| text)
}

/// A transport error before or while something ran there.
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

/// Whether the script may have run although we have no answer.
pub(super) fn may_have_run(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Lost { .. }
            | TransportError::Timeout { .. }
            | TransportError::TooMuch { .. }
    )
}

pub(super) fn interrupted_early(host: &HostName) -> Outcome {
    Outcome::Failed {
        reason: problem(
            format!("`{host}`: interrupted before anything was changed"),
            None,
        ),
    }
}

pub(super) fn unknown(task: &Task, error: &TransportError, phase: Option<Phase>) -> Outcome {
    let last = phase.map_or("it was never heard of".to_owned(), |phase| {
        format!("last heard of: {phase}")
    });
    Outcome::Unknown {
        reason: problem(
            format!("`{}`: {}; {last}", task.host, in_full(error)),
            Some(
                "the host confirms or rolls back by itself: ask `deployctl status` once it can be reached",
            ),
        ),
    }
}

/// A host that answers and gets no further.
pub(super) fn stuck(task: &Task, phase: Option<Phase>, refused_rollback: bool) -> Outcome {
    let at = phase.map_or("staged".to_owned(), |phase| phase.to_string());
    if refused_rollback {
        return Outcome::RollbackFailed {
            reason: format!(
                "`{}` does not roll apply `{}` back: it stays in phase `{at}`",
                task.host, task.apply
            ),
            hint: "see `deployctl status`; if it stays so, on its console, as root: `sh /var/lib/deployctl/host.sh rollback`".to_owned(),
        };
    }
    Outcome::Unknown {
        reason: problem(
            format!(
                "`{}` answers, but apply `{}` stays in phase `{at}`",
                task.host, task.apply
            ),
            Some(
                "ask `deployctl status` how it ended; `deployctl apply --steal` rolls it back first",
            ),
        ),
    }
}

/// A host that knows nothing of the apply: `start` never arrived, or somebody cleaned up.
pub(super) fn unheard_of(task: &Task, phase: Option<Phase>) -> Outcome {
    let message = format!("`{}` knows nothing of apply `{}`", task.host, task.apply);
    match phase {
        None => Outcome::Failed {
            reason: problem(message, Some("nothing was changed; apply again")),
        },
        Some(_) => Outcome::Unknown {
            reason: problem(message, Some("ask `deployctl status` how it ended")),
        },
    }
}

/// A host that answers, but not with a status.
pub(super) fn nonsense(
    task: &Task,
    error: &StatusError,
    complaint: &str,
    phase: Option<Phase>,
) -> Outcome {
    let message = if complaint.is_empty() {
        format!("`{}`: {error}", task.host)
    } else {
        format!("`{}`: {error}; it said: {complaint}", task.host)
    };
    // Before the first frame nothing was armed: `host.sh start` did not come as far as to speak.
    match phase {
        None => Outcome::Failed {
            reason: problem(message, None),
        },
        Some(_) => Outcome::Unknown {
            reason: problem(message, Some("ask `deployctl status` how it ended")),
        },
    }
}

/// An error with its causes on one line.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

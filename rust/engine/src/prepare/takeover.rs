//! Rolls back an apply that is still open on a host before planning there: a plan must be made against the state that
//! it is applied to.

use std::time::Duration;

use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::{self, ApplyStatus, Failure};
use deployctl_core::activation::{ApplyId, command};
use deployctl_core::observed::PendingApply;
use deployctl_report::{Outcome, Problem};

use crate::apply::outcome;
use crate::apply::way_in::{self, Shut};
use crate::in_full;
use crate::run_context::RunContext;
use crate::transport::{Limits, Output, Transport};

/// Longest time for a rollback: it may wait for units.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A host after the rollback of its open apply.
pub(super) struct Free {
    /// A connection that was opened after it.
    pub(super) connection: Box<dyn Transport>,
    /// How that apply ended: `apply … was rolled back first`.
    pub(super) what: String,
}

/// Makes the host roll `pending` back, and proves by a new login that the operator can still log in.
pub(super) async fn settle(
    connection: Box<dyn Transport>,
    pending: &PendingApply,
    context: &RunContext,
) -> Result<Free, Outcome> {
    let name = pending.named();
    let open = |connection: &dyn Transport, cause: &str| {
        let words = "it was to be rolled back first, and how that ended was not heard";
        Outcome::Open {
            reason: Problem {
                message: format!("`{}`: {name}: {words}: {cause}", connection.describe()),
                hint: Some("ask `deployctl status` once it can be reached".to_owned()),
            },
            until: None,
        }
    };
    let Some(id) = ApplyId::new(&pending.apply) else {
        return Err(open(connection.as_ref(), "its id is not valid"));
    };
    let script = if pending.overdue {
        command::recover(&id)
    } else {
        command::steal(&id)
    };
    let limits = Limits::default().within(LIMIT);
    let shell = connection.root_shell().await.ok().flatten();
    let said = shell
        .as_deref()
        .unwrap_or(connection.as_ref())
        .run(&script, limits);
    let said = said.await;
    // The answer is not trusted: the status over a new connection decides.
    let proof = way_in::prove(connection.as_ref(), shell.as_deref(), context).await;
    match (proof, said) {
        (Ok(proven), said) => {
            let ask = command::status(&id, 0, None);
            let asked = proven.connection.run(&ask, Limits::default()).await;
            let output = asked.or(said);
            let output = output.map_err(|error| open(connection.as_ref(), &in_full(&error)))?;
            let apply = frame(&output, &id).map_err(|cause| open(connection.as_ref(), &cause))?;
            what(&name, &apply)
                .map(|what| Free {
                    connection: proven.connection,
                    what,
                })
                .ok_or_else(|| not_free(&name, &apply, connection.as_ref()))
        }
        (Err(shut), Ok(output)) => match frame(&output, &id) {
            Ok(apply) if apply.phase == Phase::RolledBack => {
                let reason = format!("{name} was rolled back first");
                Err(outcome::put_back(reason, Err(shut)))
            }
            Ok(apply) => Err(not_free(&name, &apply, connection.as_ref())),
            Err(cause) => Err(open(connection.as_ref(), &cause)),
        },
        (Err(Shut { reason, .. }), Err(_)) => Err(open(connection.as_ref(), &reason)),
    }
}

/// The host's status of the apply.
fn frame(output: &Output, id: &ApplyId) -> Result<ApplyStatus, String> {
    let status = status::parse(&output.stdout).map_err(|error| error.to_string())?;
    let apply = status.apply.filter(|apply| apply.apply == id.as_str());
    apply.ok_or_else(|| "the host knows nothing of it".to_owned())
}

/// How an apply ended; `None` while it is open.
fn what(name: &str, apply: &ApplyStatus) -> Option<String> {
    Some(match apply.phase {
        Phase::RolledBack => format!("{name} was rolled back first"),
        Phase::Refused => format!("{name} was ended before it had changed anything"),
        Phase::Committed => format!("{name} was confirmed meanwhile"),
        _ => return None,
    })
}

/// It is still open, despite the request.
fn not_free(name: &str, apply: &ApplyStatus, connection: &dyn Transport) -> Outcome {
    let failure = apply.failure.as_ref();
    let failure = failure.map(Failure::line);
    let why = failure.map_or_else(String::new, |text| format!(": {text}"));
    if apply.phase == Phase::RollbackFailed {
        return Outcome::RollbackFailed {
            reason: format!("{name} was to be rolled back first{why}"),
            hint: "`deployctl status` says what is left; mend that, then on its console, as root: `sh /var/lib/deployctl/host.sh rollback`; or take the host as it is: `deployctl rollback HOST --abandon`".to_owned(),
        };
    }
    Outcome::Open {
        reason: Problem {
            message: format!(
                "`{}`: {name} was to be rolled back first, and stays in phase `{}`{why}",
                connection.describe(),
                apply.phase
            ),
            hint: Some("ask `deployctl status` how it ended, then apply again".to_owned()),
        },
        until: None,
    }
}

//! What decides confirm: the operator gets in over new connections, and the gate checks pass.

use std::time::Duration;

use deployctl_core::check::gate::{Decision, decide};
use deployctl_core::check::{self, CheckResult, CheckStatus};
use deployctl_core::name::ConcernName;

use super::{Surroundings, Task, tell};
use crate::ask::{AskError, ask};
use crate::event::EventKind;
use crate::transport::Transport;

/// How long the way in and the gates may take to come right, at most half of the deadline.
const SETTLE: Duration = Duration::from_secs(10);

/// What was found.
pub(super) struct Looked {
    /// A new connection to confirm over; `None` when a gate is closed.
    pub(super) link: Option<Box<dyn Transport>>,
    /// All gates.
    pub(super) checks: Vec<CheckResult>,
}

/// Connects anew to every address and asks the gate checks over the last of these connections, until
/// all is well or the time for it is over.
pub(super) async fn look(link: &dyn Transport, task: &Task, around: &Surroundings) -> Looked {
    let until = around.clock.monotonic() + SETTLE.min(task.deadline / 2);
    loop {
        let looked = look_once(link, task, around).await;
        let late = around.clock.monotonic() >= until || around.interrupt.thrown();
        if looked.link.is_some() || late {
            return looked;
        }
        around.clock.sleep(Duration::from_secs(1)).await;
    }
}

async fn look_once(link: &dyn Transport, task: &Task, around: &Surroundings) -> Looked {
    let mut checks = Vec::new();
    let mut fresh = None;
    let mut closed = false;
    for address in &task.addresses {
        let name = address.clone().unwrap_or_else(|| link.describe());
        match reach(link, address.as_deref()).await {
            Ok(connection) => {
                let status = if connection.is_sandbox() {
                    sandboxed()
                } else {
                    tell(around, task, EventKind::Reached(name.clone()));
                    CheckStatus::Pass
                };
                checks.push(reachable(&name, status, "a new connection answers"));
                fresh = Some(connection);
            }
            Err(error) => {
                closed = true;
                let status = CheckStatus::Fail { hint: error.hint() };
                checks.push(reachable(&name, status, &error.to_string()));
            }
        }
    }
    let Some(fresh) = fresh.filter(|_| !closed) else {
        return Looked { link: None, checks };
    };
    if fresh.is_sandbox() {
        checks.extend(check::skip_all(&task.gates, "sandbox"));
        return Looked {
            link: Some(fresh),
            checks,
        };
    }
    match ask(fresh.as_ref(), &check::queries(&task.gates)).await {
        Ok(answers) => checks.extend(check::evaluate_all(&task.gates, &answers)),
        Err(error) => {
            let status = CheckStatus::Error {
                reason: error.to_string(),
            };
            checks.push(reachable("gates", status, "no answers"));
        }
    }
    let open = matches!(decide(&checks), Decision::Open);
    Looked {
        link: open.then_some(fresh),
        checks,
    }
}

/// A new connection that also runs a script as root.
async fn reach(
    link: &dyn Transport,
    address: Option<&str>,
) -> Result<Box<dyn Transport>, AskError> {
    let connection = link.reconnect(address).await?;
    ask(connection.as_ref(), &[]).await?;
    Ok(connection)
}

fn reachable(address: &str, status: CheckStatus, evidence: &str) -> CheckResult {
    CheckResult {
        check: format!("connection/{address}"),
        concern: activation(),
        gate: true,
        status,
        expected: "the operator gets in and becomes root".to_owned(),
        evidence: evidence.to_owned(),
        attempts: 1,
        measurements: Vec::new(),
    }
}

/// What a sandbox left out, as an entry of the report.
pub(super) fn skipped_follow_ups(count: u32) -> CheckResult {
    CheckResult {
        check: "activation/follow-ups".to_owned(),
        concern: activation(),
        gate: false,
        status: sandboxed(),
        expected: "what a change entails was done".to_owned(),
        evidence: format!("{count} left out"),
        attempts: 0,
        measurements: Vec::new(),
    }
}

fn activation() -> ConcernName {
    ConcernName::new("activation").expect("a valid name")
}

fn sandboxed() -> CheckStatus {
    CheckStatus::Skip {
        reason: "sandbox".to_owned(),
    }
}

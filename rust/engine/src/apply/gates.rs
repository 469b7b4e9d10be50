//! What decides confirm: the operator gets in over new connections, and the gate checks pass.

use std::time::Duration;

use deployctl_core::check::gate::{Decision, decide};
use deployctl_core::check::{self, Check, CheckResult, CheckStatus};
use deployctl_core::name::ConcernName;

use super::{Surroundings, Task, tell};
use crate::ask::{AskError, ask};
use crate::event::EventKind;
use crate::transport::Transport;
use crate::verify::{Agenda, Step};

/// How long the way in and the gates may take to come right, at most half of the deadline. A gate that
/// declares more retries has the time for them.
const SETTLE: Duration = Duration::from_secs(10);
/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What was found.
pub(super) struct Looked {
    /// A new connection to confirm over; `None` when a gate is closed.
    pub(super) link: Option<Box<dyn Transport>>,
    /// All gates.
    pub(super) checks: Vec<CheckResult>,
}

/// Connects anew to every address and asks the gate checks over the last of these connections, until
/// all is well or the time for it is over. Every look asks all of them: they have to hold together.
pub(super) async fn look(link: &dyn Transport, task: &Task, around: &Surroundings) -> Looked {
    let start = around.clock.monotonic();
    let mut looks: u8 = 0;
    loop {
        let mut looked = look_once(link, task, around).await;
        looks = looks.saturating_add(1);
        for result in looked.checks.iter_mut().filter(|it| it.attempts > 0) {
            result.attempts = looks;
        }
        let (pause, patience) = patience(&looked.checks, task);
        let waited = around.clock.monotonic().saturating_sub(start);
        if looked.link.is_some() || waited >= patience || around.interrupt.thrown() {
            return looked;
        }
        around
            .clock
            .sleep(pause.min(patience.saturating_sub(waited)))
            .await;
    }
}

/// When to look again, and how long at all: until the first of the closed gates has had its time.
fn patience(checks: &[CheckResult], task: &Task) -> (Duration, Duration) {
    let closed = match decide(checks) {
        Decision::Closed(closed) => closed,
        Decision::Open | Decision::Unproven => Vec::new(),
    };
    let retries = closed.iter().map(|result| {
        let gate = task.gates.iter().find(|gate| gate.id == result.check);
        gate.map(|gate| gate.retry).unwrap_or_default()
    });
    let pause = retries.clone().map(|retry| retry.pause).max();
    let time = retries.map(|retry| retry.pause * u32::from(retry.times));
    let time = time.min().unwrap_or_default().max(SETTLE);
    (
        pause.unwrap_or_default().max(PAUSE),
        time.min(task.deadline / 2),
    )
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
    match ask_gates(fresh.as_ref(), &task.gates).await {
        Ok(results) => checks.extend(results),
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

/// Asks all gates once, those that need another after it. One that loads the host or runs a shipped file is
/// for `verify` alone: as a gate it would hold up a host that waits for its dead man.
async fn ask_gates(link: &dyn Transport, gates: &[Check]) -> Result<Vec<CheckResult>, AskError> {
    let mut agenda = Agenda::once(gates);
    for (place, gate) in gates.iter().enumerate() {
        if gate.load || gate.ships.is_some() {
            agenda.settle(
                place,
                check::broken(gate, "it cannot be a gate: it takes too long"),
            );
        }
    }
    while let Step::Ask(places) = agenda.next() {
        let answers = ask(link, &agenda.queries(&places)).await?;
        agenda.answered(&places, &answers);
    }
    Ok(agenda.into_results())
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

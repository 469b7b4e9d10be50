//! What decides confirm: the operator can log in over new connections, and the gate checks pass.

use std::time::Duration;

use deployctl_checks::gate::{Decision, decide};
use deployctl_checks::{self as checks, Check, CheckResult, CheckStatus};
use deployctl_core::name::ConcernName;

use super::way_in::{reach, reach_at};
use super::{Task, distinct, tell};
use crate::ask::{AskError, ask};
use crate::check_queue::{CheckQueue, Step};
use crate::event::EventKind;
use crate::run_context::RunContext;
use crate::transport::Transport;

/// How long login and gates may take to succeed: at most half of the deadline. A gate that declares
/// more retries gets the time for them.
const SETTLE: Duration = Duration::from_secs(10);
/// The shortest time between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// The result of the rounds.
pub(super) struct Looked {
    /// A new connection to confirm over; `None` if a gate failed.
    pub(super) connection: Option<Box<dyn Transport>>,
    /// All gates.
    pub(super) checks: Vec<CheckResult>,
}

/// Connects again and asks the gate checks over that connection, until all pass or their time is over.
/// Every round asks all of them: they must pass together.
///
/// Stays within a host's limits on connections: each failed try doubles the pause, and an open connection serves
/// further rounds. The one that confirms was opened for the last round.
pub(super) async fn look(connection: &dyn Transport, task: &Task, context: &RunContext) -> Looked {
    let start = context.clock.monotonic();
    let mut rounds = GateRounds {
        connection,
        task,
        context,
        login: NewLogin::default(),
    };
    let mut looks: u8 = 0;
    let mut backing_off = PAUSE;
    loop {
        let anew = rounds.reach().await;
        let mut checks = rounds.ask().await;
        looks = looks.saturating_add(1);
        for result in checks.iter_mut().filter(|it| it.attempts > 0) {
            result.attempts = looks;
        }
        // A sandbox has no login to prove or to lose.
        let open = rounds.login.fresh.is_some()
            && (connection.is_sandbox() || matches!(decide(&checks), Decision::Open));
        if open && anew {
            let connection = rounds.login.fresh;
            return Looked { connection, checks };
        }
        if open {
            rounds.login.fresh = None;
            continue;
        }
        let (pause, patience) = patience(&checks, task);
        let waited = context.clock.monotonic().saturating_sub(start);
        if waited >= patience || context.interrupt.thrown() {
            return Looked {
                connection: None,
                checks,
            };
        }
        let pause = if rounds.login.fresh.is_some() {
            pause
        } else {
            backing_off *= 2;
            pause.max(backing_off / 2)
        };
        context
            .clock
            .sleep(pause.min(patience.saturating_sub(waited)))
            .await;
    }
}

/// When the next round starts, and when rounds end: when the first failed gate has used its time.
fn patience(checks: &[CheckResult], task: &Task) -> (Duration, Duration) {
    let closed = match decide(checks) {
        Decision::Closed(closed) => closed,
        Decision::Open | Decision::Unproven => Vec::new(),
    };
    let retries = closed.iter().map(|result| {
        let gate = task.gates.iter().find(|gate| gate.id == result.check);
        gate.map(|gate| gate.retry.clone()).unwrap_or_default()
    });
    let pause = retries.clone().map(|retry| retry.pause).max();
    let time = retries.map(|retry| retry.pause * u32::from(retry.times));
    let time = time.min().unwrap_or_default().max(SETTLE);
    (
        pause.unwrap_or_default().max(PAUSE),
        time.min(task.deadline / 2),
    )
}

/// How the operator logs in.
#[derive(Default)]
struct NewLogin {
    /// The last connection.
    fresh: Option<Box<dyn Transport>>,
    /// Whether its event was sent.
    told: bool,
    /// Why the host could not be reached, per try.
    troubles: Vec<String>,
    hint: Option<String>,
}

struct GateRounds<'a> {
    connection: &'a dyn Transport,
    task: &'a Task,
    context: &'a RunContext,
    login: NewLogin,
}

impl GateRounds<'_> {
    /// Connects if no connection is open; returns whether one is.
    async fn reach(&mut self) -> bool {
        if self.login.fresh.is_some() {
            return false;
        }
        let reached = self.reach_ports().await;
        let login = &mut self.login;
        match reached {
            Ok(connection) => login.fresh = Some(connection),
            Err(error) => {
                login.troubles.push(error.to_string());
                // The first hint belongs to the first problem: later ones may be caused by the tries themselves.
                login.hint = login.hint.take().or_else(|| error.hint());
            }
        }
        true
    }

    /// A new connection over `connection.port`, after one over the new port.
    async fn reach_ports(&mut self) -> Result<Box<dyn Transport>, AskError> {
        let connection = reach(self.connection).await?;
        if let Some(port) = self.task.new_port
            && !connection.is_sandbox()
        {
            let name = reach_at(connection.as_ref(), port).await?;
            if !self.login.told {
                tell(self.context, self.task, EventKind::Reached(name));
            }
        }
        Ok(connection)
    }

    /// Whether the host was reached, and then the answers of all gates.
    async fn ask(&mut self) -> Vec<CheckResult> {
        let name = self.connection.describe();
        let login = &mut self.login;
        let Some(fresh) = login.fresh.as_deref() else {
            let hint = login.hint.clone();
            let status = CheckStatus::Fail { hint };
            return vec![reachable(&name, status, &distinct(&login.troubles))];
        };
        let answers = "a new connection answers";
        if fresh.is_sandbox() {
            let mut checks = vec![reachable(&name, sandboxed(), answers)];
            checks.extend(checks::skip_all(&self.task.gates, "sandbox"));
            return checks;
        }
        if !login.told {
            login.told = true;
            tell(self.context, self.task, EventKind::Reached(name.clone()));
        }
        let mut checks = vec![reachable(&name, CheckStatus::Pass, answers)];
        match ask_gates(fresh, &self.task.gates).await {
            Ok(results) => checks.extend(results),
            Err(error) => {
                login.fresh = None;
                let reason = error.to_string();
                let status = CheckStatus::Error { reason };
                checks.push(reachable("gates", status, "no answers"));
            }
        }
        checks
    }
}

/// Asks all gates once, each after those that it needs. A check that loads the host or runs a shipped file
/// is for `verify` alone: as a gate it would delay a confirm while the dead-man timer runs.
pub(crate) async fn ask_gates(
    connection: &dyn Transport,
    gates: &[Check],
) -> Result<Vec<CheckResult>, AskError> {
    let mut queue = CheckQueue::once(gates);
    for (place, gate) in gates.iter().enumerate() {
        if gate.load || gate.ships.is_some() {
            queue.settle(
                place,
                checks::broken(gate, "it cannot be a gate: it takes too long"),
            );
        }
    }
    while let Step::Ask(places) = queue.next() {
        let answers = ask(connection, &queue.queries(&places)).await?;
        queue.answered(&places, &answers);
    }
    Ok(queue.into_results())
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

/// What a sandbox skipped, as an entry of the report.
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

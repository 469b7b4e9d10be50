//! Takes one host from a plan to committed or rolled back, as `core::activation` says.
//!
//! The host does the work by itself; the engine starts it, watches it, proves over new connections
//! that the operator can still log in, and confirms. If the engine is lost at any point, the host's
//! dead-man timer decides.

pub(crate) mod gates;
mod hearing;
mod log_tail;
pub(crate) mod outcome;
mod patience;
mod refusal;
pub(crate) mod way_in;

use std::time::Duration;

use deployctl_checks::{Check, CheckResult};
use deployctl_core::activation::machine::{Action, Event as Happened, Phase, next};
use deployctl_core::activation::status::{Failure, FailureCode};
use deployctl_core::activation::{ApplyId, Bundle, command};
use deployctl_core::name::HostName;
use deployctl_report::{Outcome, Problem};
use hearing::LastStatus;
use log_tail::LogTail;
use patience::{Patience, Seen};

use crate::archive;
use crate::event::{Event, EventKind};
use crate::run_context::RunContext;
use crate::transport::{Limits, Transport, TransportError};

/// Longest time for `start`: lease, validators, package download and simulation, checkpoint.
const START_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Longest time for any other verb. A rollback may wait for units.
const VERB_LIMIT: Duration = Duration::from_secs(10 * 60);
/// How long after its deadline an unreachable host is still asked for the outcome.
const GRACE: Duration = Duration::from_secs(60);
/// How often a host without progress is asked to roll back before the engine gives up.
const LAST_REQUESTS: u32 = 3;

/// One apply to one host.
#[derive(Debug)]
pub struct Task {
    /// Which host.
    pub host: HostName,
    /// The apply's id.
    pub apply: ApplyId,
    /// The nonce that confirm must contain.
    pub nonce: String,
    /// The files to stage.
    pub bundle: Bundle,
    /// Whether another open apply is rolled back first.
    pub steal: bool,
    /// The port that sshd begins to listen at; the operator must get in there, too.
    pub new_port: Option<u16>,
    /// How long the armed host waits for confirm.
    pub deadline: Duration,
    /// How long declared units may take to start; the deadline is moved for that long.
    pub starts: Duration,
    /// The checks that decide confirm.
    pub gates: Vec<Check>,
}

/// The outcome.
#[derive(Debug)]
pub struct Applied {
    /// Its kind.
    pub outcome: Outcome,
    /// The gates, as they were when they decided.
    pub checks: Vec<CheckResult>,
    /// The last lines of the host's log, stripped of control sequences.
    pub log: Vec<String>,
}

/// Drives one apply to its end.
pub async fn apply(connection: Box<dyn Transport>, task: &Task, context: &RunContext) -> Applied {
    let mut run = Run {
        connection,
        shell: None,
        task,
        context,
        log: LogTail::default(),
        heard: LastStatus::default(),
        checks: Vec::new(),
        rollback: None,
        last_requests: 0,
        patience: Patience::default(),
        denied: false,
    };
    let outcome = match run.drive().await {
        Ok(()) => run.ended().await,
        Err(outcome) => outcome,
    };
    Applied {
        outcome,
        checks: run.checks,
        log: run.log.into_lines(),
    }
}

struct Run<'a> {
    connection: Box<dyn Transport>,
    /// A root shell from before the start: the apply may revoke the right to become root.
    shell: Option<Box<dyn Transport>>,
    task: &'a Task,
    context: &'a RunContext,
    log: LogTail,
    heard: LastStatus,
    checks: Vec<CheckResult>,
    /// Why a rollback is requested, once it is.
    rollback: Option<Failure>,
    /// How often a rollback was requested since the last progress.
    last_requests: u32,
    patience: Patience,
    /// Whether the last verb that changes something failed.
    denied: bool,
}

impl Run<'_> {
    /// Follows the host until its phase is final. Returns `Err` with the outcome if that phase cannot be learned.
    async fn drive(&mut self) -> Result<(), Outcome> {
        self.stage().await?;
        self.shell = self.root_shell().await?;
        if self.context.interrupt.thrown() {
            return Err(Outcome::Interrupted);
        }
        // From here on the host may go on by itself: an error on this side says nothing about its state.
        let start = command::start(&self.task.apply, self.task.steal);
        self.act(&start, START_LIMIT).await?;
        let mut pause = Duration::from_millis(100);
        loop {
            let phase = self.heard.phase();
            if phase.is_some_and(Phase::is_final) {
                return Ok(());
            }
            self.still_worth_it()?;
            if self.context.interrupt.thrown() && self.rollback.is_none() {
                self.rollback = Some(failure(
                    FailureCode::Interrupted,
                    "the controller was interrupted",
                ));
            }
            match phase {
                Some(Phase::Activated) if self.rollback.is_none() => self.decide().await?,
                Some(phase) if phase != Phase::RollingBack && self.rollback.is_some() => {
                    self.request_rollback().await?;
                    if self.heard.phase() == Some(phase) {
                        self.wait(Duration::from_secs(1)).await;
                    }
                }
                _ => {
                    self.wait(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                    self.ask().await?;
                }
            }
        }
    }

    /// Uploads the bundle to the host. The connection may have died while the user read the plan.
    async fn stage(&mut self) -> Result<(), Outcome> {
        let archive = archive::pack(&self.task.bundle).map_err(|source| {
            outcome::transport(&TransportError::Local {
                action: "pack the bundle".to_owned(),
                source,
            })
        })?;
        let directory = self.task.apply.directory();
        let limits = Limits::default().within(Duration::from_secs(300));
        match self.connection.put(&archive, &directory, limits).await {
            Err(TransportError::Lost { .. }) => {
                let again = self.connection.reconnect().await;
                self.connection = again.map_err(|error| outcome::transport(&error))?;
                self.connection.put(&archive, &directory, limits).await
            }
            result => result,
        }
        .map_err(|error| outcome::transport(&error))
    }

    /// Opened before anything is started. Without one, the connection alone is used, except if becoming root fails.
    async fn root_shell(&self) -> Result<Option<Box<dyn Transport>>, Outcome> {
        match self.connection.root_shell().await {
            Err(error @ TransportError::Privilege { .. }) => Err(outcome::transport(&error)),
            shell => Ok(shell.ok().flatten()),
        }
    }

    /// Asks a host that makes no progress to roll back, a limited number of times.
    fn still_worth_it(&mut self) -> Result<(), Outcome> {
        let seen = Seen {
            phase: self.heard.phase(),
            log: self.log.offset(),
            left: self.heard.left(),
        };
        let now = self.context.clock.monotonic();
        let lasts = self.patience.lasts(seen, now, self.task, self.denied);
        let rolling_back = seen.phase == Some(Phase::RollingBack);
        if lasts && (self.last_requests == 0 || rolling_back) {
            return Ok(());
        }
        let at = seen
            .phase
            .map_or("staged".to_owned(), |phase| phase.to_string());
        let refused = !lasts && self.denied && self.rollback.is_some();
        if rolling_back || refused || self.last_requests == LAST_REQUESTS {
            return Err(self.stuck(&at));
        }
        self.last_requests += 1;
        self.rollback.get_or_insert_with(|| {
            let text = format!("it got no further than phase `{at}`");
            failure(FailureCode::Requested, &text)
        });
        Ok(())
    }

    /// It answers, but neither goes on nor rolls back.
    fn stuck(&self, at: &str) -> Outcome {
        let requested = match self.rollback {
            Some(_) => ", also after a rollback was requested",
            None => "",
        };
        let words = format!(
            "the host answers, but apply `{}` stays in phase `{at}`{requested}",
            self.task.apply
        );
        match self.heard.phase() {
            Some(Phase::Armed | Phase::Activating | Phase::Activated) => {
                outcome::not_put_back(self.task, &words)
            }
            _ => self.open(&words),
        }
    }

    /// Activated: connect again, check, then confirm or roll back.
    async fn decide(&mut self) -> Result<(), Outcome> {
        let looked = gates::look(self.connection.as_ref(), self.task, self.context).await;
        self.checks = looked.checks;
        let happened = match looked.connection {
            Some(connection) => {
                self.connection = connection;
                Happened::GatesPassed
            }
            None => Happened::GatesFailed,
        };
        if next(Phase::Activated, happened).action != Action::SendConfirm {
            let closed = outcome::closed_gates(&self.checks).join("; ");
            // An interrupted check proves nothing.
            if !self.context.interrupt.thrown() {
                self.rollback = Some(failure(FailureCode::Gate, &closed));
                return self.request_rollback().await;
            }
            return Ok(());
        }
        let confirm = command::confirm(&self.task.apply, &self.task.nonce);
        self.act_anew(&confirm, VERB_LIMIT).await?;
        // It still waits, and only this side can request the rollback.
        if self.heard.phase() == Some(Phase::Activated) {
            self.rollback = Some(failure(
                FailureCode::Requested,
                "the host did not take the confirm",
            ));
            self.request_rollback().await?;
        }
        Ok(())
    }

    async fn request_rollback(&mut self) -> Result<(), Outcome> {
        let script = command::rollback(Some(&self.task.apply), self.rollback.as_ref());
        self.act(&script, VERB_LIMIT).await
    }

    /// Moves the deadline along while units with a long declared start are starting; the bundle's
    /// cap on the host limits that.
    fn extension(&self) -> Option<u32> {
        let starting = matches!(self.heard.phase(), Some(Phase::Armed | Phase::Activating));
        (starting && !self.task.starts.is_zero() && self.rollback.is_none())
            .then(|| u32::try_from(self.task.deadline.as_secs()).unwrap_or(u32::MAX))
    }

    async fn wait(&self, pause: Duration) {
        if self.context.interrupt.thrown() {
            return self.context.clock.sleep(pause).await;
        }
        tokio::select! {
            () = self.context.clock.sleep(pause) => {}
            () = self.context.interrupt.wait() => {}
        }
    }

    /// What a final phase means. A rollback counts as done only after a new login succeeded.
    async fn ended(&mut self) -> Outcome {
        let status = self.heard.status.as_ref();
        let status = status.expect("a final phase was heard of");
        let apply = status.apply.as_ref().expect("a final phase was heard of");
        if apply.skipped > 0 {
            self.checks.push(gates::skipped_follow_ups(apply.skipped));
        }
        let outcome = outcome::of(self.task, status.generation, apply, &self.checks);
        match outcome {
            Outcome::RolledBack { reason, .. } if !self.connection.is_sandbox() => {
                let shell = self.shell.as_deref();
                let proof = way_in::prove(self.connection.as_ref(), shell, self.context).await;
                outcome::put_back(reason, proof)
            }
            outcome => outcome,
        }
    }

    fn tell(&self, kind: EventKind) {
        tell(self.context, self.task, kind);
    }
}

fn failure(code: FailureCode, text: &str) -> Failure {
    Failure {
        code,
        text: text.to_owned(),
    }
}

/// The first few distinct reasons, in the order in which they occurred.
fn distinct(reasons: &[String]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for reason in reasons {
        if once.len() < 3 && !once.contains(&reason.as_str()) {
            once.push(reason);
        }
    }
    once.join("; then ")
}

fn tell(context: &RunContext, task: &Task, kind: EventKind) {
    (context.sink)(Event {
        host: task.host.clone(),
        kind,
    });
}

/// A problem without details or hint.
fn problem(message: String, hint: Option<&str>) -> Problem {
    Problem {
        message,
        hint: hint.map(str::to_owned),
    }
}

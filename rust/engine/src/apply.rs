//! Takes one host from a plan to committed or rolled back, as `core::activation` says.
//!
//! The host does the work by itself; we start it, watch it, prove over new connections that the
//! operator still gets in, and confirm. Losing us at any point leaves the host to its dead man.

mod gates;
mod log_tail;
pub(crate) mod outcome;
mod patience;
mod refusal;

use std::time::Duration;

use deployctl_core::activation::machine::{Action, Event as Happened, Phase, next};
use deployctl_core::activation::status::{self, Status};
use deployctl_core::activation::{ApplyId, Bundle, command};
use deployctl_core::check::{Check, CheckResult};
use deployctl_core::name::HostName;
use deployctl_core::query;
use deployctl_core::report::{Outcome, Problem};

use crate::archive;
use crate::clock::Clock;
use crate::event::{Event, EventKind, Sink};
use crate::interrupt::Interrupt;
use crate::transport::{Limits, Output, Transport, TransportError};

use log_tail::LogTail;
use patience::{Patience, Seen};

/// Longest time for `start`: lease, validators, package download and simulation, checkpoint.
const START_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Longest time for any other verb. A rollback may wait for units.
const VERB_LIMIT: Duration = Duration::from_secs(10 * 60);
/// How long after its deadline a host that we cannot reach is still asked how it ended.
const GRACE: Duration = Duration::from_secs(60);
/// Broken answers in a row before we give up on a host that lets us connect and then says nothing.
const LOSS_LIMIT: u32 = 10;
/// Answers in a row that are no status before we give up on a host that does answer.
const NONSENSE_LIMIT: u32 = 3;

/// One apply to one host.
#[derive(Debug)]
pub struct Task {
    /// Which host.
    pub host: HostName,
    /// The apply's id.
    pub apply: ApplyId,
    /// What confirm has to say.
    pub nonce: String,
    /// What is staged.
    pub bundle: Bundle,
    /// Whether another open apply is rolled back first.
    pub steal: bool,
    /// How long the host waits for us once it is armed.
    pub deadline: Duration,
    /// How long declared units may take to start; the deadline is moved for that long.
    pub starts: Duration,
    /// Addresses that the operator must reach the host by afterwards; `None` is the one we use now.
    pub addresses: Vec<Option<String>>,
    /// The checks that decide confirm.
    pub gates: Vec<Check>,
}

/// What the run shares with all others.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: std::sync::Arc<dyn Clock>,
    /// Where events go.
    pub sink: Sink,
    /// Whether somebody wants us to stop.
    pub interrupt: Interrupt,
}

/// How it ended.
#[derive(Debug)]
pub struct Applied {
    /// In a word.
    pub outcome: Outcome,
    /// The gates, as they were when they decided.
    pub checks: Vec<CheckResult>,
    /// The last lines of the host's log, stripped of control sequences.
    pub log: Vec<String>,
}

/// Drives one apply to its end.
pub async fn apply(link: Box<dyn Transport>, task: &Task, around: &Surroundings) -> Applied {
    let mut run = Run {
        link,
        task,
        around,
        log: LogTail::default(),
        last: None,
        checks: Vec::new(),
        nonsense: 0,
        losses: 0,
        rollback_requested: false,
        patience: Patience::default(),
        denied: false,
    };
    let outcome = run.drive().await.unwrap_or_else(|outcome| outcome);
    Applied {
        outcome,
        checks: run.checks,
        log: run.log.into_lines(),
    }
}

struct Run<'a> {
    link: Box<dyn Transport>,
    task: &'a Task,
    around: &'a Surroundings,
    log: LogTail,
    /// What the host said last.
    last: Option<Status>,
    checks: Vec<CheckResult>,
    nonsense: u32,
    losses: u32,
    rollback_requested: bool,
    patience: Patience,
    /// Whether the last verb that was to change something ended badly.
    denied: bool,
}

impl Run<'_> {
    /// `Err` is an outcome too: the way out of the middle.
    async fn drive(&mut self) -> Result<Outcome, Outcome> {
        self.stage().await?;
        if self.around.interrupt.thrown() {
            return Err(outcome::interrupted_early(&self.task.host));
        }
        let start = command::start(&self.task.apply, self.task.steal);
        self.act(&start, START_LIMIT).await?;
        let mut pause = Duration::from_millis(100);
        loop {
            self.still_worth_it()?;
            match self.phase() {
                Some(phase) if phase.is_final() => return Ok(self.ended()),
                Some(Phase::Activated) if !self.rollback_requested => self.decide().await?,
                Some(phase @ (Phase::Armed | Phase::Activating | Phase::Activated))
                    if self.around.interrupt.thrown() || self.rollback_requested =>
                {
                    self.request_rollback().await?;
                    if self.phase() == Some(phase) {
                        self.wait(Duration::from_secs(1)).await;
                    }
                }
                _ => {
                    self.wait(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                    let offset = self.log.offset();
                    let ask = command::status(&self.task.apply, offset, self.extension());
                    self.verb(&ask, Duration::from_secs(30)).await?;
                }
            }
        }
    }

    /// Brings the bundle to the host. The connection may have died while the user read the plan.
    async fn stage(&mut self) -> Result<(), Outcome> {
        let archive = archive::pack(&self.task.bundle).map_err(|source| {
            outcome::transport(&TransportError::Local {
                action: "pack the bundle".to_owned(),
                source,
            })
        })?;
        let directory = self.task.apply.directory();
        let limits = Limits::default().within(Duration::from_secs(300));
        match self.link.put(&archive, &directory, limits).await {
            Err(TransportError::Lost { .. }) => {
                let again = self.link.reconnect(None).await;
                self.link = again.map_err(|error| outcome::transport(&error))?;
                self.link.put(&archive, &directory, limits).await
            }
            result => result,
        }
        .map_err(|error| outcome::transport(&error))
    }

    fn phase(&self) -> Option<Phase> {
        Some(self.last.as_ref()?.apply.as_ref()?.phase)
    }

    /// Runs a verb of `host.sh` and takes note of its frame; where the connection breaks, makes a new
    /// one and lets the caller ask again.
    async fn verb(&mut self, script: &str, limit: Duration) -> Result<(), Outcome> {
        match self.link.run(script, Limits::default().within(limit)).await {
            Ok(output) => self.note(&output),
            Err(error) => self.lost(&error).await,
        }
    }

    /// A verb that changes something: whether it ended badly decides how long progress is waited for.
    async fn act(&mut self, script: &str, limit: Duration) -> Result<(), Outcome> {
        self.denied = false;
        match self.link.run(script, Limits::default().within(limit)).await {
            Ok(output) => {
                self.denied = output.status != 0;
                self.note(&output)
            }
            Err(error) => self.lost(&error).await,
        }
    }

    /// A host that answers and gets no further is not asked for ever.
    fn still_worth_it(&mut self) -> Result<(), Outcome> {
        let phase = self.phase();
        if phase.is_some_and(Phase::is_final) {
            return Ok(());
        }
        let apply = self.last.as_ref().and_then(|status| status.apply.as_ref());
        let seen = Seen {
            phase,
            log: self.log.offset(),
            left: apply.and_then(|apply| apply.deadline_seconds),
        };
        let now = self.around.clock.monotonic();
        if self.patience.lasts(seen, now, self.task, self.denied) {
            return Ok(());
        }
        let refused_rollback = self.denied && self.rollback_requested;
        Err(outcome::stuck(self.task, phase, refused_rollback))
    }

    fn note(&mut self, output: &Output) -> Result<(), Outcome> {
        let status = match status::parse(&output.stdout) {
            Ok(status) => status,
            Err(error) => {
                self.nonsense += 1;
                if self.nonsense < NONSENSE_LIMIT && self.last.is_some() {
                    return Ok(());
                }
                let complaint = query::printable_line(&output.stderr, 300);
                return Err(outcome::nonsense(
                    self.task,
                    &error,
                    &complaint,
                    self.phase(),
                ));
            }
        };
        (self.nonsense, self.losses) = (0, 0);
        let before = self.phase();
        match &status.apply {
            Some(apply) if apply.apply == self.task.apply.as_str() => {
                for line in self.log.take(&apply.log) {
                    self.tell(EventKind::Logged(line));
                }
            }
            _ => return Err(outcome::unheard_of(self.task, before)),
        }
        self.last = Some(status);
        if let Some(phase) = self.phase().filter(|phase| before != Some(*phase)) {
            self.tell(EventKind::PhaseEntered(phase.word().to_owned()));
        }
        Ok(())
    }

    /// The link is gone, the host goes on: connect again until its deadline is well behind.
    async fn lost(&mut self, error: &TransportError) -> Result<(), Outcome> {
        if !outcome::may_have_run(error) {
            return Err(outcome::transport(error));
        }
        let phase = self.phase().unwrap_or(Phase::Staged);
        if next(phase, Happened::LinkLost).action != Action::Reconnect {
            return Ok(());
        }
        self.losses += 1;
        if self.losses > LOSS_LIMIT {
            return Err(outcome::unknown(self.task, error, self.phase()));
        }
        self.tell(EventKind::LinkLost(error.to_string()));
        let left = self
            .last
            .as_ref()
            .and_then(|status| status.apply.as_ref()?.deadline_seconds)
            .map_or(self.task.deadline + self.task.starts, |seconds| {
                Duration::from_secs(seconds.into())
            });
        let give_up = self.around.clock.monotonic() + left + GRACE;
        let mut pause = Duration::from_millis(500);
        loop {
            let others = self
                .task
                .addresses
                .iter()
                .filter(|address| address.is_some());
            for address in std::iter::once(&None).chain(others) {
                if let Ok(link) = self.link.reconnect(address.as_deref()).await {
                    self.link = link;
                    self.tell(EventKind::Reconnected);
                    return self.ask_after_reconnect().await;
                }
            }
            if self.around.clock.monotonic() >= give_up {
                return Err(outcome::unknown(self.task, error, self.phase()));
            }
            self.around.clock.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// One question over the new connection; whatever breaks now is for the next round.
    async fn ask_after_reconnect(&mut self) -> Result<(), Outcome> {
        let ask = command::status(&self.task.apply, self.log.offset(), None);
        let limits = Limits::default().within(Duration::from_secs(30));
        match self.link.run(&ask, limits).await {
            Ok(output) => self.note(&output),
            Err(_) => Ok(()),
        }
    }

    /// Activated: reach it anew, check, then confirm or roll back.
    async fn decide(&mut self) -> Result<(), Outcome> {
        let happened = if self.around.interrupt.thrown() {
            Happened::RollbackRequested
        } else {
            let looked = gates::look(self.link.as_ref(), self.task, self.around).await;
            self.checks = looked.checks;
            match looked.link {
                Some(link) => {
                    self.link = link;
                    Happened::GatesPassed
                }
                None => Happened::GatesFailed,
            }
        };
        match next(Phase::Activated, happened).action {
            Action::SendConfirm => {
                let confirm = command::confirm(&self.task.apply, &self.task.nonce);
                self.act(&confirm, VERB_LIMIT).await?;
                // Denied, and still waiting: nobody else can help it.
                if self.phase() == Some(Phase::Activated) {
                    self.request_rollback().await?;
                }
                Ok(())
            }
            _ => self.request_rollback().await,
        }
    }

    async fn request_rollback(&mut self) -> Result<(), Outcome> {
        self.rollback_requested = true;
        let script = command::rollback(Some(&self.task.apply), None);
        self.act(&script, VERB_LIMIT).await
    }

    /// Moves the deadline along while units with a long declared start are starting; the bundle's
    /// cap on the host has the last word.
    fn extension(&self) -> Option<u32> {
        let starting = matches!(self.phase(), Some(Phase::Armed | Phase::Activating));
        (starting && !self.task.starts.is_zero() && !self.around.interrupt.thrown())
            .then(|| u32::try_from(self.task.deadline.as_secs()).unwrap_or(u32::MAX))
    }

    async fn wait(&self, pause: Duration) {
        if self.around.interrupt.thrown() {
            return self.around.clock.sleep(pause).await;
        }
        tokio::select! {
            () = self.around.clock.sleep(pause) => {}
            () = self.around.interrupt.wait() => {}
        }
    }

    fn ended(&mut self) -> Outcome {
        let status = self.last.as_ref().expect("a final phase was noted");
        let apply = status.apply.as_ref().expect("a final phase was noted");
        if apply.skipped > 0 {
            self.checks.push(gates::skipped_follow_ups(apply.skipped));
        }
        outcome::of(self.task, status.generation, apply, &self.checks)
    }

    fn tell(&self, kind: EventKind) {
        tell(self.around, self.task, kind);
    }
}

fn tell(around: &Surroundings, task: &Task, kind: EventKind) {
    (around.sink)(Event {
        host: task.host.clone(),
        kind,
    });
}

/// A problem without more to say.
fn problem(message: String, hint: Option<&str>) -> Problem {
    Problem {
        message,
        hint: hint.map(str::to_owned),
    }
}

//! Asks the host about the apply, by every connection that still works.

use std::time::Duration;

use deployctl_core::activation::command;
use deployctl_core::activation::machine::{Action, Event as Happened, Phase, next};
use deployctl_core::activation::status::{self, Status, StatusError};
use deployctl_core::query;
use deployctl_report::Outcome;

use super::{GRACE, Run, distinct, outcome};
use crate::event::EventKind;
use crate::in_full;
use crate::transport::{Limits, Output, TransportError};

/// Consecutive answers without a status before the engine gives up on a host that answers.
const NONSENSE_LIMIT: u32 = 3;
/// Deadline of one question.
const QUESTION: Duration = Duration::from_secs(30);

/// The last status, and when it arrived.
#[derive(Debug, Default)]
pub(super) struct LastStatus {
    /// The status frame.
    pub(super) status: Option<Status>,
    /// When, in seconds since 1970.
    at: u64,
    /// When a status first had a deadline, in seconds since 1970.
    armed_at: Option<u64>,
    /// Consecutive answers without a status.
    nonsense: u32,
}

impl LastStatus {
    /// The phase of the apply.
    pub(super) fn phase(&self) -> Option<Phase> {
        Some(self.status.as_ref()?.apply.as_ref()?.phase)
    }

    /// Seconds that were left on the dead-man timer.
    pub(super) fn left(&self) -> Option<u32> {
        self.status.as_ref()?.apply.as_ref()?.deadline_seconds
    }
}

/// An answer without the phase of the apply.
enum Odd {
    /// No status.
    Nonsense(StatusError, String),
    /// The host does not know the apply.
    Unheard,
}

impl Run<'_> {
    /// Asks for the status, and extends the deadline if that is due.
    pub(super) async fn ask(&mut self) -> Result<(), Outcome> {
        let offset = self.log.offset();
        let script = command::status(&self.task.apply, offset, self.extension());
        let output = self.say(&script, QUESTION).await;
        self.take(output).await
    }

    /// Runs a verb that changes something: its failure shortens the wait for progress.
    pub(super) async fn act(&mut self, script: &str, limit: Duration) -> Result<(), Outcome> {
        let output = self.say(script, limit).await;
        self.denied = output.as_ref().is_ok_and(|output| output.status != 0);
        self.take(output).await
    }

    /// The same over the new connection, which proves that this connection works.
    pub(super) async fn act_anew(&mut self, script: &str, limit: Duration) -> Result<(), Outcome> {
        let output = self
            .connection
            .run(script, Limits::default().within(limit))
            .await;
        self.denied = output.as_ref().is_ok_and(|output| output.status != 0);
        self.take(output).await
    }

    /// Over the open root shell, while there is one.
    async fn say(&mut self, script: &str, limit: Duration) -> Result<Output, TransportError> {
        let limits = Limits::default().within(limit);
        let Some(shell) = &self.shell else {
            return self.connection.run(script, limits).await;
        };
        let said = shell.run(script, limits).await;
        if said.is_err() {
            self.shell = None;
        }
        said
    }

    /// Records an answer; if there is none, tries other connections.
    async fn take(&mut self, answer: Result<Output, TransportError>) -> Result<(), Outcome> {
        let output = match answer {
            Ok(output) => output,
            Err(error) => return self.lost(&error).await,
        };
        match self.note(&output) {
            Ok(()) => Ok(()),
            Err(Odd::Unheard) => Err(self.unheard()),
            Err(Odd::Nonsense(error, complaint)) => {
                self.heard.nonsense += 1;
                if self.heard.nonsense < NONSENSE_LIMIT {
                    return Ok(());
                }
                Err(self.open(&outcome::nonsense(&error, &complaint)))
            }
        }
    }

    fn note(&mut self, output: &Output) -> Result<(), Odd> {
        let status = status::parse(&output.stdout)
            .map_err(|error| Odd::Nonsense(error, query::printable_line(&output.stderr, 300)))?;
        let before = self.heard.phase();
        let apply = match &status.apply {
            Some(apply) if apply.apply == self.task.apply.as_str() => apply,
            _ => return Err(Odd::Unheard),
        };
        let lines = self.log.take(&apply.log);
        let now = self.context.clock.unix_seconds();
        if apply.phase.is_open() {
            self.heard.armed_at.get_or_insert(now);
        }
        self.heard.status = Some(status);
        (self.heard.at, self.heard.nonsense) = (now, 0);
        for line in lines {
            self.tell(EventKind::Logged(line));
        }
        if let Some(phase) = self.heard.phase().filter(|phase| before != Some(*phase)) {
            self.tell(EventKind::PhaseEntered(phase.word().to_owned()));
        }
        Ok(())
    }

    /// No answer: the activation goes on regardless of the error. Tries every connection until well after the
    /// deadline.
    async fn lost(&mut self, error: &TransportError) -> Result<(), Outcome> {
        let phase = self.heard.phase().unwrap_or(Phase::Staged);
        if next(phase, Happened::LinkLost).action != Action::Reconnect {
            return Ok(());
        }
        self.tell(EventKind::LinkLost(error.to_string()));
        let mut troubles = vec![in_full(error)];
        let give_up = self.context.clock.monotonic() + self.still_open() + GRACE;
        let mut pause = Duration::from_millis(500);
        loop {
            match self.ask_anew().await {
                Ok(()) => return Ok(()),
                Err(Silence::Unheard) => return Err(self.unheard()),
                Err(Silence::Trouble(words)) => troubles.push(words),
            }
            if self.context.clock.monotonic() >= give_up {
                return Err(self.open(&distinct(&troubles)));
            }
            self.context.clock.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// How long the host may take to end the apply by itself, if that is known.
    fn still_open(&self) -> Duration {
        let asked_for = self.task.deadline + self.task.starts;
        match (self.heard.phase(), self.heard.left()) {
            (Some(Phase::Activated), Some(left)) => Duration::from_secs(left.into()),
            (_, Some(left)) => asked_for.max(Duration::from_secs(left.into())),
            _ => asked_for,
        }
    }

    /// Asks one question over the open shell, then over new connections.
    async fn ask_anew(&mut self) -> Result<(), Silence> {
        let ask = command::status(&self.task.apply, self.log.offset(), None);
        let limits = Limits::default().within(QUESTION);
        if self.shell.is_some()
            && let Ok(output) = self.say(&ask, QUESTION).await
            && self.hear(&output)?.is_none()
        {
            return Ok(());
        }
        let connection = match self.connection.reconnect().await {
            Ok(connection) => connection,
            Err(error) => return Err(Silence::Trouble(in_full(&error))),
        };
        match connection.run(&ask, limits).await {
            Ok(output) => match self.hear(&output)? {
                None => {
                    self.shell = connection.root_shell().await.ok().flatten();
                    self.connection = connection;
                    self.tell(EventKind::Reconnected);
                    Ok(())
                }
                Some(words) => Err(Silence::Trouble(words)),
            },
            Err(error) => Err(Silence::Trouble(in_full(&error))),
        }
    }

    /// Records an answer to the question; returns a text if it is not a status.
    fn hear(&mut self, output: &Output) -> Result<Option<String>, Silence> {
        match self.note(output) {
            Ok(()) => Ok(None),
            Err(Odd::Unheard) => Err(Silence::Unheard),
            Err(Odd::Nonsense(error, complaint)) => Ok(Some(outcome::nonsense(&error, &complaint))),
        }
    }

    /// The host does not know the apply. If no status came before, that proves that nothing began.
    fn unheard(&self) -> Outcome {
        let words = format!("the host knows nothing of apply `{}`", self.task.apply);
        match self.heard.phase() {
            None => outcome::never_began(self.task, &words),
            Some(_) => self.open(&words),
        }
    }

    /// Started, not confirmed, and with unknown outcome.
    pub(super) fn open(&self, cause: &str) -> Outcome {
        let last = outcome::LastHeard {
            phase: self.heard.phase(),
            at: self.heard.at,
            until: self.until(),
            now: self.context.clock.unix_seconds(),
        };
        outcome::open(self.task, cause, &last)
    }

    /// The latest time at which the dead-man timer acts, in seconds since 1970. It is fixed only after the
    /// activation; until then the bundle's cap bounds it. A sandbox has none.
    fn until(&self) -> Option<u64> {
        if self.connection.is_sandbox() {
            return None;
        }
        match self.heard.phase()? {
            Phase::Activated => Some(self.heard.at + u64::from(self.heard.left()?)),
            Phase::Armed | Phase::Activating => {
                Some(self.heard.armed_at? + u64::from(self.task.bundle.max_seconds()?))
            }
            _ => None,
        }
    }
}

/// No answer contained the phase of the apply.
enum Silence {
    Unheard,
    Trouble(String),
}

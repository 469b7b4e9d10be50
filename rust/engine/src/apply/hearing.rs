//! What the host says of the apply, whichever way is left to hear it.

use std::time::Duration;

use deployctl_core::activation::command;
use deployctl_core::activation::machine::{Action, Event as Happened, Phase, next};
use deployctl_core::activation::status::{self, Status, StatusError};
use deployctl_core::query;
use deployctl_report::Outcome;

use super::{GRACE, Run, distinct, outcome};
use crate::causes::in_full;
use crate::event::EventKind;
use crate::transport::{Limits, Output, TransportError};

/// Answers in a row that are no status before we give up on a host that does answer.
const NONSENSE_LIMIT: u32 = 3;
/// Longest time for one question.
const QUESTION: Duration = Duration::from_secs(30);

/// What was last heard, and when.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The frame.
    pub(super) status: Option<Status>,
    /// When, in seconds since 1970.
    at: u64,
    /// When the dead man was first heard of, in seconds since 1970.
    armed_at: Option<u64>,
    /// Answers in a row that were no status.
    nonsense: u32,
}

impl Heard {
    /// How far the apply was.
    pub(super) fn phase(&self) -> Option<Phase> {
        Some(self.status.as_ref()?.apply.as_ref()?.phase)
    }

    /// Seconds that were left to the dead man.
    pub(super) fn left(&self) -> Option<u32> {
        self.status.as_ref()?.apply.as_ref()?.deadline_seconds
    }
}

/// An answer that does not tell how far the apply is.
enum Odd {
    /// No status.
    Nonsense(StatusError, String),
    /// The host does not know the apply.
    Unheard,
}

impl Run<'_> {
    /// Asks how far it is, and moves the deadline where that is due.
    pub(super) async fn ask(&mut self) -> Result<(), Outcome> {
        let offset = self.log.offset();
        let script = command::status(&self.task.apply, offset, self.extension());
        let output = self.say(&script, QUESTION).await;
        self.take(output).await
    }

    /// Runs a verb that changes something: whether it ended badly decides how long progress is waited for.
    pub(super) async fn act(&mut self, script: &str, limit: Duration) -> Result<(), Outcome> {
        let output = self.say(script, limit).await;
        self.denied = output.as_ref().is_ok_and(|output| output.status != 0);
        self.take(output).await
    }

    /// The same over the connection that was just made, which proves that it can.
    pub(super) async fn act_anew(&mut self, script: &str, limit: Duration) -> Result<(), Outcome> {
        let output = self
            .connection
            .run(script, Limits::default().within(limit))
            .await;
        self.denied = output.as_ref().is_ok_and(|output| output.status != 0);
        self.take(output).await
    }

    /// By the shell of root that is open, while there is one.
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

    /// Takes note of an answer; where there is none, finds another way to ask.
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

    /// No answer, whatever the error is: what was started goes on. Tries every way to hear of it until its deadline is
    /// well behind.
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

    /// How long the host may take to end it by itself, as far as that is known.
    fn still_open(&self) -> Duration {
        let asked_for = self.task.deadline + self.task.starts;
        match (self.heard.phase(), self.heard.left()) {
            (Some(Phase::Activated), Some(left)) => Duration::from_secs(left.into()),
            (_, Some(left)) => asked_for.max(Duration::from_secs(left.into())),
            _ => asked_for,
        }
    }

    /// One question by every way there is: the open shell, then new connections.
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

    /// Takes note of an answer to the question; words where it is none.
    fn hear(&mut self, output: &Output) -> Result<Option<String>, Silence> {
        match self.note(output) {
            Ok(()) => Ok(None),
            Err(Odd::Unheard) => Err(Silence::Unheard),
            Err(Odd::Nonsense(error, complaint)) => Ok(Some(outcome::nonsense(&error, &complaint))),
        }
    }

    /// The host does not know the apply. Before anything was heard of it, that proves that nothing began.
    fn unheard(&self) -> Outcome {
        let words = format!("the host knows nothing of apply `{}`", self.task.apply);
        match self.heard.phase() {
            None => outcome::never_began(self.task, &words),
            Some(_) => self.open(&words),
        }
    }

    /// Started, not confirmed, and not heard how it ended.
    pub(super) fn open(&self, cause: &str) -> Outcome {
        let last = outcome::LastHeard {
            phase: self.heard.phase(),
            at: self.heard.at,
            until: self.until(),
            now: self.context.clock.unix_seconds(),
        };
        outcome::open(self.task, cause, &last)
    }

    /// When the dead man begins at the latest, in seconds since 1970. Only once the activation is over it is fixed;
    /// until then the bundle's cap bounds it. In a sandbox there is none.
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

/// No answer that tells how far the apply is.
enum Silence {
    Unheard,
    Trouble(String),
}

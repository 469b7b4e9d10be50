//! A connection that is opened again after it broke.

use deployctl_core::query::{Answers, Query};

use crate::ask::{AskError, ask};
use crate::in_full;
use crate::interrupt::Interrupt;
use crate::transport::{Transport, TransportError};

/// One host's connection, good for many rounds.
pub(super) struct Connection {
    transport: Box<dyn Transport>,
    /// Whether the last question may have broken it.
    broken: bool,
}

/// Why a round has no answers.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// A stop was requested.
    Interrupted,
    /// The host could not be reached, or its output is not an answer.
    Broken(AskError),
}

impl Unanswered {
    /// In words, with what to do.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Interrupted => "interrupted".to_owned(),
            // Its hint is about an apply that goes on by itself, which a question does not.
            Self::Broken(error @ AskError::Transport(TransportError::Lost { .. })) => {
                in_full(error)
            }
            Self::Broken(error) => match error.hint() {
                Some(hint) => format!("{}; {hint}", in_full(error)),
                None => in_full(error),
            },
        }
    }

    /// Whether any other question would fail in the same way, after its deadline.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Broken(AskError::Transport(error)) => matches!(
                error,
                TransportError::Connect { .. }
                    | TransportError::HostKey { .. }
                    | TransportError::Unadopted { .. }
                    | TransportError::NoShell { .. }
                    | TransportError::Privilege { .. }
            ),
            Self::Broken(AskError::Unreadable { .. }) => false,
        }
    }
}

impl From<TransportError> for Unanswered {
    fn from(error: TransportError) -> Self {
        Self::Broken(error.into())
    }
}

impl Connection {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            broken: false,
        }
    }

    pub(super) fn is_sandbox(&self) -> bool {
        self.transport.is_sandbox()
    }

    /// Asks `queries` in one exec. A question that runs when a stop is requested is not ended: it has its
    /// own deadline.
    pub(super) async fn ask(
        &mut self,
        queries: &[Query],
        interrupt: &Interrupt,
    ) -> Result<Answers, Unanswered> {
        let whole = async {
            let transport = self.stand().await?;
            let asked = ask(transport, queries).await;
            asked.map_err(Unanswered::Broken)
        };
        let ended = tokio::select! {
            biased;
            () = interrupt.wait() => Err(Unanswered::Interrupted),
            ended = whole => ended,
        };
        self.broken = ended.is_err();
        ended
    }

    /// Unpacks `archive` into `directory`.
    pub(super) async fn put(
        &mut self,
        archive: &[u8],
        directory: &str,
        limits: crate::transport::Limits,
        interrupt: &Interrupt,
    ) -> Result<(), Unanswered> {
        let whole = async {
            let transport = self.stand().await?;
            Ok(transport.put(archive, directory, limits).await?)
        };
        let ended = tokio::select! {
            biased;
            () = interrupt.wait() => Err(Unanswered::Interrupted),
            ended = whole => ended,
        };
        self.broken = ended.is_err();
        ended
    }

    /// The transport, with a new connection if the last one may be broken.
    async fn stand(&mut self) -> Result<&dyn Transport, TransportError> {
        if self.broken {
            self.transport = self.transport.reconnect().await?;
            self.broken = false;
        }
        Ok(self.transport.as_ref())
    }
}

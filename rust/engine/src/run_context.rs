//! What all hosts of one run share.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::event::Sink;
use crate::interrupt::Interrupt;

/// What one host's run shares with all others.
#[derive(Clone)]
pub struct RunContext {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub sink: Sink,
    /// Whether a stop was requested.
    pub interrupt: Interrupt,
    /// The repository at hand, if there is one: artifacts that hosts are sent are below it.
    pub repository: Option<PathBuf>,
}

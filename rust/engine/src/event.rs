//! What happens during a run, for those who watch it.

use std::time::Duration;

use deployctl_core::name::HostName;

/// Something happened. Past tense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The host that it happened on.
    pub host: HostName,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A connection was opened.
    Connected,
    /// A connection was opened again after it was lost.
    Reconnected,
    /// The host answered the round of queries.
    Observed,
    /// This open apply is about to be rolled back, before anything is planned.
    TakingOver(String),
    /// A plan was made; the number of its changes.
    Planned(usize),
    /// The apply entered a phase, as the host recorded it.
    PhaseEntered(String),
    /// A line of the host's activation log, or of a build's, stripped of control sequences.
    Logged(String),
    /// The connection was lost; the host goes on by itself.
    LinkLost(String),
    /// Nix began to evaluate the host's system, which takes a while.
    Evaluating,
    /// Modules of its system warn of this.
    Warned(String),
    /// Nix began to build this derivation, for the host.
    Building(String),
    /// Nix began to fetch this store path from a cache.
    Fetching(String),
    /// Nix began to copy this store path to the host.
    Copying(String),
    /// The host's store holds its system; the number of store paths that were copied for it.
    Supplied(usize),
    /// An apply begins with a step of its own, without artifacts that wait for what it brings.
    FirstStep {
        /// Kinds and names of those artifacts.
        without: Vec<String>,
        /// What staging them needs, and the host does not have yet.
        lacking: Vec<String>,
    },
    /// The host fetches an artifact, or is sent it; told from time to time.
    Staging(StageProgress),
    /// This artifact is whole on the host.
    Staged {
        /// Its kind and name.
        what: String,
        /// Bytes that came from its source.
        bytes: u64,
    },
    /// We stop following this artifact, and the host goes on fetching it.
    StagingGoesOn(String),
    /// Files that a host is to be sent are read here, and compared with what is declared.
    Comparing {
        /// Kind and name of their artifact.
        what: String,
        /// How many bytes.
        bytes: u64,
    },
    /// The connection broke while this artifact was sent, for this reason.
    SendingCut {
        /// Its kind and name.
        what: String,
        /// Why.
        why: String,
    },
    /// We stop sending this artifact.
    SendingEnds(String),
    /// The operator logged in over a new connection to this address.
    Reached(String),
    /// A round of checks was answered.
    Checked {
        /// How many are settled by now.
        settled: usize,
        /// How many there are.
        of: usize,
    },
    /// Checks failed and are asked once more after a pause.
    AskingAgain {
        /// Which.
        checks: Vec<String>,
        /// How long it waits first.
        pause: Duration,
    },
    /// A check began that loads what it measures: `inference/latency`, or for a link `lan10g:
    /// throughput cuda → mac-mini`.
    Measuring(String),
    /// A command began to build what is shipped to the host.
    Preparing(String),
    /// A file for checks was uploaded to the host.
    Shipped {
        /// Its name there.
        name: String,
        /// Its size.
        bytes: usize,
    },
}

/// How far the staging of an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageProgress {
    /// Its kind and name.
    pub what: String,
    /// Bytes on the host.
    pub there: u64,
    /// Bytes of all its files.
    pub total: u64,
    /// Bytes a second since it was told last; `None` at first.
    pub rate: Option<u64>,
    /// What the host waits for.
    pub note: Option<String>,
}

/// Where events go. Called from many tasks.
pub type Sink = std::sync::Arc<dyn Fn(Event) + Send + Sync>;

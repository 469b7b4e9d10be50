//! What a watcher can learn while a run goes on.

use deployctl_core::name::HostName;

/// Something happened. Past tense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// On which host.
    pub host: HostName,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A connection stands.
    Connected,
    /// A connection stands again after it was lost.
    Reconnected,
    /// The host answered the round of queries.
    Observed,
    /// A plan was made; the number of its changes.
    Planned(usize),
    /// The apply entered a phase, as the host recorded it.
    PhaseEntered(String),
    /// A line of the host's activation log, stripped of control sequences.
    Logged(String),
    /// The connection was lost; the host goes on without us.
    LinkLost(String),
    /// The operator got in by a new connection to this address.
    Reached(String),
}

/// Where events go. Called from many tasks.
pub type Sink = std::sync::Arc<dyn Fn(Event) + Send + Sync>;

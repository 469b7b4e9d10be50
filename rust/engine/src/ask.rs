//! One round of questions to a host: one exec.

use std::time::Duration;

use deployctl_core::query::{self, Answers, FrameError, Marker, Query};

use crate::random;
use crate::transport::{Limits, Transport, TransportError};

/// Why there are no answers of a host.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Its output is not an answer.
    #[error("`{address}` answered something unreadable")]
    Unreadable {
        /// `user@address:port`.
        address: String,
        /// How.
        #[source]
        source: FrameError,
        /// What the shell there complained about, stripped of control sequences.
        complaint: String,
    },
}

impl AskError {
    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.hint(),
            Self::Unreadable { complaint, .. } if complaint.is_empty() => None,
            Self::Unreadable { complaint, .. } => {
                Some(format!("the shell there said: {complaint}"))
            }
        }
    }
}

/// Asks all `queries` at once.
pub async fn ask(transport: &dyn Transport, queries: &[Query]) -> Result<Answers, AskError> {
    let local = |source| TransportError::Local {
        action: "read random bytes".to_owned(),
        source,
    };
    let marker = Marker::new(random::bits128().map_err(local)?);
    let script = query::script(&marker, queries);
    let output = transport.run(&script, limits(queries)).await?;
    query::parse(&marker, &output.stdout).map_err(|source| AskError::Unreadable {
        address: transport.describe(),
        source,
        complaint: query::printable_line(&output.stderr, 300),
    })
}

/// Caps for the output of all queries, and time for the slowest; a query without its own deadline
/// is covered by an extra minute.
fn limits(queries: &[Query]) -> Limits {
    let slowest = queries.iter().map(|query| query.deadline).max();
    let room: usize = queries
        .iter()
        .map(|query| query.cap + query::STDERR_CAP + 1024)
        .sum();
    Limits {
        deadline: slowest.unwrap_or_default() + Duration::from_secs(60),
        stdout: room + (64 << 10),
        ..Limits::default()
    }
}

//! Frees releases of artifacts that a host neither uses nor declares.

use deployctl_core::artifact::{Collection, Freed, FreedError, read_freed};
use deployctl_core::query::printable_line;
use deployctl_core::rendered::Rendered;

use crate::archive;
use crate::transport::{Limits, Transport, TransportError};

/// Why nothing is known of what was freed.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It could not be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The host frees nothing, or its answer cannot be read.
    #[error("`{address}`: {source}")]
    Answer {
        /// `user@address:port`.
        address: String,
        /// Why.
        source: FreedError,
        /// What the shell there complained about, stripped of control sequences.
        complaint: String,
    },
}

impl CollectError {
    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.hint(),
            Self::Answer { complaint, .. } if complaint.is_empty() => None,
            Self::Answer { complaint, .. } => Some(format!("the shell there said: {complaint}")),
        }
    }
}

/// What is on the host of `rendered`, and what of it would be freed; with `free`, what was.
pub async fn collect(
    connection: &dyn Transport,
    rendered: &Rendered,
    free: bool,
) -> Result<Vec<Freed>, CollectError> {
    let collection = Collection::new(rendered);
    let archive = archive::pack(&collection.bundle()).map_err(|source| TransportError::Local {
        action: "pack what is declared".to_owned(),
        source,
    })?;
    let limits = Limits::default();
    let directory = collection.directory();
    connection.put(&archive, &directory, limits).await?;
    // To remove a million files takes a while.
    let limits = limits.within(std::time::Duration::from_secs(600));
    let output = connection.run(&collection.run(free), limits).await?;
    read_freed(&output.stdout).map_err(|source| CollectError::Answer {
        address: connection.describe(),
        source,
        complaint: printable_line(&output.stderr, 300),
    })
}

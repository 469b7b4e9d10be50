//! What was accepted of hosts, on disk: `hosts/<host>/accepted.snap`.

use std::io;
use std::path::{Path, PathBuf};

use deployctl_checks::accepted::{self, Accepted, ParseError};
use deployctl_core::name::HostName;

use crate::files;

/// Longest file that is read.
const SIZE_CAP: u64 = 4 << 20;

/// Why a host's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was not written by deployctl, or is damaged.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
}

impl SnapshotError {
    /// The next step for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(_) => Some(
                "put it right (`git log -p` has what it was), or remove it and accept again; nothing is written over it",
            ),
            Self::File { .. } => None,
        }
    }
}

/// The file of `host`, below the repository's top.
pub fn path(host: &HostName) -> String {
    format!("hosts/{host}/{}", accepted::FILE)
}

/// Reads the file of `host`; a missing file means that nothing is accepted.
///
/// # Errors
/// A file that exists and cannot be read.
pub fn read(top: &Path, host: &HostName) -> Result<Accepted, SnapshotError> {
    let below = path(host);
    let whole = top.join(&below);
    let failed = |source| SnapshotError::File {
        action: "read",
        path: whole.clone(),
        source,
    };
    match std::fs::metadata(&whole) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Accepted::default()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.is_file() || found.len() > SIZE_CAP => {
            let words = "it is no regular file of a sane size";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, words)));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(&whole).map_err(failed)?;
    Ok(Accepted::parse(&below, &text)?)
}

/// Writes the file of `host`, as a whole or not at all.
///
/// # Errors
/// What prevents it.
pub fn write(top: &Path, host: &HostName, accepted: &Accepted) -> Result<(), SnapshotError> {
    let path = top.join(path(host));
    files::replace(&path, accepted.to_text().as_bytes(), 0o644).map_err(|source| {
        SnapshotError::File {
            action: "write",
            path,
            source,
        }
    })
}

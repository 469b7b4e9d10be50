//! The input of a shell, and the signals that say when to write it.

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::files::Files;
use super::markers::Markers;
use super::secret::Password;

/// The input.
pub(super) struct Input<'a> {
    /// The markers that the shell prints.
    pub(super) markers: &'a Markers,
    /// The password, written when it is asked for. If there is one, `body` waits for the ready line.
    pub(super) password: Option<&'a Password>,
    /// What follows.
    pub(super) body: Body<'a>,
}

/// What a shell reads.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// A script or an archive.
    Bytes(&'a [u8]),
    /// Files of this machine.
    Files(&'a Files),
}

impl Body<'_> {
    /// Writes it. A shell that stops reading is no error here.
    pub(super) async fn write_to(self, stdin: &mut (impl AsyncWrite + Unpin)) {
        match self {
            Self::Bytes(bytes) => {
                let _ = stdin.write_all(bytes).await;
            }
            Self::Files(files) => files.write_to(stdin).await,
        }
    }
}

/// Signals from the readers to the writer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The shell is about to ask for the password.
    Asks,
    /// sudo asks for the password, in our words.
    Prompts,
    /// The shell runs as root.
    Ready,
}

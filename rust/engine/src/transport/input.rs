//! The input of a shell, and the signals that say when to write it.

use super::markers::Markers;
use super::secret::Password;

/// The input.
pub(super) struct Input<'a> {
    /// The markers that the shell prints.
    pub(super) markers: &'a Markers,
    /// The password, written when it is asked for. If there is one, `body` waits for the ready line.
    pub(super) password: Option<&'a Password>,
    /// The script or archive.
    pub(super) body: &'a [u8],
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

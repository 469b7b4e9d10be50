//! What goes into a shell, and the signals by which it is known when.

use super::markers::Markers;
use super::secret::Password;

/// What goes in.
pub(super) struct Input<'a> {
    /// What the shell says on its way.
    pub(super) markers: &'a Markers,
    /// Handed over when it is asked for. Where there is one, `body` waits for the ready line.
    pub(super) password: Option<&'a Password>,
    /// The script or archive.
    pub(super) body: &'a [u8],
}

/// What the listeners tell the writer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The shell is about to ask for the password.
    Asks,
    /// sudo asks for the password, in our words.
    Prompts,
    /// The shell runs as root.
    Ready,
}

//! How the account that logs in becomes root.

use super::secret::Password;

/// How the login becomes root.
#[derive(Debug, Clone)]
pub enum Become {
    /// It is root.
    Root,
    /// By `sudo -n`.
    Sudo,
    /// By sudo, with this password where sudo wants one.
    SudoPassword(Password),
}

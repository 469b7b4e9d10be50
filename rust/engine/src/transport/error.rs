//! Errors of connections to hosts.

use deployctl_core::name::HostName;

/// Why a host could not be reached, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection could be made.
    #[error("no connection to `{address}`: {cause}")]
    Connect {
        /// `user@address:port`.
        address: String,
        /// ssh's own words, stripped of control sequences.
        cause: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The host's key is not the pinned one.
    #[error("the host key of `{address}` is not the pinned one: {cause}")]
    HostKey {
        /// `user@address:port`.
        address: String,
        /// ssh's own words, stripped of control sequences.
        cause: String,
    },
    /// No key of the host is pinned, so its identity cannot be verified.
    #[error("`{host}` (`{address}`) was not adopted yet: no host key of it is pinned")]
    Unadopted {
        /// `user@address:port`.
        address: String,
        /// Its name in the inventory.
        host: HostName,
    },
    /// Connected, but the login could not become root.
    #[error("`{address}`: cannot become root: {cause}")]
    Privilege {
        /// `user@address:port`.
        address: String,
        /// What happened, with sudo's own words, stripped of control sequences.
        cause: String,
        /// What to do, if the cause is known.
        hint: Option<String>,
    },
    /// Connected, but the login shell does not run the command.
    #[error("`{address}` gives no shell: {cause}")]
    NoShell {
        /// `user@address:port`.
        address: String,
        /// Its exit status and output, stripped of control sequences.
        cause: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The connection broke while a script ran; its outcome is unknown.
    #[error("the connection to `{address}` was lost: {cause}")]
    Lost {
        /// `user@address:port`.
        address: String,
        /// ssh's own words, stripped of control sequences.
        cause: String,
    },
    /// No answer in time.
    #[error("`{address}` did not answer within {seconds} s")]
    Timeout {
        /// `user@address:port`.
        address: String,
        /// The deadline.
        seconds: u64,
    },
    /// The host sent more than the cap.
    #[error("`{address}` sent more than {cap} bytes")]
    TooMuch {
        /// `user@address:port`.
        address: String,
        /// The cap in bytes.
        cap: usize,
    },
    /// The host could not unpack what was sent.
    #[error("`{address}` could not unpack files into `{directory}`: {cause}")]
    Put {
        /// `user@address:port`.
        address: String,
        /// Where to.
        directory: String,
        /// tar's own words, stripped of control sequences.
        cause: String,
    },
    /// An error on the controller.
    #[error("cannot {action}")]
    Local {
        /// What was tried.
        action: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl TransportError {
    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Connect { hint, .. }
            | Self::Privilege { hint, .. }
            | Self::NoShell { hint, .. } => return hint.clone(),
            Self::Unadopted { host, .. } => {
                return Some(format!(
                    "`deployctl adopt {host}` shows its key and pins it"
                ));
            }
            Self::HostKey { .. } => {
                "another machine may be answering there; when the host was reinstalled, run `deployctl adopt --replace`"
            }
            Self::Lost { .. } => {
                "what was started goes on by itself: ask `deployctl status` how it ended"
            }
            Self::Put { .. } => "look for a full or read-only file system there",
            Self::Timeout { .. } => "the host may be overloaded, or a command there hangs",
            Self::TooMuch { .. } => {
                "something there prints without end: a login script, or a hostile host"
            }
            Self::Local { .. } => return None,
        };
        Some(text.to_owned())
    }
}

//! How scripts and files reach a host: two verbs, whatever is below.

use async_trait::async_trait;

/// What came back from a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 255 and above never come from ssh itself, that is an error.
    pub status: i32,
    /// Standard output, bounded by the transport's cap.
    pub stdout: Vec<u8>,
    /// Standard error, bounded likewise.
    pub stderr: Vec<u8>,
}

/// Where a way to a host broke.
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
    #[error("the host key of `{address}` is not the pinned one")]
    HostKey {
        /// `user@address:port`.
        address: String,
        /// ssh's own words, stripped of control sequences.
        cause: String,
    },
    /// Connected, but not allowed to become root.
    #[error("`{address}`: cannot become root: {cause}")]
    Privilege {
        /// `user@address:port`.
        address: String,
        /// sudo's own words, stripped of control sequences.
        cause: String,
    },
    /// The connection broke while something ran; how that ended is not known.
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
    /// Something on our side.
    #[error("cannot {action}")]
    Local {
        /// What was tried.
        action: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// A way to run scripts as root on one host and to bring files there.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Runs `script` by `/bin/sh -s`, as root, and collects what it prints.
    ///
    /// The script travels on standard input and is never logged, so secrets (nonces) may stand in it as
    /// arguments of shell builtins: they reach no command line.
    async fn run(&self, script: &str) -> Result<Output, TransportError>;

    /// Unpacks the tar `archive` into `directory` (made with mode 0700 when absent), as root.
    async fn put(&self, archive: &[u8], directory: &str) -> Result<(), TransportError>;

    /// The same host over a new TCP connection, sharing nothing with this one. `address` overrides
    /// where to connect (an address that the new configuration gives the host).
    async fn reconnect(&self, address: Option<&str>) -> Result<Box<dyn Transport>, TransportError>;

    /// `user@address:port`, or the directory of a sandbox.
    fn describe(&self) -> String;

    /// Whether this is a directory standing in for a host: no host command may run there.
    fn is_sandbox(&self) -> bool {
        false
    }
}

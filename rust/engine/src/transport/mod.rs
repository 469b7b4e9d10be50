//! How scripts and files reach a host: three operations, for every kind of transport.

mod error;
pub mod fake;
mod files;
mod handover;
mod input;
mod left_over;
pub mod local;
mod master;
mod no_root;
mod pump;
mod root_shell;
mod secret;
pub mod ssh;
pub mod ssh_config;
pub mod ssh_files;
mod ssh_words;

use std::time::Duration;

use async_trait::async_trait;

pub use error::TransportError;
pub use files::{Files, Part};
pub(crate) use master::host_key;
pub use secret::{BadSecret, Password, Secret};

/// Limits of a call. A host that exceeds one gets an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the call to its end.
    pub deadline: Duration,
    /// Bytes of standard output.
    pub stdout: usize,
    /// Bytes of standard error.
    pub stderr: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(120),
            stdout: 32 << 20,
            stderr: 1 << 20,
        }
    }
}

impl Limits {
    /// The same caps with another deadline.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

/// The result of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; ssh's own 255 is an error instead.
    pub status: i32,
    /// Standard output, bounded by the transport's cap.
    pub stdout: Vec<u8>,
    /// Standard error, bounded likewise.
    pub stderr: Vec<u8>,
}

/// Runs scripts as root on one host and uploads files to it.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Runs `script` by `/bin/sh -s`, as root, and collects what it prints.
    ///
    /// The script travels on standard input and is never logged, so it may contain secrets (nonces) as
    /// arguments of shell builtins: they reach no command line.
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError>;

    /// Unpacks the tar `archive` into `directory` (created with mode 0700 if absent), as root.
    async fn put(
        &self,
        archive: &[u8],
        directory: &str,
        limits: Limits,
    ) -> Result<(), TransportError>;

    /// Runs `command`, which is no secret, as root, with `files` as its standard input.
    async fn feed(
        &self,
        command: &str,
        files: &Files,
        limits: Limits,
    ) -> Result<Output, TransportError>;

    /// The same host over a new TCP connection, sharing nothing with this one.
    async fn reconnect(&self) -> Result<Box<dyn Transport>, TransportError>;

    /// The same host over a new connection to another TCP port.
    async fn reconnect_at(&self, port: u16) -> Result<Box<dyn Transport>, TransportError>;

    /// A root shell that stays open: scripts that it runs need no sudo and no new channel. `None` if a script
    /// needs no step to become root anyway.
    async fn root_shell(&self) -> Result<Option<Box<dyn Transport>>, TransportError> {
        Ok(None)
    }

    /// `user@address:port`, or the directory of a sandbox.
    fn describe(&self) -> String;

    /// Whether this is a sandbox directory: no command of the host may run there.
    fn is_sandbox(&self) -> bool {
        false
    }
}

/// Unpacks standard input into the directory that its first line names. `read` takes one byte at a
/// time, so the archive behind that line stays untouched.
const UNPACK: &str =
    "IFS= read -r d && umask 077 && mkdir -p -- \"$d\" && exec tar -xpf - -C \"$d\"";

/// Reads how [`UNPACK`] ended.
fn unpacked(output: &Output, address: &str, directory: &str) -> Result<(), TransportError> {
    if output.status == 0 {
        return Ok(());
    }
    let words = ssh_words::printable(&output.stderr);
    Err(TransportError::Put {
        address: address.to_owned(),
        directory: directory.to_owned(),
        cause: if words.is_empty() {
            format!("tar exited with {}", output.status)
        } else {
            words
        },
    })
}

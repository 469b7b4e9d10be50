//! A host over ssh: one master connection, every script a channel in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deployctl_core::name::HostName;
use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};

use super::pump::{self, Input, PumpError};
use super::ssh_config::SshFiles;
use super::{Limits, Output, Transport, TransportError, ssh_words};

/// ssh gives up on a connection that does not stand after this long, in seconds.
const CONNECT_SECONDS: u64 = 10;

/// How the login becomes root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Become {
    /// It is root.
    Root,
    /// By `sudo -n`.
    Sudo,
    /// By `sudo -S`, with this password.
    SudoPassword(Secret),
}

/// A word that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes one line; its line end is dropped.
    pub fn new(line: &str) -> Self {
        Self(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The alias in the ssh configuration.
    pub host: HostName,
    /// `user@address:port`, for people.
    pub described: String,
    /// How to become root there.
    pub becoming: Become,
}

/// A connected host.
pub struct Ssh {
    target: Target,
    // Before `files`: its master is told to end by a socket in their directory.
    session: Session,
    files: Arc<SshFiles>,
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ssh").field(&self.target).finish()
    }
}

impl Ssh {
    /// Connects. The master process ends when this is dropped; should this process be killed
    /// first, it ends after a minute without a channel.
    pub async fn connect(
        target: Target,
        files: Arc<SshFiles>,
        address: Option<&str>,
    ) -> Result<Self, TransportError> {
        let local = |source| TransportError::Local {
            action: format!("prepare the connection to `{}`", target.host),
            source,
        };
        let config = match address {
            Some(address) => files.config_at(&target.host, address).map_err(local)?,
            None => files.config(),
        };
        let mut builder = SessionBuilder::default();
        builder
            .config_file(config)
            .control_directory(files.directory())
            .control_persist(ControlPersist::IdleFor(
                const { std::num::NonZeroUsize::new(60).expect("60 is not 0") },
            ))
            .known_hosts_check(KnownHosts::Strict)
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .server_alive_interval(Duration::from_secs(5));
        let deadline = Duration::from_secs(3 * CONNECT_SECONDS);
        let session = tokio::time::timeout(deadline, builder.connect_mux(target.host.as_str()))
            .await
            .map_err(|_| TransportError::Timeout {
                address: target.described.clone(),
                seconds: deadline.as_secs(),
            })?
            .map_err(|error| match error {
                openssh::Error::Connect(words) if words.raw_os_error().is_none() => {
                    ssh_words::refused_connection(&target.described, &words.to_string())
                }
                openssh::Error::Connect(source) | openssh::Error::Master(source) => {
                    TransportError::Local {
                        action: "start `ssh`".to_owned(),
                        source,
                    }
                }
                other => TransportError::Connect {
                    address: target.described.clone(),
                    cause: in_full(&other),
                    hint: None,
                },
            })?;
        let target = match address {
            Some(address) => Target {
                described: format!("{} at {address}", target.host),
                ..target
            },
            None => target,
        };
        Ok(Self {
            target,
            session,
            files,
        })
    }

    /// The words of the remote command line: `/bin/sh` only, since the login shell may be any.
    /// Nothing here differs from run to run, and nothing is secret.
    fn command(&self, then: &str) -> (String, Vec<u8>) {
        let ready = pump::READY;
        match &self.target.becoming {
            Become::Root => (format!("/bin/sh -c 'echo {ready}; {then}'"), Vec::new()),
            Become::Sudo => (
                format!("env LC_ALL=C sudo -n -- /bin/sh -c 'echo {ready}; {then}'"),
                Vec::new(),
            ),
            // sudo takes the password line only when it wants one; the shell then drops what is
            // left up to the sentinel. `read` takes a byte at a time, so what follows stays.
            Become::SudoPassword(Secret(password)) => (
                format!(
                    "env LC_ALL=C sudo -S -p \"\" -- /bin/sh -c 'while IFS= read -r l && [ \"$l\" != {sentinel} ]; do :; done; echo {ready}; {then}'",
                    sentinel = pump::SENTINEL,
                ),
                format!("{password}\n{}\n", pump::SENTINEL).into_bytes(),
            ),
        }
    }

    async fn talk(
        &self,
        then: &str,
        body: &[u8],
        limits: Limits,
    ) -> Result<Output, TransportError> {
        let (command, preface) = self.command(then);
        let conversation = async {
            let mut child = self
                .session
                .raw_command(&command)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .await
                .map_err(|error| self.lost(&error))?;
            let (Some(stdin), Some(stdout), Some(stderr)) = (
                child.stdin().take(),
                child.stdout().take(),
                child.stderr().take(),
            ) else {
                unreachable!("all three were piped");
            };
            let input = Input {
                preface: &preface,
                body,
            };
            let heard = pump::pump(stdin, stdout, stderr, input, limits)
                .await
                .map_err(|error| match error {
                    PumpError::TooMuch(cap) => TransportError::TooMuch {
                        address: self.describe(),
                        cap,
                    },
                    PumpError::Io(error) => TransportError::Lost {
                        address: self.describe(),
                        cause: error.to_string(),
                    },
                })?;
            let status = match child.wait().await {
                Ok(status) => status.code(),
                // The crate reads 127 as its own error.
                Err(openssh::Error::Remote(_)) => Some(127),
                // Ended by a signal there, or with the connection: the master knows.
                Err(openssh::Error::RemoteProcessTerminated)
                    if self.session.check().await.is_ok() =>
                {
                    Some(128)
                }
                Err(error) => return Err(self.lost(&error)),
            };
            match (heard.stdout, status) {
                (Some(stdout), Some(status)) => Ok(Output {
                    status,
                    stdout,
                    stderr: heard.stderr,
                }),
                (stdout, status) => Err(ssh_words::no_shell(
                    &self.describe(),
                    status,
                    &stdout.unwrap_or_default(),
                    &heard.stderr,
                )),
            }
        };
        tokio::time::timeout(limits.deadline, conversation)
            .await
            .map_err(|_| TransportError::Timeout {
                address: self.describe(),
                seconds: limits.deadline.as_secs(),
            })?
    }

    fn lost(&self, error: &openssh::Error) -> TransportError {
        TransportError::Lost {
            address: self.describe(),
            cause: in_full(error),
        }
    }
}

/// An error with its causes on one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[async_trait]
impl Transport for Ssh {
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError> {
        self.talk("exec /bin/sh -s", script.as_bytes(), limits)
            .await
    }

    async fn put(
        &self,
        archive: &[u8],
        directory: &str,
        limits: Limits,
    ) -> Result<(), TransportError> {
        let mut body = format!("{directory}\n").into_bytes();
        body.extend_from_slice(archive);
        let output = self.talk(super::UNPACK, &body, limits).await?;
        super::unpacked(&output, &self.describe(), directory)
    }

    async fn reconnect(&self, address: Option<&str>) -> Result<Box<dyn Transport>, TransportError> {
        let again = Self::connect(self.target.clone(), Arc::clone(&self.files), address).await?;
        Ok(Box::new(again))
    }

    fn describe(&self) -> String {
        self.target.described.clone()
    }
}

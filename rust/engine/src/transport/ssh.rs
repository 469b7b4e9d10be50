//! A host over ssh: one master connection, with a channel for each script.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use deployctl_core::name::HostName;
use openssh::{Child, Session, Stdio};

use super::files::Files;
use super::handover::Refusal;
use super::input::{Body, Input, Markers};
use super::pump::{self, PumpError};
use super::root_shell::{OPENING, Pipes, RootShell, SshPipes, become_ready};
pub use super::secret::Become;
use super::ssh_files::{SshChain, SshFiles};
use super::{Limits, Output, Password, Transport, TransportError, master, no_root};
use crate::in_full;
use crate::random;

/// How long to wait for an exit status that no longer matters.
const LAST_STATUS: Duration = Duration::from_secs(2);

/// Address and login.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name in the inventory.
    pub host: HostName,
    /// Who logs in.
    pub user: String,
    /// `user@address:port`, for people.
    pub described: String,
    /// How to become root there.
    pub becoming: Become,
}

/// A connected host. The connection ends with the last clone.
#[derive(Clone)]
pub struct Ssh {
    target: Target,
    // Declared before `files`, so dropped first: its master is ended over a socket in their directory.
    session: Arc<Session>,
    files: Arc<SshFiles>,
    markers: Markers,
    /// Whether sudo there accepts our prompt.
    prompted: Arc<AtomicBool>,
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ssh").field(&self.target).finish()
    }
}

impl Ssh {
    /// Connects. The master process ends when this is dropped; if this process is killed first, it
    /// ends after a minute without a channel.
    pub async fn connect(target: Target, files: Arc<SshFiles>) -> Result<Self, TransportError> {
        let chain = Self::chain(&target, &files).await?;
        Self::connect_along(&chain, target, files).await
    }

    async fn chain(target: &Target, files: &SshFiles) -> Result<SshChain, TransportError> {
        let chain = files.chain(&target.host).await;
        chain.map_err(|source| TransportError::Local {
            action: format!("prepare the connection to `{}`", target.host),
            source,
        })
    }

    async fn connect_along(
        chain: &SshChain,
        target: Target,
        files: Arc<SshFiles>,
    ) -> Result<Self, TransportError> {
        let session = master::start(&files, chain).await?;
        let nonce = random::word().map_err(|source| TransportError::Local {
            action: "read random bytes".to_owned(),
            source,
        })?;
        Ok(Self {
            target,
            session: Arc::new(session),
            files,
            markers: Markers::new(&nonce),
            prompted: Arc::new(AtomicBool::new(false)),
        })
    }

    async fn talk(
        &self,
        then: &str,
        body: Body<'_>,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        if let Some(output) = self.talk_once(then, body, limits).await? {
            return Ok(output);
        }
        // By now the password is known to be right, and sudo gets all the time that it needs.
        let second = self.talk_once(then, body, limits).await?;
        second.ok_or_else(|| self.gone("sudo took the password too late twice"))
    }

    /// `None` where sudo took the password so late that nothing ran.
    async fn talk_once(
        &self,
        then: &str,
        body: Body<'_>,
        limits: Limits,
    ) -> Result<Option<Output>, TransportError> {
        let prompted = self.prompted.load(Ordering::Relaxed);
        let command = self.markers.command(&self.target.becoming, prompted, then);
        tokio::time::timeout(limits.deadline, self.converse(&command, body, limits))
            .await
            .map_err(|_| TransportError::Timeout {
                address: self.describe(),
                seconds: limits.deadline.as_secs(),
            })?
    }

    async fn converse(
        &self,
        command: &str,
        body: Body<'_>,
        limits: Limits,
    ) -> Result<Option<Output>, TransportError> {
        let mut child = self
            .session
            .raw_command(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await
            .map_err(|error| self.no_session(&error))?;
        let Pipes {
            stdin,
            stdout,
            stderr,
        } = pipes(&mut child);
        let password = self.password();
        let input = Input {
            markers: &self.markers,
            password,
            body,
        };
        let mut heard = pump::pump(stdin, stdout, stderr, input, limits)
            .await
            .map_err(|error| self.unheard(error))?;
        if heard.prompted.is_some() {
            self.prompted.store(true, Ordering::Relaxed);
        }
        if let Some(stdout) = heard.stdout.take() {
            return Ok(Some(Output {
                status: self.status(child).await?,
                stdout,
                stderr: heard.stderr,
            }));
        }
        if heard.handover.refusal() == Some(Refusal::Late) {
            return Ok(None);
        }
        // A sudo that refused a password need not end by itself.
        let status = tokio::time::timeout(LAST_STATUS, self.status(child)).await;
        let (user, password) = (&self.target.user, password.is_some());
        Err(match status {
            Ok(Err(lost)) if !heard.shell => lost,
            Ok(status) => no_root::why(&self.describe(), user, password, status.ok(), &heard),
            Err(_) => no_root::why(&self.describe(), user, password, None, &heard),
        })
    }

    fn password(&self) -> Option<&Password> {
        match &self.target.becoming {
            Become::Root | Become::Sudo => None,
            Become::SudoPassword(password) => Some(password),
        }
    }

    async fn status(&self, child: Child<&Session>) -> Result<i32, TransportError> {
        match child.wait().await {
            Ok(status) => status.code().ok_or_else(|| self.gone("it has no status")),
            // The crate returns 127 for its own errors.
            Err(openssh::Error::Remote(_)) => Ok(127),
            // Ended by a signal, or with the connection: the master's state tells which.
            Err(openssh::Error::RemoteProcessTerminated) if self.session.check().await.is_ok() => {
                Ok(128)
            }
            Err(error) => Err(self.gone(&in_full(&error))),
        }
    }

    /// Nothing was started.
    fn no_session(&self, error: &openssh::Error) -> TransportError {
        let cause = in_full(error);
        // The connection is open, but sshd opens no session in it.
        if cause.contains("refused by peer") {
            return TransportError::NoShell {
                address: self.describe(),
                cause,
                hint: Some("sshd there allows no more sessions: see `MaxSessions`".to_owned()),
            };
        }
        self.gone(&cause)
    }

    fn unheard(&self, error: PumpError) -> TransportError {
        match error {
            PumpError::TooMuch(cap) => TransportError::TooMuch {
                address: self.describe(),
                cap,
            },
            PumpError::Noise => TransportError::NoShell {
                address: self.describe(),
                cause: format!(
                    "what runs at login prints more than {} MiB",
                    pump::NOISE >> 20
                ),
                hint: Some(
                    "look at the start-up files of the login shell there, and at /etc/ssh/sshrc"
                        .to_owned(),
                ),
            },
            PumpError::Io(error) => self.gone(&error.to_string()),
        }
    }

    fn gone(&self, cause: &str) -> TransportError {
        TransportError::Lost {
            address: self.describe(),
            cause: cause.to_owned(),
        }
    }
}

/// All three pipes of a child that was started with them.
fn pipes<S>(child: &mut Child<S>) -> SshPipes {
    let (Some(stdin), Some(stdout), Some(stderr)) = (
        child.stdin().take(),
        child.stdout().take(),
        child.stderr().take(),
    ) else {
        unreachable!("all three were piped");
    };
    Pipes {
        stdin,
        stdout,
        stderr,
    }
}

#[async_trait]
impl Transport for Ssh {
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError> {
        self.talk("exec /bin/sh -s", Body::Bytes(script.as_bytes()), limits)
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
        let output = self.talk(super::UNPACK, Body::Bytes(&body), limits).await?;
        super::unpacked(&output, &self.describe(), directory)
    }

    async fn feed(
        &self,
        command: &str,
        files: &Files,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        self.talk(command, Body::Files(files), limits).await
    }

    async fn root_shell(&self) -> Result<Option<Box<dyn Transport>>, TransportError> {
        let becoming = &self.target.becoming;
        let prompted = self.prompted.load(Ordering::Relaxed);
        let command = self.markers.command(becoming, prompted, "exec /bin/sh -s");
        let mut child = Arc::clone(&self.session)
            .arc_raw_command(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await
            .map_err(|error| self.no_session(&error))?;
        let mut pipes = pipes(&mut child);
        let input = Input {
            markers: &self.markers,
            password: self.password(),
            body: Body::Bytes(b""),
        };
        let opened = tokio::time::timeout(OPENING, become_ready(&mut pipes, &input)).await;
        opened
            .map_err(|_| TransportError::Timeout {
                address: self.describe(),
                seconds: OPENING.as_secs(),
            })?
            .map_err(|heard| {
                let (user, password) = (&self.target.user, input.password.is_some());
                no_root::why(&self.describe(), user, password, None, &heard)
            })?;
        let shell = RootShell::new(pipes, child, Box::new(self.clone()))?;
        Ok(Some(Box::new(shell)))
    }

    async fn reconnect(&self) -> Result<Box<dyn Transport>, TransportError> {
        let again = Self::connect(self.target.clone(), Arc::clone(&self.files)).await?;
        Ok(Box::new(again))
    }

    async fn reconnect_at(&self, port: u16) -> Result<Box<dyn Transport>, TransportError> {
        let chain = Self::chain(&self.target, &self.files).await?.at_port(port);
        let target = Target {
            described: chain.route().described(),
            ..self.target.clone()
        };
        let again = Self::connect_along(&chain, target, Arc::clone(&self.files)).await?;
        Ok(Box::new(again))
    }

    fn describe(&self) -> String {
        self.target.described.clone()
    }
}

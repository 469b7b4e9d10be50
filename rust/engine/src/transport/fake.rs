//! A scripted host: gives prepared answers and records the calls.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Files, Limits, Output, Transport, TransportError};

/// A call to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A script.
    Run(String),
    /// A root shell that stays open.
    RootShell,
    /// A script over that shell.
    Kept(String),
    /// An archive to unpack.
    Put {
        /// The tar.
        archive: Vec<u8>,
        /// Where to.
        directory: String,
    },
    /// A command with files as its input.
    Feed {
        /// The command.
        command: String,
        /// What it could read.
        input: Vec<u8>,
    },
    /// A new connection.
    Reconnect,
    /// One to this port.
    ReconnectAt(u16),
}

/// How a scripted host reacts to a call.
#[derive(Debug)]
pub enum Reply {
    /// Answers. For [`Call::Put`] a status other than 0 is a failed unpack.
    Output(Output),
    /// Breaks.
    Fail(TransportError),
    /// Never ends.
    Hang,
}

impl Reply {
    /// Exit status 0 and this on standard output.
    pub fn says(stdout: impl Into<Vec<u8>>) -> Self {
        Self::Output(Output {
            status: 0,
            stdout: stdout.into(),
            stderr: Vec::new(),
        })
    }

    /// The same with another exit status.
    #[must_use]
    pub fn exiting(self, status: i32) -> Self {
        match self {
            Self::Output(output) => Self::Output(Output { status, ..output }),
            other => other,
        }
    }
}

type Behaviour = Box<dyn FnMut(&Call) -> Reply + Send>;

/// A host whose answers are a function of what it is asked. Connections made by
/// [`Transport::reconnect`] share that function and the memory of calls.
#[derive(Clone)]
pub struct Fake {
    name: String,
    sandbox: bool,
    shell: Shell,
    state: Arc<Mutex<State>>,
}

/// Whether a fake is, or offers, a root shell that stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    None,
    Offered,
    Opened,
}

struct State {
    behaviour: Behaviour,
    calls: Vec<Call>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Fake {
    /// A host called `name` with this behaviour.
    pub fn new(
        name: impl Into<String>,
        behaviour: impl FnMut(&Call) -> Reply + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            sandbox: false,
            shell: Shell::None,
            state: Arc::new(Mutex::new(State {
                behaviour: Box::new(behaviour),
                calls: Vec::new(),
            })),
        }
    }

    /// The same, as a sandbox directory.
    #[must_use]
    pub fn sandboxed(self) -> Self {
        Self {
            sandbox: true,
            ..self
        }
    }

    /// The same, offering a root shell that stays open.
    #[must_use]
    pub fn with_root_shell(self) -> Self {
        Self {
            shell: Shell::Offered,
            ..self
        }
    }

    /// All calls so far, over all connections.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, call: Call, limits: Limits) -> Result<Output, TransportError> {
        let reply = {
            let mut state = self.lock();
            let reply = (state.behaviour)(&call);
            state.calls.push(call);
            reply
        };
        match reply {
            Reply::Output(output) if output.stdout.len() > limits.stdout => {
                Err(TransportError::TooMuch {
                    address: self.describe(),
                    cap: limits.stdout,
                })
            }
            Reply::Output(output) => Ok(output),
            Reply::Fail(error) => Err(error),
            Reply::Hang => {
                let _ = tokio::time::timeout(limits.deadline, std::future::pending::<()>()).await;
                Err(TransportError::Timeout {
                    address: self.describe(),
                    seconds: limits.deadline.as_secs(),
                })
            }
        }
    }
}

#[async_trait]
impl Transport for Fake {
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError> {
        let call = match self.shell {
            Shell::Opened => Call::Kept(script.to_owned()),
            Shell::None | Shell::Offered => Call::Run(script.to_owned()),
        };
        self.answer(call, limits).await
    }

    async fn put(
        &self,
        archive: &[u8],
        directory: &str,
        limits: Limits,
    ) -> Result<(), TransportError> {
        let call = Call::Put {
            archive: archive.to_vec(),
            directory: directory.to_owned(),
        };
        let output = self.answer(call, limits).await?;
        super::unpacked(&output, &self.describe(), directory)
    }

    async fn feed(
        &self,
        command: &str,
        files: &Files,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        let mut input = Vec::new();
        files.write_to(&mut input).await;
        let command = command.to_owned();
        self.answer(Call::Feed { command, input }, limits).await
    }

    async fn reconnect(&self) -> Result<Box<dyn Transport>, TransportError> {
        self.answer(Call::Reconnect, Limits::default()).await?;
        Ok(Box::new(self.clone()))
    }

    async fn reconnect_at(&self, port: u16) -> Result<Box<dyn Transport>, TransportError> {
        self.answer(Call::ReconnectAt(port), Limits::default())
            .await?;
        Ok(Box::new(Self {
            name: format!("{}:{port}", self.name),
            ..self.clone()
        }))
    }

    async fn root_shell(&self) -> Result<Option<Box<dyn Transport>>, TransportError> {
        if self.shell == Shell::None {
            return Ok(None);
        }
        self.answer(Call::RootShell, Limits::default()).await?;
        Ok(Some(Box::new(Self {
            shell: Shell::Opened,
            ..self.clone()
        })))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn is_sandbox(&self) -> bool {
        self.sandbox
    }
}

//! A directory in place of a host: scripts run here, and every absolute path is below it.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use async_trait::async_trait;
use deployctl_core::name::HostName;
use tokio::process::{Child, Command};

use super::files::Files;
use super::input::{Body, Input, Markers};
use super::pump::{self, PumpError};
use super::{Limits, Output, Transport, TransportError};

/// Where deployctl keeps its state on a host, as far as directories go.
const STATE_PATHS: [&str; 3] = [
    "var/lib/deployctl/applies",
    "var/lib/deployctl/generations",
    "var/lib/deployctl/original",
];

/// Runs scripts by `/bin/sh` on this machine with `DEPLOYCTL_ROOT` set to a directory and
/// `DEPLOYCTL_SANDBOX=1`; what those scripts do stays below that directory.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    /// Uses `root` as a host's root directory; creates it if it is missing. Rejects an empty path
    /// and one that resolves to `/`.
    pub fn new(root: &Path) -> Result<Self, TransportError> {
        let local = |source| TransportError::Local {
            action: format!("use `{}` as a sandbox", root.display()),
            source,
        };
        let refuse = |why| local(io::Error::new(io::ErrorKind::InvalidInput, why));
        if root.as_os_str().is_empty() {
            return Err(refuse("the path is empty"));
        }
        std::fs::create_dir_all(root).map_err(local)?;
        let resolved = root.canonicalize().map_err(local)?;
        if resolved.parent().is_none() {
            return Err(refuse("it is the root of this machine"));
        }
        // Scripts put the path before absolute ones, so it must be UTF-8.
        if resolved.to_str().is_none() {
            return Err(refuse("the path is not UTF-8"));
        }
        Ok(Self { root: resolved })
    }

    /// The root of `host` below the directory of a sandbox. The directory may be a link, the host's
    /// root may not: changes to one host would go elsewhere.
    pub fn of_host(directory: &Path, host: &HostName) -> Result<Self, TransportError> {
        let root = directory.join(host.as_str());
        refuse_link(&root)?;
        Self::new(&root)
    }

    /// Rejects links in the path of deployctl's state: a script would follow them out of the
    /// sandbox.
    fn refuse_links(&self, directory: &str) -> Result<(), TransportError> {
        refuse_link(&self.root)?;
        for path in STATE_PATHS.into_iter().chain([directory]) {
            let mut place = self.root.clone();
            for name in path.split('/').filter(|name| !name.is_empty()) {
                place.push(name);
                refuse_link(&place)?;
            }
        }
        Ok(())
    }

    async fn shell(
        &self,
        then: &str,
        input: Body<'_>,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        let markers = Markers::new("sandbox");
        let command = format!("echo {}; {then}", markers.ready.trim_end());
        let mut child = self.spawn(&command).map_err(|error| self.failed(error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three were piped");
        };
        let input = Input {
            markers: &markers,
            password: None,
            body: input,
        };
        let talk = async {
            let heard = pump::pump(stdin, stdout, stderr, input, limits).await?;
            let status = child.wait().await.map_err(PumpError::Io)?;
            Ok((heard, status))
        };
        let error = match tokio::time::timeout(limits.deadline, talk).await {
            Ok(Ok((heard, status))) => {
                return Ok(Output {
                    status: status
                        .code()
                        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
                    stdout: heard.stdout.unwrap_or_default(),
                    stderr: heard.stderr,
                });
            }
            Ok(Err(error)) => self.unheard(error),
            Err(_) => TransportError::Timeout {
                address: self.describe(),
                seconds: limits.deadline.as_secs(),
            },
        };
        if let Some(group) = child.id() {
            end_group(group).await;
        }
        Err(error)
    }

    fn spawn(&self, command: &str) -> io::Result<Child> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a transport owns the shell it talks to"
        )]
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", command])
            .env("LC_ALL", "C")
            .env("DEPLOYCTL_ROOT", &self.root)
            .env("DEPLOYCTL_SANDBOX", "1")
            .current_dir(&self.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C reaches only deployctl, and the whole group can be ended.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    fn failed(&self, source: io::Error) -> TransportError {
        TransportError::Local {
            action: format!("run a script in `{}`", self.root.display()),
            source,
        }
    }

    fn unheard(&self, error: PumpError) -> TransportError {
        let cap = match error {
            PumpError::TooMuch(cap) => cap,
            PumpError::Noise => pump::NOISE,
            PumpError::Io(source) => return self.failed(source),
        };
        TransportError::TooMuch {
            address: self.describe(),
            cap,
        }
    }
}

fn refuse_link(place: &Path) -> Result<(), TransportError> {
    match std::fs::symlink_metadata(place) {
        Ok(found) if found.file_type().is_symlink() => Err(TransportError::Local {
            action: format!("use `{}` in a sandbox", place.display()),
            source: io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a symbolic link, and may lead out of the sandbox",
            ),
        }),
        // The script reports what is missing or cannot be read.
        _ => Ok(()),
    }
}

/// Ends a shell and its children.
async fn end_group(group: u32) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a transport ends the shell it talks to"
    )]
    let _ = Command::new("/bin/sh")
        .args(["-c", "kill -s KILL -- \"-$0\"", &group.to_string()])
        .stderr(Stdio::null())
        .status()
        .await;
}

#[async_trait]
impl Transport for Local {
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError> {
        self.refuse_links("")?;
        self.shell("exec /bin/sh -s", Body::Bytes(script.as_bytes()), limits)
            .await
    }

    async fn put(
        &self,
        archive: &[u8],
        directory: &str,
        limits: Limits,
    ) -> Result<(), TransportError> {
        self.refuse_links(directory)?;
        let mut input = format!("{}{directory}\n", self.root.display()).into_bytes();
        input.extend_from_slice(archive);
        let output = self
            .shell(super::UNPACK, Body::Bytes(&input), limits)
            .await?;
        super::unpacked(&output, &self.describe(), directory)
    }

    async fn feed(
        &self,
        command: &str,
        files: &Files,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        self.refuse_links("")?;
        self.shell(command, Body::Files(files), limits).await
    }

    async fn reconnect(&self) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(self.clone()))
    }

    async fn reconnect_at(&self, _port: u16) -> Result<Box<dyn Transport>, TransportError> {
        self.reconnect().await
    }

    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn is_sandbox(&self) -> bool {
        true
    }
}

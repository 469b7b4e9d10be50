//! The ssh process that holds a connection. It also fetches the key that a host offers, so that jumps and the user's own
//! configuration apply.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use deployctl_core::name::HostName;
use openssh::Session;

use super::ssh_files::{SshChain, SshFiles};
use super::{TransportError, ssh_words};

/// ssh gives up well before that; each jump host has its own 10 seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects along `chain`. The process ends when the session is dropped; if this process is killed first, it
/// ends after a minute without a channel.
pub(super) async fn start(files: &SshFiles, chain: &SshChain) -> Result<Session, TransportError> {
    let local = |source| TransportError::Local {
        action: format!("prepare the connection to `{}`", chain.route.host),
        source,
    };
    let directory = tempfile::Builder::new()
        .prefix("m")
        .tempdir_in(files.directory())
        .map_err(local)?;
    let log = directory.path().join("log");
    let arguments = chain.arguments().map_err(local)?;
    forget(chain);
    let run = command(chain)
        .arg("-E")
        .arg(&log)
        .arg("-S")
        .arg(directory.path().join("master"))
        .args(["-M", "-f", "-N", "-oControlPersist=60s"])
        .args(arguments)
        .stderr(Stdio::null())
        .status();
    let status = tokio::time::timeout(PATIENCE, run)
        .await
        .map_err(|_| TransportError::Timeout {
            address: chain.route.described(),
            seconds: PATIENCE.as_secs(),
        })?
        .map_err(not_started)?;
    if status.success() {
        return Ok(Session::new_native_mux(directory));
    }
    Err(ssh_words::refused(chain, &said(&log, status)))
}

/// ssh, along `chain`.
pub(super) fn command(chain: &SshChain) -> tokio::process::Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "transports own their ssh processes"
    )]
    let mut command = tokio::process::Command::new("ssh");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if chain.jumps() {
        // Ssh starts the ssh of a jump host by the login shell of this account, which may be `nologin`
        // in a service.
        command.env("SHELL", "/bin/sh");
    }
    command
}

/// ssh appends: messages of earlier connections are not about this one.
pub(super) fn forget(chain: &SshChain) {
    for jump in &chain.jumps {
        let _ = std::fs::remove_file(&jump.log);
    }
}

fn not_started(source: io::Error) -> TransportError {
    TransportError::Local {
        action: "start `ssh`".to_owned(),
        source,
    }
}

fn said(log: &Path, status: ExitStatus) -> String {
    match std::fs::read(log) {
        Ok(bytes) if !bytes.trim_ascii().is_empty() => String::from_utf8_lossy(&bytes).into_owned(),
        _ => format!("ssh ended without a word: {status}"),
    }
}

/// Connects without logging in and returns the key, `type base64`.
pub(crate) async fn host_key(files: &SshFiles, host: &HostName) -> Result<String, TransportError> {
    let local = |source| TransportError::Local {
        action: format!("prepare the connection to `{host}`"),
        source,
    };
    let chain = files.chain(host).await.map_err(local)?;
    let seen = files.directory().join("seen");
    forget(&chain);
    let output = command(&chain)
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", seen.display()))
        .args(["-o", "GlobalKnownHostsFile=none"])
        .args(["-o", "StrictHostKeyChecking=accept-new"])
        .args(["-o", "HashKnownHosts=no"])
        .args(["-o", "PreferredAuthentications=none"])
        .args(["-o", "ControlMaster=no", "-o", "ControlPath=none"])
        .arg(format!("-oHostKeyAlias={host}"))
        .args(chain.arguments().map_err(local)?)
        .arg("true")
        .stderr(Stdio::piped())
        .output();
    let deadline = Duration::from_secs(30);
    let output = tokio::time::timeout(deadline, output)
        .await
        .map_err(|_| TransportError::Timeout {
            address: chain.route.described(),
            seconds: deadline.as_secs(),
        })?
        .map_err(not_started)?;
    let text = std::fs::read_to_string(&seen).unwrap_or_default();
    let key = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (name, kind, blob) = (words.next()?, words.next()?, words.next()?);
        (name == host.as_str()).then(|| format!("{kind} {blob}"))
    });
    key.ok_or_else(|| ssh_words::refused(&chain, &String::from_utf8_lossy(&output.stderr)))
}

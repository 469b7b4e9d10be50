//! The key that a host shows, asked for by ssh itself, so that jumps and the user's own
//! configuration are respected.

use std::process::Stdio;
use std::time::Duration;

use deployctl_core::name::HostName;

use super::ssh_config::SshFiles;
use super::{TransportError, ssh_words};

/// Connects without logging in and returns the key, `type base64`.
pub async fn shown(
    files: &SshFiles,
    host: &HostName,
    described: &str,
) -> Result<String, TransportError> {
    let local = |source| TransportError::Local {
        action: "start `ssh`".to_owned(),
        source,
    };
    let seen = files.directory().join("seen");
    #[expect(
        clippy::disallowed_methods,
        reason = "transports own their ssh processes"
    )]
    let output = tokio::process::Command::new("ssh")
        .arg("-F")
        .arg(files.config())
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", seen.display()))
        .args(["-o", "GlobalKnownHostsFile=none"])
        .args(["-o", "StrictHostKeyChecking=accept-new"])
        .args(["-o", "HashKnownHosts=no"])
        .args(["-o", "PreferredAuthentications=none"])
        .args(["-o", "BatchMode=yes"])
        .args(["-o", "ConnectTimeout=10"])
        .args(["-o", "ControlMaster=no", "-o", "ControlPath=none"])
        .arg(format!("-oHostKeyAlias={host}"))
        .args([host.as_str(), "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let deadline = Duration::from_secs(30);
    let output = tokio::time::timeout(deadline, output)
        .await
        .map_err(|_| TransportError::Timeout {
            address: described.to_owned(),
            seconds: deadline.as_secs(),
        })?
        .map_err(local)?;
    let text = std::fs::read_to_string(&seen).unwrap_or_default();
    let key = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (name, kind, blob) = (words.next()?, words.next()?, words.next()?);
        (name == host.as_str()).then(|| format!("{kind} {blob}"))
    });
    key.ok_or_else(|| {
        ssh_words::refused_connection(described, &String::from_utf8_lossy(&output.stderr))
    })
}

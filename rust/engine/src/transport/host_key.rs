//! The key that a host offers, fetched by ssh itself, so that jumps and the user's own
//! configuration apply.

use std::process::Stdio;
use std::time::Duration;

use deployctl_core::name::HostName;

use super::ssh_files::SshFiles;
use super::{TransportError, master, ssh_words};

/// Connects without logging in and returns the key, `type base64`.
pub async fn shown(files: &SshFiles, host: &HostName) -> Result<String, TransportError> {
    let local = |source| TransportError::Local {
        action: format!("prepare the connection to `{host}`"),
        source,
    };
    let chain = files.chain(host).await.map_err(local)?;
    let seen = files.directory().join("seen");
    master::forget(&chain);
    let output = master::command(&chain)
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
        .map_err(master::not_started)?;
    let text = std::fs::read_to_string(&seen).unwrap_or_default();
    let key = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (name, kind, blob) = (words.next()?, words.next()?, words.next()?);
        (name == host.as_str()).then(|| format!("{kind} {blob}"))
    });
    key.ok_or_else(|| ssh_words::refused(&chain, &String::from_utf8_lossy(&output.stderr)))
}

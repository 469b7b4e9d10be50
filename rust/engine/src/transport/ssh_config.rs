//! The one ssh configuration of a run: every ssh process reads it by `-F`, `nix copy` included.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use deployctl_core::name::HostName;

/// How ssh reaches one host of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The alias that ssh is called with, and under which the host's keys are pinned.
    pub host: HostName,
    /// DNS name or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Login.
    pub user: String,
    /// Another host of the inventory, or anything that `ProxyJump` understands.
    pub jump: Option<String>,
    /// Pinned public keys, `type base64` each; none before the host was adopted.
    pub host_keys: Vec<String>,
}

/// A private directory (0700) that holds the configuration, the pinned keys and the control
/// sockets of a run. Dropping it deletes them.
#[derive(Debug)]
pub struct SshFiles {
    directory: tempfile::TempDir,
    overrides: std::sync::atomic::AtomicU32,
}

impl SshFiles {
    /// Writes the files for `ways` below `parent` (short, since a socket's path may have 104
    /// bytes at most). `user_config` comes after our own blocks, then the system's.
    pub fn write(parent: &Path, ways: &[Way], user_config: &str) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("deployctl-")
            .tempdir_in(parent)?;
        let known_hosts = directory.path().join("known_hosts");
        private_file(&known_hosts, &known_hosts_text(ways))?;
        private_file(
            &directory.path().join("config"),
            &config_text(ways, &known_hosts, user_config)?,
        )?;
        Ok(Self {
            directory,
            overrides: std::sync::atomic::AtomicU32::new(0),
        })
    }

    /// What `ssh -F` is given.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Where control sockets live.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A configuration that reaches `host` at `address` and is the common one for the rest; the
    /// pinned keys stay the same.
    pub fn config_at(&self, host: &HostName, address: &str) -> io::Result<PathBuf> {
        let number = self
            .overrides
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = self.directory.path().join(format!("config-{number}"));
        let text = format!(
            "Host {host}\n  HostName {}\nMatch all\nInclude {}\n",
            word(address)?,
            quoted(&self.config())
        );
        private_file(&path, &text)?;
        Ok(path)
    }
}

fn private_file(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

fn known_hosts_text(ways: &[Way]) -> String {
    let mut text = String::new();
    for way in ways {
        for key in &way.host_keys {
            let _ = writeln!(text, "{} {key}", way.host);
        }
    }
    text
}

fn config_text(ways: &[Way], known_hosts: &Path, user_config: &str) -> io::Result<String> {
    let mut text = String::new();
    for way in ways {
        let _ = writeln!(text, "Host {}", way.host);
        let _ = writeln!(text, "  HostName {}", word(&way.address)?);
        let _ = writeln!(text, "  Port {}", way.port);
        let _ = writeln!(text, "  User {}", word(&way.user)?);
        if let Some(jump) = &way.jump {
            let _ = writeln!(text, "  ProxyJump {}", word(jump)?);
        }
        if !way.host_keys.is_empty() {
            let _ = writeln!(text, "  HostKeyAlias {}", way.host);
            let _ = writeln!(text, "  UserKnownHostsFile {}", quoted(known_hosts));
            let _ = writeln!(text, "  GlobalKnownHostsFile none");
            let _ = writeln!(text, "  HostKeyAlgorithms {}", algorithms(&way.host_keys)?);
            let _ = writeln!(text, "  KnownHostsCommand none");
        }
        text.push_str("  CheckHostIP no\n");
    }
    // First value wins: what stands above cannot be changed by what is included below.
    text.push_str("Match all\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n");
    text.push_str("  PermitLocalCommand no\n  ForwardAgent no\n  ForwardX11 no\n  ClearAllForwardings yes\n  RequestTTY no\n");
    if !user_config.is_empty() {
        let _ = writeln!(text, "Include {}", include(user_config)?);
    }
    text.push_str("Include /etc/ssh/ssh_config\n");
    Ok(text)
}

/// The signature algorithms that the pinned keys can make, so that a host cannot offer another key.
fn algorithms(keys: &[String]) -> io::Result<String> {
    let mut found: Vec<&str> = Vec::new();
    for key in keys {
        let kind = word(key.split_whitespace().next().unwrap_or_default())?;
        let names: &[&str] = match kind {
            "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"],
            other => &[other],
        };
        found.extend(names);
    }
    Ok(found.join(","))
}

/// A value that ssh reads as one word. Addresses come from a checked inventory; this is the fence
/// behind it.
fn word(text: &str) -> io::Result<&str> {
    let plain = |c: char| c.is_ascii_graphic() && !"\"'\\#".contains(c);
    if text.is_empty() || text.starts_with('-') || !text.chars().all(plain) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "`{}` cannot stand in an ssh configuration",
                text.escape_debug()
            ),
        ));
    }
    // `%` starts a token in HostName; it is doubled nowhere, since no address needs it.
    if text.contains('%') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{text}` holds a `%`, which ssh would expand"),
        ));
    }
    Ok(text)
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn include(path: &str) -> io::Result<String> {
    if path.contains(['"', '\n', '\\']) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "`{}` cannot stand in an ssh configuration",
                path.escape_debug()
            ),
        ));
    }
    Ok(format!("\"{path}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(name: &str) -> Way {
        Way {
            host: HostName::new(name).unwrap(),
            address: format!("{name}.example"),
            port: 22,
            user: "operator".to_owned(),
            jump: None,
            host_keys: Vec::new(),
        }
    }

    #[test]
    fn adopted_hosts_are_strict_and_the_users_own_configuration_comes_last() {
        let ways = [
            Way {
                host_keys: vec!["ssh-ed25519 AAAA".to_owned(), "ssh-rsa BBBB".to_owned()],
                ..way("cuda")
            },
            Way {
                jump: Some("cuda".to_owned()),
                ..way("linode")
            },
        ];
        let config = config_text(&ways, Path::new("/run/x/known_hosts"), "~/.ssh/config").unwrap();
        insta::assert_snapshot!(format!(
            "{config}--- known_hosts\n{}",
            known_hosts_text(&ways)
        ));
    }

    #[test]
    fn a_value_cannot_become_another_option() {
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a\nProxyCommand x",
            "a#b",
            "%h",
        ] {
            let ways = [Way {
                address: bad.to_owned(),
                ..way("cuda")
            }];
            assert!(config_text(&ways, Path::new("/x"), "").is_err(), "{bad:?}");
        }
    }
}

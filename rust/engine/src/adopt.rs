//! Learns who a host is and pins it: `hosts/<host>/identity.json`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use deployctl_core::name::HostName;
use deployctl_core::observed::{self, ObserveScope};
use deployctl_core::query::Query;
use deployctl_core::rendered::Rendered;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ask::{AskError, ask};
use crate::transport::ssh::{Ssh, Target};
use crate::transport::ssh_config::SshRoute;
use crate::transport::ssh_files::SshFiles;
use crate::transport::{TransportError, host_key};

/// The identity of a host, as `identity.json` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Salted hash of its machine id.
    pub machine_id_sha256: String,
    /// Its own name.
    pub hostname: String,
    /// Its SSH host keys, `type base64`.
    pub host_keys: BTreeSet<String>,
}

/// Why a host could not be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It could not be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No readable answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Its answer does not identify it.
    #[error("`{host}` does not say who it is: {cause}")]
    NoIdentity {
        /// Which host.
        host: HostName,
        /// What is missing.
        cause: String,
    },
    /// Another identity is pinned.
    #[error("`{host}` is pinned as another machine: {difference}")]
    Other {
        /// Which host.
        host: HostName,
        /// What differs.
        difference: String,
    },
    /// The file could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl AdoptError {
    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::Other { .. } => {
                Some("when the machine was replaced or reinstalled, pass `--replace`".to_owned())
            }
            Self::NoIdentity { .. } | Self::File { .. } => None,
        }
    }
}

/// `SHA256:…` as `ssh-keygen -l` prints it; `None` when `key` is not `type base64`.
pub fn fingerprint(key: &str) -> Option<String> {
    let blob = STANDARD.decode(key.split_whitespace().nth(1)?).ok()?;
    Some(format!(
        "SHA256:{}",
        STANDARD_NO_PAD.encode(Sha256::digest(blob))
    ))
}

/// The key that the host offers, asked for without login or command, since nothing is trusted yet.
pub async fn shown_key(
    runtime: &Path,
    route: &SshRoute,
    others: &[SshRoute],
    user_config: &str,
) -> Result<String, TransportError> {
    let routes = with(route, others, Vec::new());
    let files = SshFiles::write(runtime, &routes, user_config)
        .map_err(|source| local(&route.host, source))?;
    host_key(&files, &route.host).await
}

/// Connects to the host with this key alone and asks who it is.
pub async fn identify(
    runtime: &Path,
    route: &SshRoute,
    others: &[SshRoute],
    user_config: &str,
    target: Target,
    key: &str,
) -> Result<Pinned, AdoptError> {
    let host = route.host.clone();
    let routes = with(route, others, vec![key.to_owned()]);
    let files =
        SshFiles::write(runtime, &routes, user_config).map_err(|source| local(&host, source))?;
    let connection = Ssh::connect(target, Arc::new(files)).await?;
    let empty = Rendered::empty(host.clone());
    let scope = ObserveScope {
        rendered: &empty,
        sandbox: false,
        timezones: &[],
    };
    let mut queries = observed::queries(&scope);
    queries.push(Query::new("host-keys", "cat /etc/ssh/ssh_host_*_key.pub"));
    let answers = ask(&connection, &queries).await?;
    let observed = observed::read(&answers, &scope).map_err(|error| AdoptError::NoIdentity {
        host: host.clone(),
        cause: error.to_string(),
    })?;
    let keys = answers
        .get("host-keys")
        .map(|section| String::from_utf8_lossy(&section.stdout).into_owned())
        .unwrap_or_default();
    Ok(Pinned {
        machine_id_sha256: observed.identity.machine_id_sha256,
        hostname: observed.identity.hostname,
        host_keys: all_keys(key, &keys),
    })
}

/// The keys in `listed`, if the offered one is among them; otherwise another sshd than the usual
/// one answers, and only its key counts.
fn all_keys(shown: &str, listed: &str) -> BTreeSet<String> {
    let keys: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (kind, blob) = (words.next()?, words.next()?);
            let known =
                matches!(kind, "ssh-ed25519" | "ssh-rsa") || kind.starts_with("ecdsa-sha2-");
            (known && STANDARD.decode(blob).is_ok()).then(|| format!("{kind} {blob}"))
        })
        .collect();
    if keys.contains(shown) {
        keys
    } else {
        BTreeSet::from([shown.to_owned()])
    }
}

/// How writing the pin ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is new, or was replaced.
    Pinned,
    /// It was pinned already.
    Already,
}

/// Writes `hosts/<host>/identity.json` below `repo`, atomically. The pin of another machine is kept,
/// except with `replace`.
///
/// # Panics
/// Never: strings always serialise.
pub fn pin(
    repo: &Path,
    host: &HostName,
    pinned: &Pinned,
    replace: bool,
) -> Result<Written, AdoptError> {
    let folder = repo.join("hosts").join(host.as_str());
    let path = folder.join("identity.json");
    let file = |action| {
        let path = path.clone();
        move |source| AdoptError::File {
            action,
            path,
            source,
        }
    };
    match std::fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice::<Pinned>(&bytes) {
            Ok(before) if before == *pinned => return Ok(Written::Already),
            Ok(before) if !replace => {
                return Err(AdoptError::Other {
                    host: host.clone(),
                    difference: difference(&before, pinned),
                });
            }
            Err(error) if !replace => return Err(file("read")(error.into())),
            _ => {}
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(file("read")(error)),
    }
    let mut text = serde_json::to_vec_pretty(pinned).expect("strings serialise");
    text.push(b'\n');
    let mut temporary = tempfile::Builder::new()
        .prefix(".identity")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(&folder)
        .map_err(file("write"))?;
    temporary.write_all(&text).map_err(file("write"))?;
    temporary.as_file().sync_all().map_err(file("write"))?;
    temporary
        .persist(&path)
        .map_err(|error| file("write")(error.error))?;
    Ok(Written::Pinned)
}

fn difference(before: &Pinned, now: &Pinned) -> String {
    let mut parts = Vec::new();
    if before.machine_id_sha256 != now.machine_id_sha256 {
        parts.push("its machine id differs".to_owned());
    }
    if before.hostname != now.hostname {
        parts.push(format!(
            "it is called `{}`, not `{}`",
            now.hostname, before.hostname
        ));
    }
    if before.host_keys != now.host_keys {
        parts.push("its host keys differ".to_owned());
    }
    parts.join(", ")
}

fn with(route: &SshRoute, others: &[SshRoute], host_keys: Vec<String>) -> Vec<SshRoute> {
    let mut routes = vec![SshRoute {
        host_keys,
        ..route.clone()
    }];
    routes.extend(
        others
            .iter()
            .filter(|other| other.host != route.host)
            .cloned(),
    );
    routes
}

fn local(host: &HostName, source: io::Error) -> TransportError {
    TransportError::Local {
        action: format!("prepare the connection to `{host}`"),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb";

    #[test]
    fn only_the_keys_of_the_sshd_that_answers_are_pinned() {
        let listed = format!("{KEY} root@host\nssh-dss AAAA old\nssh-rsa AAAA root@host\n");
        assert_eq!(all_keys(KEY, &listed).len(), 2);
        assert_eq!(
            all_keys(KEY, "ssh-rsa AAAA x\n"),
            BTreeSet::from([KEY.to_owned()])
        );
    }

    #[test]
    fn a_pin_is_only_replaced_on_purpose() {
        let repo = tempfile::tempdir().unwrap();
        let host = HostName::new("cuda").unwrap();
        std::fs::create_dir_all(repo.path().join("hosts/cuda")).unwrap();
        let first = Pinned {
            machine_id_sha256: "aa".to_owned(),
            hostname: "cuda".to_owned(),
            host_keys: BTreeSet::from([KEY.to_owned()]),
        };
        let other = Pinned {
            machine_id_sha256: "bb".to_owned(),
            hostname: "other".to_owned(),
            ..first.clone()
        };
        assert_eq!(
            pin(repo.path(), &host, &first, false).unwrap(),
            Written::Pinned
        );
        assert_eq!(
            pin(repo.path(), &host, &first, false).unwrap(),
            Written::Already
        );
        let error = pin(repo.path(), &host, &other, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`cuda` is pinned as another machine: its machine id differs, it is called `other`, not `cuda`"
        );
        assert_eq!(
            pin(repo.path(), &host, &other, true).unwrap(),
            Written::Pinned
        );
        let text = std::fs::read_to_string(repo.path().join("hosts/cuda/identity.json")).unwrap();
        assert!(text.contains("\"bb\"") && text.ends_with("}\n"), "{text}");
    }
}

//! The inventory, evaluated from `hosts/` without network, daemon or store.

use std::io;
use std::path::{Path, PathBuf};

use super::error::shorten;
use super::{Nix, plain};
use crate::process::ProcessError;

/// Why the inventory could not be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum NixError {
    /// There is no Nix.
    #[error("`nix` is not installed")]
    NotInstalled,
    /// Nix is too old.
    #[error("Nix {found} is too old for the inventory")]
    TooOld {
        /// What `nix --version` says.
        found: String,
    },
    /// The folder is not a repository of hosts.
    #[error("`{}` does not exist", path.display())]
    NoHosts {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The files are wrong. The text is Nix's own.
    #[error("{message}")]
    Evaluation {
        /// ``hosts/cuda/default.nix:31:5: syntax error, unexpected ';'``.
        message: String,
    },
    /// A host's pinned identity is not JSON; Nix's error names no file for it.
    #[error("`{file}` is not JSON: {cause}")]
    Identity {
        /// Relative to the repository.
        file: String,
        /// Why not.
        cause: serde_json::Error,
    },
    /// It took too long: an endless recursion, or a fetch.
    #[error("evaluating `hosts` did not end within {seconds} s")]
    Timeout {
        /// The deadline.
        seconds: u64,
    },
    /// Nix could not be run.
    #[error(transparent)]
    Process(ProcessError),
    /// An inventory file that cannot be read.
    #[error("cannot read the inventory `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl NixError {
    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotInstalled => Some(
                "install it (`apt-get install nix-bin` on Debian and Ubuntu), or name an evaluated inventory with `--inventory FILE`",
            ),
            Self::TooOld { .. } => Some("it needs Nix 2.8 or later; nixpkgs itself asks for 2.18"),
            Self::NoHosts { .. } => {
                Some("run deployctl in a repository with `hosts/`, or name one with `--repo DIR`")
            }
            Self::Timeout { .. } => {
                Some("the inventory is plain data: it should fetch nothing and recurse nowhere")
            }
            Self::Identity { .. } => Some(
                "take it back from version control; or remove it and `deployctl adopt` the host again",
            ),
            Self::Evaluation { .. } | Self::Process(_) | Self::Read { .. } => None,
        }
    }
}

impl Nix {
    /// Evaluates `hosts/` of the repository at `top` to the inventory's JSON.
    pub async fn evaluate(&self, top: &Path) -> Result<Vec<u8>, NixError> {
        let path = top.join("hosts/default.nix");
        if !path.is_file() {
            return Err(NixError::NoHosts { path });
        }
        // With the dummy store it works for any user: Nix asks no daemon and writes nothing.
        let finished = plain(&self.program)
            .arguments(["--extra-experimental-features", "nix-command"])
            .arguments(["--store", "dummy://"])
            .arguments(["eval", "--json", "--file", "hosts"])
            .folder(top)
            .deadline(self.deadline)
            .cap(64 << 20)
            .run()
            .await
            .map_err(|error| match error {
                ProcessError::NotInstalled { .. } => NixError::NotInstalled,
                ProcessError::Timeout { seconds, .. } => NixError::Timeout { seconds },
                other => NixError::Process(other),
            })?;
        if finished.status.success() {
            return Ok(finished.stdout);
        }
        if let Some(found) = self.outdated().await {
            return Err(NixError::TooOld { found });
        }
        let words = String::from_utf8_lossy(&finished.stderr);
        if words.to_lowercase().contains("json")
            && let Some(error) = bad_identity(&top.join("hosts"))
        {
            return Err(error);
        }
        let real_top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
        Err(NixError::Evaluation {
            message: shorten(&words, &real_top),
        })
    }
}

/// The first `identity.json` below `hosts` that is not JSON.
fn bad_identity(hosts: &Path) -> Option<NixError> {
    let folders = std::fs::read_dir(hosts).ok()?;
    let mut names: Vec<_> = folders.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names.iter().find_map(|name| {
        let bytes = std::fs::read(hosts.join(name).join("identity.json")).ok()?;
        let cause = serde_json::from_slice::<serde_json::Value>(&bytes).err()?;
        Some(NixError::Identity {
            file: format!("hosts/{}/identity.json", name.to_string_lossy()),
            cause,
        })
    })
}

/// Evaluates `hosts/` of the repository at `top`.
pub async fn evaluate(top: &Path) -> Result<Vec<u8>, NixError> {
    Nix::default().evaluate(top).await
}

/// Reads an inventory that was evaluated before.
pub fn read(path: &Path) -> Result<Vec<u8>, NixError> {
    std::fs::read(path).map_err(|source| NixError::Read {
        path: path.to_owned(),
        source,
    })
}

//! What Nix says: the inventory, evaluated from `hosts/` without network, daemon or store.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{ProcessError, Program};

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
pub enum NixError {
    /// There is no Nix.
    #[error("`nix` is not installed")]
    NotInstalled,
    /// This is no repository of hosts.
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
    /// A host's pinned identity is no JSON, for which Nix names no file.
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
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotInstalled => Some(
                "install it (`apt-get install nix-bin` on Debian and Ubuntu), or name an evaluated inventory with `--inventory FILE`",
            ),
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

/// How to evaluate.
#[derive(Debug, Clone)]
pub struct Nix {
    /// The program; `nix` unless a test says otherwise.
    pub program: PathBuf,
    /// How long it may take.
    pub deadline: Duration,
}

impl Default for Nix {
    fn default() -> Self {
        Self {
            program: "nix".into(),
            deadline: Duration::from_secs(60),
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
        // The dummy store makes it work for any user: no daemon is asked, nothing is written.
        let finished = Program::new(&self.program)
            .arguments(["--extra-experimental-features", "nix-command"])
            .arguments(["--store", "dummy://"])
            .arguments(["eval", "--json", "--file", "hosts"])
            .folder(top)
            .variable("LC_ALL", "C")
            .variable("NO_COLOR", "1")
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

/// The first `identity.json` below `hosts` that is no JSON.
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

/// The last error of Nix's words (what stands above are the calls that led there), with its place
/// before it and paths relative to the repository.
fn shorten(words: &str, top: &Path) -> String {
    let prefix = format!("{}/", top.display());
    let words = plain(words).replace(&prefix, "");
    let lines: Vec<&str> = words.lines().map(str::trim).collect();
    let Some((at, error)) = lines
        .iter()
        .enumerate()
        .filter_map(|(i, line)| Some((i, line.strip_prefix("error: ")?)))
        .rfind(|(_, rest)| !rest.is_empty())
    else {
        let last = lines.iter().rfind(|line| !line.is_empty());
        return last.map_or_else(
            || "nix failed without a word".to_owned(),
            ToString::to_string,
        );
    };
    let after = &lines[at + 1..];
    let place = after
        .iter()
        .find_map(|line| line.strip_prefix("at "))
        .and_then(|place| place.split_whitespace().next())
        .map(|place| format!("{}: ", place.trim_end_matches(':')))
        .unwrap_or_default();
    let meant = after
        .iter()
        .find(|line| line.starts_with("Did you mean"))
        .map(|line| {
            format!(
                " ({})",
                line.trim_end_matches('?').replace("Did", "did") + "?"
            )
        })
        .unwrap_or_default();
    format!("{place}{error}{meant}")
}

/// Without what a terminal would act on.
fn plain(words: &str) -> String {
    let mut kept = String::with_capacity(words.len());
    let mut rest = words.chars();
    while let Some(c) = rest.next() {
        match c {
            // A colour: everything up to its final letter.
            '\x1b' => {
                let _ = rest.by_ref().find(char::is_ascii_alphabetic);
            }
            '\n' | '\t' => kept.push(c),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What several versions of Nix say.
    #[test]
    fn the_error_remains_and_the_trace_goes() {
        let cases = [
            "error: syntax error, unexpected ';'\n\n       at /r/hosts/cuda/default.nix:1:14:\n\n            1| { a = 1; b = ; }\n",
            "\x1b[31;1merror:\x1b[0m undefined variable '\x1b[35;1mx\x1b[0m'\n\n       at \x1b[35;1m/r/hosts/cuda/default.nix:1:7\x1b[0m:\n",
            "error: hosts/cluster.nix: no platform\n(use '--show-trace' to show detailed location information)\n",
            "error:\n       … while evaluating the attribute 'hosts'\n         at /r/hosts/default.nix:175:3:\n          174|\n       … while calling the 'throw' builtin\n         at /r/hosts/default.nix:170:3:\n\n       error: no platform has the defaults `ubuntoo`\n",
            "error: attribute 'tiemzone' missing\n\n       at /r/hosts/cuda/default.nix:3:5:\n\n            2|\n       Did you mean timezone?\n",
            "warning: something\nnix: cannot do that",
            "",
        ];
        let said: Vec<String> = cases
            .iter()
            .map(|words| shorten(words, Path::new("/r")))
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}

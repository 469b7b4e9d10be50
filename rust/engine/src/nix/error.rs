//! Errors of deploying a system, and Nix's messages, shortened to what a user needs.

use std::path::{Path, PathBuf};

use deployctl_core::closure::StorePath;
use deployctl_core::name::HostName;

use crate::process::ProcessError;

/// Why a host's system could not be evaluated, built or copied. Nothing on the host was changed except its
/// store.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// There is no Nix here.
    #[error("`{program}` is not installed")]
    NotInstalled {
        /// Its name.
        program: String,
    },
    /// Nix here is too old.
    #[error("Nix {found} is too old to build `{attribute}`: {needs} is needed")]
    TooOld {
        /// What `nix --version` says.
        found: String,
        /// The oldest version that is enough.
        needs: String,
        /// What should be built.
        attribute: String,
    },
    /// A policy of this computer forbids flakes.
    #[error("Nix does not let us use flakes")]
    FlakesDisabled,
    /// The repository has no flake.
    #[error("`{}` does not exist", path.display())]
    NoFlake {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The flake has no such output.
    #[error("the flake has no `{attribute}`")]
    NoAttribute {
        /// What was asked for.
        attribute: String,
    },
    /// Assertions of modules reject the facts.
    #[error("`{attribute}` cannot be built: {}", failed.join("; "))]
    Assertions {
        /// What was evaluated.
        attribute: String,
        /// What each says.
        failed: Vec<String>,
    },
    /// The files are wrong, or an input cannot be fetched. The text is Nix's own.
    #[error("`{attribute}` cannot be evaluated: {message}")]
    Evaluation {
        /// What was evaluated.
        attribute: String,
        /// Nix's message, with file and line.
        message: String,
    },
    /// There is no builder for that kind of computer.
    #[error("nothing here can build for {system}, which `{derivation}` needs")]
    NoBuilder {
        /// `x86_64-linux`.
        system: String,
        /// Name of the derivation.
        derivation: String,
    },
    /// A derivation does not build.
    #[error("`{derivation}` {how}")]
    Failed {
        /// Its store path, or a name.
        derivation: String,
        /// `failed with exit code 2`.
        how: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// No disk space to build.
    #[error("no space is left in the store of this computer")]
    Full,
    /// A store path was removed.
    #[error("`{path}` is neither in the store of this computer nor in that of `{host}`")]
    Collected {
        /// Which host needs it.
        host: HostName,
        /// What is missing.
        path: StorePath,
    },
    /// The host's store has no disk space.
    #[error("no space is left in the store of `{host}`")]
    HostFull {
        /// Which.
        host: HostName,
    },
    /// There is no Nix on the host.
    #[error("`{host}` has no `nix-daemon`")]
    NoNixThere {
        /// Which.
        host: HostName,
    },
    /// Its daemon cannot be reached as root.
    #[error("`{host}` does not let us copy as root: {cause}")]
    Elevation {
        /// Which.
        host: HostName,
        /// sudo's own words.
        cause: String,
    },
    /// The signature is missing, or the host does not trust it.
    #[error("`{host}` takes no unsigned paths from its login, and trusts no signature of `{path}`")]
    Untrusted {
        /// Which.
        host: HostName,
        /// The path that it refused.
        path: String,
    },
    /// Signing failed.
    #[error("cannot sign what is copied to `{host}`: {cause}")]
    Sign {
        /// For whom.
        host: HostName,
        /// Nix's own words.
        cause: String,
    },
    /// The host could not be reached.
    #[error("the connection to `{host}` broke while its system was copied: {cause}")]
    Lost {
        /// Which.
        host: HostName,
        /// ssh's own words.
        cause: String,
    },
    /// The host reported another error.
    #[error("cannot copy the system to `{host}`: {cause}")]
    Copy {
        /// Which.
        host: HostName,
        /// Nix's own words.
        cause: String,
    },
    /// The inventory does not say how systems of the host are built and copied.
    #[error("`{host}` declares no `nix`")]
    NoFacts {
        /// Which host.
        host: HostName,
    },
    /// Nix's output cannot be read.
    #[error("`{attribute}`: {cause}")]
    Unreadable {
        /// What was asked for.
        attribute: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A stop was requested.
    #[error("interrupted before anything was changed")]
    Interrupted,
    /// Nix could not be run.
    #[error(transparent)]
    Process(ProcessError),
}

/// Whether Nix failed to fetch something.
fn names_the_network(words: &str) -> bool {
    ["unable to download", "resolve host", "unable to fetch"]
        .iter()
        .any(|part| words.contains(part))
}

impl SystemError {
    /// A Nix process that was stopped or could not start.
    pub(super) fn process(error: ProcessError) -> Self {
        match error {
            ProcessError::NotInstalled { program } => Self::NotInstalled { program },
            ProcessError::Interrupted { .. } => Self::Interrupted,
            other => Self::Process(other),
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotInstalled { .. } => {
                "install Nix: <https://nixos.org/download>, or `apt-get install nix-bin` on Debian and Ubuntu"
            }
            Self::TooOld { .. } => "install a newer Nix: <https://nixos.org/download>",
            Self::FlakesDisabled => {
                "add `experimental-features = nix-command flakes` to `nix.conf` of this computer"
            }
            Self::NoFlake { .. } => {
                "systems are outputs of a flake: start one with `nix flake init`, see the README"
            }
            Self::NoAttribute { .. } => {
                "a flake sees only what git tracks: `git add` the host's files"
            }
            Self::Assertions { .. } => {
                "correct these facts in `hosts/`, or the host's `configuration.nix`"
            }
            Self::NoBuilder { .. } => {
                "name a remote builder in `nix.conf` (`builders`), or let the host build: `nix.build_on = \"host\"`"
            }
            Self::Full => {
                "on this computer, `nix-collect-garbage -d` makes room: it removes older generations"
            }
            Self::Collected { .. } => {
                "check out the commit that it was made from, and `deployctl apply` that"
            }
            Self::HostFull { .. } => deployctl_core::closure::FREES_ROOM,
            Self::NoNixThere { .. } => "install Nix there, or log in as a user whose `PATH` has it",
            Self::Elevation { .. } => {
                "allow the login `nix-daemon` by sudo without a password, or sign what is copied: `--signing-key-file`"
            }
            Self::Evaluation { message, .. } if names_the_network(message) => {
                "what the flake is made of is fetched once: this computer needs the network for that"
            }
            Self::Untrusted { .. } => {
                "add your public key to the host's `nix.trusted_public_keys` and pass its private half by `--signing-key-file`; the first time, apply as root, or by sudo without a password"
            }
            Self::Sign { .. } => {
                "`nix-store --generate-binary-cache-key NAME FILE FILE.pub` makes a key; signing needs a trusted user of this computer's Nix"
            }
            Self::Lost { .. } => "try again: what was copied is not copied twice",
            Self::Failed { derivation, .. } if derivation.starts_with("/nix/store/") => {
                return Some(format!("`nix log {derivation}` shows all of its log"));
            }
            Self::NoFacts { .. } => {
                "declare `nix`: where its systems are built, and how they are copied there"
            }
            Self::Failed { .. }
            | Self::Evaluation { .. }
            | Self::Copy { .. }
            | Self::Unreadable { .. }
            | Self::Interrupted
            | Self::Process(_) => return None,
        };
        Some(hint.to_owned())
    }

    /// The last lines of a log, where there is one.
    pub fn log(&self) -> &[String] {
        match self {
            Self::Failed { log, .. } => log,
            _ => &[],
        }
    }
}

/// The last error in Nix's output (the lines above it are the stack trace), after its place, with
/// paths relative to the repository.
pub(super) fn shorten(words: &str, top: &Path) -> String {
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

/// Removes what a terminal would interpret.
pub(super) fn plain(words: &str) -> String {
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

    /// Messages of several versions of Nix.
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
        insta::assert_snapshot!(said.join("\n"), @"
        hosts/cuda/default.nix:1:14: syntax error, unexpected ';'
        hosts/cuda/default.nix:1:7: undefined variable 'x'
        hosts/cluster.nix: no platform
        no platform has the defaults `ubuntoo`
        hosts/cuda/default.nix:3:5: attribute 'tiemzone' missing (did you mean timezone?)
        nix: cannot do that
        nix failed without a word
        ");
    }
}

//! Errors of deploying a system.

use std::path::PathBuf;

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

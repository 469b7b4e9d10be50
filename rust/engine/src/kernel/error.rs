//! Errors of building a kernel.

use std::io;
use std::path::{Path, PathBuf};

use deployctl_core::kernel::Verdict;
use deployctl_core::query::printable_line;

use crate::process::ProcessError;

/// Last lines of a failed step that are kept.
const TAIL: usize = 15;

/// Why a kernel was not built.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Kernels are built on Linux alone.
    #[error("a Linux kernel cannot be built on `{os}`")]
    NotLinux {
        /// What this machine runs.
        os: &'static str,
    },
    /// It would have to be built for another architecture.
    #[error("this machine is `{here}`; the host is `{wanted}`")]
    OtherMachine {
        /// What this machine is.
        here: &'static str,
        /// What the host is.
        wanted: &'static str,
    },
    /// Programs or libraries are not installed.
    #[error("missing: {}", names(missing))]
    Tools {
        /// What is missing, each with the Debian package that has it.
        missing: Vec<(&'static str, &'static str)>,
    },
    /// The path is not a kernel source.
    #[error("`{}` is no source of a Linux kernel: it has no `{file}`", path.display())]
    NoSource {
        /// What was named.
        path: PathBuf,
        /// What it lacks.
        file: &'static str,
    },
    /// No base was named, and the running kernel has none.
    #[error("no configuration to start from: `{}` does not exist", path.display())]
    NoBase {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The base configuration has no symbol.
    #[error("`{}` is no kernel configuration", path.display())]
    NoConfig {
        /// What was named.
        path: PathBuf,
    },
    /// Kconfig did not accept some of the symbols as declared.
    #[error("{} of {of} symbols would not be as declared", verdict.missed.len())]
    Missed {
        /// How many were wanted.
        of: usize,
        /// Which, and why.
        verdict: Box<Verdict>,
    },
    /// One of the source's own steps failed.
    #[error("`{step}` failed")]
    Step {
        /// Which.
        step: String,
        /// The last lines of its output.
        last: Vec<String>,
    },
    /// It produced no package.
    #[error("the build ended well and left no package in `{}`", out.display())]
    NoPackage {
        /// Where it was looked for.
        out: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("cannot read or write `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fn names(missing: &[(&str, &str)]) -> String {
    let names: Vec<String> = missing
        .iter()
        .map(|(what, _)| format!("`{what}`"))
        .collect();
    names.join(", ")
}

impl KernelError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn step(step: &str, said: &[u8]) -> Self {
        let text = String::from_utf8_lossy(said);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(TAIL)..];
        Self::Step {
            step: step.to_owned(),
            last: last
                .iter()
                .map(|line| printable_line(line.as_bytes(), 300))
                .collect(),
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotLinux { .. } => "build it on the host itself or another Linux machine, or by the flake's output `HOST-kernel` with a Linux builder".to_owned(),
            Self::OtherMachine { .. } => {
                "build it on the host itself, or on a machine of its kind".to_owned()
            }
            Self::Tools { missing } => {
                let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
                packages.sort_unstable();
                packages.dedup();
                format!("apt-get install {}", packages.join(" "))
            }
            Self::NoSource { .. } => {
                "name an unpacked source or its tarball, such as `/usr/src/linux-source-6.8.0.tar.bz2` of package linux-source".to_owned()
            }
            Self::NoBase { .. } | Self::NoConfig { .. } => {
                "name the configuration of a kernel that boots the host: `--config FILE`, such as its `/boot/config-RELEASE`".to_owned()
            }
            Self::Missed { .. } => {
                "declare what they depend on as well, start from another `--config`, or leave them out of `kernel.symbols`".to_owned()
            }
            Self::Step { .. } | Self::NoPackage { .. } | Self::File { .. } | Self::Process(_) => {
                return None;
            }
        })
    }
}

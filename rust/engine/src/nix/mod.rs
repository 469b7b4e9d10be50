//! The interface to Nix: evaluates the inventory and systems, builds and copies them.
//!
//! ```text
//! hosts/ ── inventory ──▶ JSON        flake.nix ── system (+ cache) ──▶ derivation, store path
//!                                                     │ build ──▶ store here ── copy ──▶ store of the host
//! ```
//!
//! Works with Nix 2.8 and later. Nothing here assumes what a host has: the host is asked.

mod build;
pub mod cache;
mod copy;
pub mod deployer;
mod derivation;
mod error;
mod inventory;
mod modules;
mod progress;
mod system;

use std::path::PathBuf;
use std::time::Duration;

use crate::process::Program;

pub use build::{copy_image, image_files};
pub use copy::{Daemon, StoreAddress};
pub use derivation::{Derivation, Image, Installable, system_word};
pub use error::SystemError;
pub use inventory::{NixError, evaluate, read};

/// How to call Nix.
#[derive(Debug, Clone)]
pub struct Nix {
    /// The program; `nix` unless a test says otherwise. `nix-store` is found beside it.
    pub program: PathBuf,
    /// How long evaluating the inventory may take.
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

/// Longest time for an evaluation that may fetch the flake's inputs first, a build, or a copy.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

impl Nix {
    /// `nix`, with its experimental commands enabled.
    fn nix(&self) -> Program {
        plain(&self.program)
            .arguments(["--extra-experimental-features", "nix-command flakes"])
            .deadline(PATIENCE)
    }

    /// `nix-store`, whose arguments are the same in every version.
    fn nix_store(&self) -> Program {
        plain(self.program.with_file_name("nix-store")).deadline(PATIENCE)
    }

    /// What `nix --version` says: `2.8.0`.
    async fn version(&self) -> Option<String> {
        let asked = plain(&self.program).arguments(["--version"]);
        let finished = asked.run().await.ok()?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let word = text.split_whitespace().last()?;
        word.starts_with(|c: char| c.is_ascii_digit())
            .then(|| word.to_owned())
    }

    /// Its version, if it is older than the oldest supported one.
    async fn outdated(&self) -> Option<String> {
        let version = self.version().await?;
        let mut numbers = version
            .split(|c: char| !c.is_ascii_digit())
            .map(|word| word.parse::<u32>().unwrap_or_default());
        let found = (numbers.next()?, numbers.next().unwrap_or_default());
        (found < OLDEST).then_some(version)
    }
}

/// The oldest version that evaluates the inventory and builds.
const OLDEST: (u32, u32) = (2, 8);

fn plain(program: impl AsRef<std::ffi::OsStr>) -> Program {
    Program::new(program)
        .variable("LC_ALL", "C")
        .variable("NO_COLOR", "1")
}

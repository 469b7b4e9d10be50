//! Systems that Nix builds: store paths, and which closure a host should run.

mod package;
mod store_path;

pub use package::{Package, packages};
pub use store_path::StorePath;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::inventory::Platform;

/// What to do about a host's full store: what surely makes room, and what it costs.
pub const FREES_ROOM: &str = "on the host, `nix-collect-garbage -d` makes room: it removes older generations, but for those that deployctl keeps";

/// The system that a host should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    /// How it is activated: `bin/switch-to-configuration` on `NixOS`, `activate` with nix-darwin. Never
    /// [`Platform::Ubuntu`].
    #[serde(rename = "kind", deserialize_with = "platform_of_closure")]
    pub platform: Platform,
    /// Its top-level store path.
    pub toplevel: StorePath,
}

/// Reads the platform of a closure.
///
/// # Errors
/// When it is no platform, or one whose system Nix does not build.
fn platform_of_closure<'de, D: Deserializer<'de>>(from: D) -> Result<Platform, D::Error> {
    let platform = Platform::deserialize(from)?;
    if platform.runs_closure() {
        return Ok(platform);
    }
    let unknown = serde::de::Error::unknown_variant;
    Err(unknown(platform.as_str(), &["nixos", "darwin"]))
}

/// What a host of a Nix platform runs now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedSystem {
    /// What `nix --version` says there (`2.31.2`); `None` where there is no Nix.
    pub nix_version: Option<String>,
    /// Where `/run/current-system` leads.
    pub current: Option<StorePath>,
    /// Where `/nix/var/nix/profiles/system` leads: what the boot loader is installed for.
    pub profile: Option<StorePath>,
    /// What GRUB or systemd-boot start by default; `None` where their files do not tell.
    pub boot_default: Option<StorePath>,
    /// Targets of `kernel`, `initrd` and `kernel-modules` below `/run/booted-system`, and the text of
    /// `kernel-params` (`NixOS`).
    pub booted: BTreeMap<String, String>,
    /// Free KiB of the file system that holds `/nix/store`.
    pub store_free_kib: Option<u64>,
    /// Store paths that `current` needs, with their NAR sizes in bytes; empty where nothing differs.
    pub closure: BTreeMap<StorePath, u64>,
    /// The wanted system as it is on the host; `None` if it has not been copied yet.
    pub wanted: Option<WantedSystem>,
}

impl ObservedSystem {
    /// Whether the next boot starts `toplevel`, as far as the host tells.
    pub fn boots(&self, toplevel: &StorePath) -> bool {
        self.profile.as_ref() == Some(toplevel)
            && self.boot_default.as_ref().is_none_or(|it| it == toplevel)
    }
}

/// What a host says about the wanted system once that is in its store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WantedSystem {
    /// Store paths that it needs, with their NAR sizes in bytes; empty where it runs already.
    pub closure: BTreeMap<StorePath, u64>,
    /// The same of it as [`ObservedSystem::booted`].
    pub boot: BTreeMap<String, String>,
    /// `switch-inhibitors` of it, by name: one that changes forbids to switch (nixpkgs 26.05).
    pub inhibitors: BTreeMap<String, String>,
    /// `switch-inhibitors` of what runs.
    pub inhibitors_now: BTreeMap<String, String>,
    /// Exit status and output of `switch-to-configuration dry-activate` (`NixOS`); `None` where it runs
    /// already.
    pub dry_activate: Option<(i32, String)>,
}

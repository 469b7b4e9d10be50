//! Outputs of the flake, and the derivations that build them.

use std::path::PathBuf;

use deployctl_core::closure::StorePath;
use deployctl_core::inventory::host::{Architecture, Platform};
use deployctl_core::name::HostName;
use serde::{Deserialize, Serialize};

/// One output of the flake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installable {
    /// The folder that holds `flake.nix`.
    pub top: PathBuf,
    /// `nixosConfigurations."linode".config.system.build.toplevel`.
    pub attribute: String,
    /// Nix's name of the platform that it is for: `x86_64-linux`.
    pub system: &'static str,
}

/// The image that a host is installed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// The content of its disk.
    Disk,
    /// A system that boots from a stick and installs it.
    Installer,
}

impl Image {
    /// Its name in the flake, after the host's name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Disk => "image",
            Self::Installer => "installer",
        }
    }
}

/// A derivation, and where its output will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// The derivation itself.
    pub drv: StorePath,
    /// Its output.
    pub out: StorePath,
}

impl Installable {
    /// The system of a host; `None` for platforms that get files.
    pub fn of_host(
        top: PathBuf,
        host: &HostName,
        platform: Platform,
        architecture: Architecture,
    ) -> Option<Self> {
        let attribute = match platform {
            Platform::Ubuntu => return None,
            Platform::Nixos => {
                format!("nixosConfigurations.\"{host}\".config.system.build.toplevel")
            }
            Platform::Darwin => format!("darwinConfigurations.\"{host}\".system"),
        };
        Some(Self {
            top,
            attribute,
            system: system_word(platform, architecture),
        })
    }

    /// The image of a host.
    pub fn image(top: PathBuf, host: &HostName, architecture: Architecture, image: Image) -> Self {
        let system = system_word(Platform::Nixos, architecture);
        Self {
            top,
            attribute: format!("packages.{system}.\"{host}-{}\"", image.word()),
            system,
        }
    }
}

/// Nix's name of that kind of computer. Ubuntu's is that of any Linux.
pub fn system_word(platform: Platform, architecture: Architecture) -> &'static str {
    match (platform.is_linux(), architecture) {
        (true, Architecture::X86_64) => "x86_64-linux",
        (true, Architecture::Aarch64) => "aarch64-linux",
        (false, Architecture::X86_64) => "x86_64-darwin",
        (false, Architecture::Aarch64) => "aarch64-darwin",
    }
}

//! What the flake says how to build, and the derivation that builds it.

use std::path::PathBuf;

use deployctl_core::closure::StorePath;
use deployctl_core::inventory::host::{Architecture, Platform};
use deployctl_core::name::HostName;
use serde::{Deserialize, Serialize};

/// Something that the flake says how to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installable {
    /// The folder that holds `flake.nix`.
    pub top: PathBuf,
    /// `nixosConfigurations."linode".config.system.build.toplevel`.
    pub attribute: String,
    /// The kind of computer that it is for: `x86_64-linux`.
    pub system: &'static str,
}

/// What a host is installed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// What its disk will hold.
    Disk,
    /// A system that boots from a stick and installs it.
    Installer,
}

impl Image {
    /// As the flake names it, behind the host's name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Disk => "image",
            Self::Installer => "installer",
        }
    }
}

/// How something is built, and where it will lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// The derivation itself.
    pub drv: StorePath,
    /// Its output.
    pub out: StorePath,
}

impl Installable {
    /// The system of a host; `None` for platforms that are given files.
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

    /// What a host is installed from.
    pub fn image(top: PathBuf, host: &HostName, architecture: Architecture, image: Image) -> Self {
        let system = system_word(Platform::Nixos, architecture);
        Self {
            top,
            attribute: format!("packages.{system}.\"{host}-{}\"", image.word()),
            system,
        }
    }
}

/// How Nix calls that kind of computer. Ubuntu's is that of any Linux.
pub fn system_word(platform: Platform, architecture: Architecture) -> &'static str {
    match (platform.is_linux(), architecture) {
        (true, Architecture::X86_64) => "x86_64-linux",
        (true, Architecture::Aarch64) => "aarch64-linux",
        (false, Architecture::X86_64) => "x86_64-darwin",
        (false, Architecture::Aarch64) => "aarch64-darwin",
    }
}

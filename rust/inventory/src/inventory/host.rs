//! One host: who it is, what the machine is made of, how it is reached, and its concerns.
//!
//! Of `hardware`, cross-references compare CPU and memory with other facts, and the page of a report shows them; no
//! template reads them. The other parts are prose.
//!
//! Facts of any concern may say hours in which its units are left alone (`blackout` of its concern.toml). They have a type,
//! since what reads them wrongly touches what must not be touched.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::Port;
use super::extra::Extra;
use super::firewall::Firewall;
use super::image::Image;
use super::kernel::Kernel;
use super::network::Network;
use super::nix::Nix;
use super::ssh::Ssh;
use super::storage::Storage;
use super::system::System;
use super::text::{
    Days, Label, Line, PublicKey, Sha256Text, SshAddress, TimeOfDay, TimeZone, Version,
};
use crate::name::{AccountName, HostName};

/// One machine. A concern that is absent is not declared there.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What it is for.
    pub description: Line,
    /// How it is configured.
    pub platform: Platform,
    /// Its processor's instruction set.
    pub architecture: Architecture,
    /// Words that selectors find it by.
    pub tags: BTreeSet<Label>,
    /// How it is reached.
    pub connection: Connection,
    /// The operating system that must be found there.
    pub os: Os,
    /// Who it was when it was adopted; written by `deployctl adopt`.
    #[schemars(with = "Identity", extend("x-optional" = true))]
    pub identity: Option<Identity>,
    /// What it is made of.
    #[schemars(with = "Hardware", extend("x-optional" = true))]
    pub hardware: Option<Hardware>,
    /// What every machine needs before anything else.
    #[schemars(with = "System", extend("x-optional" = true))]
    pub system: Option<System>,
    /// The way in. Keys only; passwords are never an option.
    #[schemars(with = "Ssh", extend("x-optional" = true))]
    pub ssh: Option<Ssh>,
    /// Interfaces with their addresses, and the kernel's network settings.
    #[schemars(with = "Network", extend("x-optional" = true))]
    pub network: Option<Network>,
    /// Our own nftables table.
    #[schemars(with = "Firewall", extend("x-optional" = true))]
    pub firewall: Option<Firewall>,
    /// Mounts and free-space guards.
    #[schemars(with = "Storage", extend("x-optional" = true))]
    pub storage: Option<Storage>,
    /// Which kernel, its command line, modules, settings and symbols.
    #[schemars(with = "Kernel", extend("x-optional" = true))]
    pub kernel: Option<Kernel>,
    /// How `NixOS` comes onto its disk the first time.
    #[schemars(with = "Image", extend("x-optional" = true))]
    pub image: Option<Image>,
    /// How it gets the system that Nix builds for it. `NixOS` and macOS.
    #[schemars(with = "Nix", extend("x-optional" = true))]
    pub nix: Option<Nix>,
    /// Files, packages and units that no concern covers, so that nobody has to fork.
    #[schemars(with = "Extra", extend("x-optional" = true))]
    pub extra: Option<Extra>,
    /// Every fact that it declares, as it was written, without those that are null; those of concerns without a
    /// type of their own are only here.
    #[serde(skip)]
    pub facts: serde_json::Map<String, serde_json::Value>,
    /// Hours in which a concern's units are left alone, by the concern.
    #[serde(skip)]
    pub blackouts: BTreeMap<String, BlackoutHours>,
}

impl Host {
    /// Whether it declares the concern of that name.
    pub fn declares(&self, concern: &str) -> bool {
        self.facts.contains_key(concern)
    }

    /// The fact at a path such as `hugepages.mount`; `None` where it is not declared.
    pub fn fact(&self, path: &str) -> Option<&serde_json::Value> {
        let (concern, rest) = path.split_once('.').unwrap_or((path, ""));
        let keys = rest.split('.').filter(|key| !key.is_empty());
        let found = keys.fold(self.facts.get(concern), |at, key| at?.get(key));
        found.filter(|fact| !fact.is_null())
    }
}

/// How a host is configured.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Platform {
    /// Ubuntu or Debian: rendered files, apt, systemd.
    Ubuntu,
    /// NixOS: a system closure.
    Nixos,
    /// macOS with nix-darwin: a system closure.
    Darwin,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 3] = [Self::Ubuntu, Self::Nixos, Self::Darwin];

    /// The platform that the inventory calls `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// The word in the inventory, in plans and in the host's shell.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ubuntu => "ubuntu",
            Self::Nixos => "nixos",
            Self::Darwin => "darwin",
        }
    }

    /// Whether the kernel is Linux.
    pub fn is_linux(self) -> bool {
        matches!(self, Self::Ubuntu | Self::Nixos)
    }

    /// Whether Nix builds its whole system; the other hosts are given files.
    pub fn runs_closure(self) -> bool {
        matches!(self, Self::Nixos | Self::Darwin)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Architecture {
    /// x86-64.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// DNS name, alias of ssh's configuration, or address: what `ssh` is called with.
    pub address: SshAddress,
    /// SSH port.
    pub port: Port,
    /// Who logs in: one of the cluster's operators, or root; `--user` names another for a run.
    pub user: AccountName,
    /// How that user becomes root.
    #[serde(rename = "become")]
    pub elevation: Elevation,
    /// The host to go through; null for none.
    pub jump: Option<HostName>,
}

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Elevation {
    /// By sudo.
    Sudo,
    /// Not at all: the login is root's.
    None,
}

/// The operating system, as os-release(5) names it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Os {
    /// Which.
    pub id: OsId,
    /// Its version.
    pub version: Version,
}

/// Operating systems that deployctl knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OsId {
    /// Ubuntu.
    Ubuntu,
    /// Debian.
    Debian,
    /// NixOS.
    Nixos,
    /// macOS.
    Macos,
}

impl OsId {
    /// As os-release(5) says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ubuntu => "ubuntu",
            Self::Debian => "debian",
            Self::Nixos => "nixos",
            Self::Macos => "macos",
        }
    }
}

/// Who a host was when it was adopted.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Salted hash of its machine id.
    pub machine_id_sha256: Sha256Text,
    /// Its own name.
    pub hostname: HostName,
    /// Its SSH host keys.
    #[schemars(length(min = 1))]
    pub host_keys: BTreeSet<PublicKey>,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Main board or model.
    #[schemars(extend("x-optional" = true))]
    pub board: Option<Line>,
    /// Processor.
    pub cpu: Cpu,
    /// Memory in GiB.
    #[schemars(range(min = 1, max = 65536))]
    pub memory_gib: u32,
    /// Kind of memory.
    #[schemars(extend("x-optional" = true))]
    pub memory: Option<Line>,
    /// Graphics processor; what must be found of NVIDIA's is `nvidia.gpu`.
    #[schemars(extend("x-optional" = true))]
    pub gpu: Option<Line>,
    /// Case.
    #[schemars(extend("x-optional" = true))]
    pub case: Option<Line>,
    /// Cooler of the processor.
    #[schemars(extend("x-optional" = true))]
    pub cooler: Option<Line>,
    /// Disks.
    #[schemars(extend("x-optional" = true))]
    pub disks: Option<Vec<Line>>,
    /// Network adapters.
    #[schemars(extend("x-optional" = true))]
    pub nics: Option<Vec<Line>>,
    /// Power supply.
    #[schemars(extend("x-optional" = true))]
    pub power_supply: Option<Line>,
    /// Uninterruptible power supply.
    #[schemars(extend("x-optional" = true))]
    pub ups: Option<Line>,
}

/// The processor.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Its name.
    pub model: Line,
    /// Cores.
    #[schemars(range(min = 1, max = 4096))]
    pub cores: u16,
    /// Hardware threads: the CPUs that the kernel sees.
    #[schemars(range(min = 1, max = 8192))]
    pub threads: u16,
}

/// Hours of some days of the week.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlackoutHours {
    /// Time zone of the hours.
    pub timezone: TimeZone,
    /// Days of the week.
    pub days: Days,
    /// Start.
    pub open: TimeOfDay,
    /// End.
    pub close: TimeOfDay,
}

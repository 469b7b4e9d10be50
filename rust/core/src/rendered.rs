//! What a host should hold: the result of rendering, before anything was observed.

mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) use settings::SettingsFile;
pub use settings::SysctlWant;
pub use settings::setting;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::artifact::Artifact;
use crate::closure::Closure;
use crate::inventory::Platform;
use crate::name::{
    AccountName, ConcernName, HostName, ManagedPath, ModuleName, PackageName, SysctlKey, UnitName,
};
use crate::query::printable_line;

/// SHA-256 of some bytes, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Takes 64 lower-case hexadecimal digits as they are; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let valid = text.len() == 64
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        valid.then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Permission bits of a file or directory, `0o7777` at most; written as four octal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u16);

impl Mode {
    /// Permission bits, or `None` above `0o7777`.
    pub fn new(bits: u16) -> Option<Self> {
        (bits <= 0o7777).then_some(Self(bits))
    }

    /// The bits.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether users outside owner and group may read.
    pub fn world_readable(self) -> bool {
        self.0 & 0o004 != 0
    }
}

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        u16::from_str_radix(&text, 8)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| {
                format!("`{text}` is not a file mode; expected octal digits such as `0644`")
            })
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who may do what with a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ownership {
    /// Permission bits.
    pub mode: Mode,
    /// Owning user.
    pub owner: AccountName,
    /// Owning group.
    pub group: AccountName,
}

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.mode, self.owner, self.group)
    }
}

/// What is at a managed path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    /// A regular file.
    File {
        /// The bytes; templates are UTF-8, so they are text.
        content: String,
        /// Mode, owner, group.
        #[serde(flatten)]
        ownership: Ownership,
    },
    /// A directory; what is in it is not looked at.
    Directory {
        /// Mode, owner, group.
        #[serde(flatten)]
        ownership: Ownership,
    },
    /// A symbolic link.
    Symlink {
        /// What it says, taken literally.
        target: String,
    },
    /// Nothing may be there.
    Absent,
}

/// One managed path with where it comes from and what a change to it entails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedEntry {
    /// The concern that declares it.
    pub concern: ConcernName,
    /// The template it was rendered from, relative to the repository; `None` for paths without one.
    pub template: Option<String>,
    /// Paths of the inventory's values that the template reads (`hosts.cuda.hugepages.count`).
    pub facts: BTreeSet<String>,
    /// What should be there.
    pub entry: Entry,
    /// What has to happen on the host after it changed.
    pub follow_ups: BTreeSet<FollowUp>,
    /// Command that must exit 0 over the merged tree before anything is changed; argv.
    pub validator: Option<Vec<String>>,
    /// Package whose programs the validator runs: unpacked aside for it where this apply installs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_package: Option<PackageName>,
}

/// What a change entails. A closed set; the order of the variants is the order of execution
/// (packages come before all, units after `Mounts`: see [`crate::plan`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FollowUp {
    /// `systemd-sysusers`; runs before files that name its users are placed.
    Sysusers,
    /// `systemd-tmpfiles --create` over our own files.
    Tmpfiles,
    /// `modprobe` of every declared module.
    Modules,
    /// `sysctl -p` over our own files.
    Sysctl,
    /// `udevadm control --reload` and trigger.
    Udev,
    /// `systemctl daemon-reload`.
    DaemonReload,
    /// `nft -f` over our own file, atomically.
    Firewall,
    /// `netplan apply` (or networkd reload).
    Network,
    /// Start of declared mount units.
    Mounts,
    /// `update-initramfs -u`.
    Initramfs,
    /// `update-grub`.
    Bootloader,
    /// The change is in effect only after a reboot.
    Reboot,
}

/// A package that should be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageWant {
    /// The concern that declares it: the first one that asks for more than that it is there, else the first one.
    pub concern: ConcernName,
    /// Other concerns that need it, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub others: BTreeSet<ConcernName>,
    /// Exact version, or `None` for any version that is installed or that the archive offers.
    pub version: Option<String>,
    /// Whether it is held (`apt-mark hold`) against upgrades.
    pub hold: bool,
    /// Packages that apt may remove for it. No other is ever removed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub replaces: BTreeSet<PackageName>,
    /// The file that it is installed from; `None` for what archives offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PackageFile>,
}

/// A file of an artifact that a package is installed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// Where it is, below the link `current` of the artifact.
    pub path: ManagedPath,
    /// Its hash; `None` where the host makes the artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hex>,
}

impl PackageWant {
    /// All concerns that need it.
    pub fn concerns(&self) -> impl Iterator<Item = &ConcernName> {
        std::iter::once(&self.concern).chain(&self.others)
    }

    /// Whether it asks for nothing but that the package is there.
    pub(crate) fn is_plain(&self) -> bool {
        self.version.is_none() && !self.hold && self.replaces.is_empty() && self.file.is_none()
    }
}

/// How a unit takes up changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// `systemctl restart`.
    Restart,
    /// `systemctl reload`.
    Reload,
    /// Left alone; the change is in effect at its next start.
    Nothing,
}

/// A systemd unit that should be in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitWant {
    /// The concern that declares it.
    pub concern: ConcernName,
    /// Whether it starts at boot; `None` leaves that as it is (static units).
    pub enabled: Option<bool>,
    /// Whether it runs now; `None` leaves that as it is.
    pub running: Option<bool>,
    /// What to do when one of `watch` changed.
    pub on_change: OnChange,
    /// The managed paths it reads.
    pub watch: BTreeSet<ManagedPath>,
    /// Longest time its start may take, in seconds.
    pub start_timeout_seconds: u32,
    /// Whether it is started before the other units: they read what it makes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// Everything a host should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "settings::Stored")]
pub struct Rendered {
    /// Which host.
    pub host: HostName,
    /// Managed paths.
    pub entries: BTreeMap<ManagedPath, ManagedEntry>,
    /// Packages.
    pub packages: BTreeMap<PackageName, PackageWant>,
    /// Units.
    pub units: BTreeMap<UnitName, UnitWant>,
    /// Live kernel settings, as read out of the rendered `/etc/sysctl.d` files.
    #[serde(serialize_with = "settings::values")]
    pub sysctls: BTreeMap<SysctlKey, SysctlWant>,
    /// Kernel modules, as read out of the rendered `/etc/modules-load.d` files, and the concerns that
    /// declare them.
    #[serde(serialize_with = "settings::names")]
    pub modules: BTreeMap<ModuleName, BTreeSet<ConcernName>>,
    /// Artifacts, by the folder that holds their releases.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<ManagedPath, Artifact>,
    /// The system that Nix builds; `None` for hosts that are given files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closure: Option<Closure>,
}

impl Rendered {
    /// A host with nothing declared.
    pub fn empty(host: HostName) -> Self {
        Self {
            host,
            entries: BTreeMap::new(),
            packages: BTreeMap::new(),
            units: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            modules: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            closure: None,
        }
    }

    /// The folder of the artifact that holds `file`, and where the same file is in its release.
    pub(crate) fn in_release(&self, file: &PackageFile) -> Option<(&ManagedPath, ManagedPath)> {
        self.artifacts.iter().find_map(|(base, artifact)| {
            let below = artifact.below_link(base, &file.path)?;
            let path = format!("{base}/{}/{below}", artifact.target());
            Some((base, ManagedPath::new(path).ok()?))
        })
    }

    /// The platform that this is made for.
    pub fn platform(&self) -> Platform {
        let closure = self.closure.as_ref();
        closure.map_or(Platform::Ubuntu, |closure| closure.platform)
    }

    /// What stays on the host as proof of a committed generation: everything but the bytes.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            version: 1,
            host: self.host.clone(),
            paths: self
                .entries
                .iter()
                .map(|(path, e)| (path.clone(), PathState::of(&e.entry)))
                .collect(),
            follow_ups: self
                .entries
                .iter()
                .filter(|(_, e)| !e.follow_ups.is_empty())
                .map(|(path, e)| (path.clone(), e.follow_ups.clone()))
                .collect(),
            packages: self.packages.clone(),
            units: self.units.clone(),
            sysctls: self
                .sysctls
                .iter()
                .map(|(key, want)| (key.clone(), want.value.clone()))
                .collect(),
            modules: self.modules.keys().cloned().collect(),
            closure: self.closure.clone(),
        }
    }
}

/// What is at a path, with the bytes reduced to their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum PathState {
    /// A regular file.
    File {
        /// Hash of its bytes.
        sha256: Sha256Hex,
        /// Mode, owner, group.
        #[serde(flatten)]
        ownership: Ownership,
    },
    /// A directory.
    Directory {
        /// Mode, owner, group.
        #[serde(flatten)]
        ownership: Ownership,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
    /// Nothing.
    Absent,
    /// A device, socket or pipe: never ours.
    Other {
        /// What `find -printf %y` calls it.
        letter: char,
    },
}

impl PathState {
    /// The state that `entry` asks for.
    pub fn of(entry: &Entry) -> Self {
        match entry {
            Entry::File { content, ownership } => Self::File {
                sha256: Sha256Hex::of(content.as_bytes()),
                ownership: ownership.clone(),
            },
            Entry::Directory { ownership } => Self::Directory {
                ownership: ownership.clone(),
            },
            Entry::Symlink { target } => Self::Symlink {
                target: target.clone(),
            },
            Entry::Absent => Self::Absent,
        }
    }
}

impl fmt::Display for PathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { sha256, ownership } => {
                write!(f, "file {ownership} {}", sha256.short())
            }
            Self::Directory { ownership } => write!(f, "directory {ownership}"),
            // It may come from a host.
            Self::Symlink { target } => {
                write!(f, "link to {}", printable_line(target.as_bytes(), 200))
            }
            Self::Absent => f.write_str("absent"),
            Self::Other { letter } => write!(f, "something else (`{}`)", letter.escape_default()),
        }
    }
}

/// A committed generation as it is stored in `/var/lib/deployctl/generations/N/manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version, 1.
    pub version: u32,
    /// The host it was made for.
    pub host: HostName,
    /// Managed paths and what is there.
    pub paths: BTreeMap<ManagedPath, PathState>,
    /// What has to happen after one of them is taken back; paths without any are left out.
    #[serde(default)]
    pub follow_ups: BTreeMap<ManagedPath, BTreeSet<FollowUp>>,
    /// Packages and their pins.
    pub packages: BTreeMap<PackageName, PackageWant>,
    /// Units whose state is ours.
    pub units: BTreeMap<UnitName, UnitWant>,
    /// Live kernel settings.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// Kernel modules.
    pub modules: BTreeSet<ModuleName>,
    /// The system that Nix built; `None` for a generation of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<Closure>,
}

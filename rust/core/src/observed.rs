//! What a host is now, as one round of queries found it.
//!
//! ```text
//! Rendered ── queries(…) ──▶ host ──▶ Answers ── read(…) ──▶ Observed ──▶ plan
//! ```
//!
//! The host adds what its committed generation manages to what is asked, from the plain lists that
//! are stored beside its manifest ([`generation_lists`]), so that one exec is enough.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::artifact::Need;
use crate::closure::ObservedSystem;
use crate::name::{ManagedPath, ModuleName, PackageName, SysctlKey, UnitName};
use crate::precedence::ConfigFiles;
use crate::rendered::{Manifest, PathState, Rendered};

mod accounts;
mod apt;
mod artifacts;
mod ask;
mod complaints;
mod firewall;
mod host;
mod lease;
mod packages;
mod paths;
mod places;
mod read;
mod reading;
mod root;
mod settings;
mod system;
mod units;
mod way_in;

pub use accounts::{Accounts, Group};
pub(crate) use accounts::{
    Declared as DeclaredAccount, declared as declared_accounts, files as sysusers_files,
};
pub use apt::{Holder, ObservedApt, Unfinished};
pub use artifacts::HeldRelease;
pub(crate) use ask::clock_query;
pub use ask::{generation_lists, queries};
pub use complaints::Complaint;
pub(crate) use complaints::NETPLAN;
pub use firewall::{FIREWALL_TABLE, ObservedFirewall, OtherFilter};
pub use host::parse_os_release;
pub use lease::{ask_lease, read_lease};
pub use places::{Above, Places};
pub use read::{ObserveError, read};
pub use settings::Clocks;
pub(crate) use settings::{normalise, parse_clocks};
pub(crate) use way_in::SSH_UNITS;
pub use way_in::{
    Account, Listener, SshUnit, WayIn, find_way, parse as parse_way_in, query as way_in_query,
    sudoers_query_text,
};

/// What to ask a host for.
#[derive(Debug, Clone, Copy)]
pub struct ObserveScope<'a> {
    /// What the host should hold.
    pub rendered: &'a Rendered,
    /// Whether it is a directory: files only. The directory itself is the environment's
    /// `DEPLOYCTL_ROOT`.
    pub sandbox: bool,
    /// Time zones whose clock is asked for (`Australia/Sydney`).
    pub timezones: &'a [&'a str],
}

/// Everything that planning needs to know of a host.
#[expect(clippy::struct_excessive_bools, reason = "each is a separate answer")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Who the host says it is.
    pub identity: Identity,
    /// `/etc/os-release`.
    pub os: OsRelease,
    /// `/proc/sys/kernel/random/boot_id`; empty in a sandbox.
    pub boot_id: String,
    /// `uname -r`.
    pub kernel: String,
    /// `/proc/cmdline`; empty in a sandbox.
    pub command_line: String,
    /// Whether systemd is PID 1.
    pub systemd: bool,
    /// Whether udev answers there; in containers it does not run.
    #[serde(default)]
    pub udev: bool,
    /// Network interfaces by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub interfaces: BTreeSet<String>,
    /// Whether we are root there.
    pub root: bool,
    /// Directories that must be writable and are not.
    pub read_only: BTreeSet<String>,
    /// Free KiB of the file systems that hold `/`, `/boot` and `/var/lib/deployctl`.
    pub free_kib: BTreeMap<String, u64>,
    /// Bytes of the regular files among `paths`.
    pub managed_bytes: u64,
    /// Number of the committed generation; 0 before the first apply.
    pub generation: u32,
    /// Its manifest; `None` at generation 0.
    pub manifest: Option<Manifest>,
    /// An apply that has neither been committed nor rolled back.
    pub pending: Option<PendingApply>,
    /// Every path asked for: those of the new configuration and those of `manifest`.
    pub paths: BTreeMap<ManagedPath, PathState>,
    /// Text of managed files that differ from what was asked for and that everybody may read.
    pub contents: BTreeMap<ManagedPath, String>,
    /// Every package asked for that dpkg knows.
    pub packages: BTreeMap<PackageName, ObservedPackage>,
    /// Every unit asked for.
    pub units: BTreeMap<UnitName, ObservedUnit>,
    /// Units in state `failed`, ours or not: the baseline.
    pub failed_units: BTreeSet<UnitName>,
    /// Every sysctl asked for that the kernel has.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// Loaded kernel modules among those asked for (built-in ones count as loaded).
    pub modules: BTreeSet<ModuleName>,
    /// `/run/reboot-required` exists.
    pub reboot_required: bool,
    /// Paths that wait for a reboot, each with its state at boot: `KIND SHA256 MODE UID GID [TARGET]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_boot: BTreeMap<ManagedPath, String>,
    /// What time it is there; empty where no time zone was asked for.
    #[serde(default)]
    pub clocks: Clocks,
    /// The nftables table of ours; `None` where none is declared, or the host has no nft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<ObservedFirewall>,
    /// Users and groups among those that are declared or own something; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Accounts>,
    /// The places of the managed paths; `None` if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Places>,
    /// What would be in the way of installing; `None` where no package is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apt: Option<ObservedApt>,
    /// How much of the declared artifacts is there, by the folder that holds their releases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<ManagedPath, HeldRelease>,
    /// What staging them needs, and the host does not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lacking: BTreeMap<ManagedPath, BTreeSet<Need>>,
    /// What a host of a Nix platform runs; `None` on others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<ObservedSystem>,
    /// What answers at the SSH port, and what the account that we came by may become.
    #[serde(default)]
    pub way_in: WayIn,
    /// Files that are read together, ours and others.
    #[serde(default)]
    pub config: ConfigFiles,
    /// Lines that the programs which read our files do not take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<Complaint>,
    /// The command line that the boot loader's first entry gives the next kernel; empty if it gives none.
    #[serde(default)]
    pub next_command_line: String,
    /// Queries that gave no usable answer: id and why. Planning refuses what it would have to guess.
    pub unanswered: BTreeMap<String, String>,
}

/// Who a host is, beyond its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// SHA-256 of `/etc/machine-id` with our salt; the id itself is confidential (machine-id(5)).
    pub machine_id_sha256: String,
    /// `hostname`.
    pub hostname: String,
}

/// The two words of os-release(5) that decide what can be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsRelease {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`; empty where the system has none.
    pub version: String,
}

/// A package as dpkg knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedPackage {
    /// `Version`.
    pub version: String,
    /// Whether its status is `install ok installed` (or held and installed).
    pub installed: bool,
    /// Whether it is held.
    pub held: bool,
}

/// A unit as `systemctl show` knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedUnit {
    /// `LoadState`: loaded, not-found, masked, error, …
    pub load: String,
    /// `ActiveState`: active, inactive, failed, activating, …
    pub active: String,
    /// `SubState`.
    pub sub: String,
    /// `UnitFileState`: enabled, disabled, static, masked, or empty.
    pub file: String,
    /// Whether a start would be passed over, since a start condition of the unit is not met.
    pub passed_over: bool,
    /// Whether its files changed since systemd loaded them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_reload: bool,
    /// The unit's own name, where this is another name of it (`Alias=` in systemd.unit(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<UnitName>,
}

impl ObservedUnit {
    /// Whether it is up, or on its way there.
    pub(crate) fn is_active(&self) -> bool {
        is_active(&self.active)
    }
}

/// Whether a unit with this `ActiveState` is up, or on its way there.
fn is_active(state: &str) -> bool {
    matches!(state, "active" | "reloading" | "activating")
}

/// Whether the next boot starts a unit with this `UnitFileState` by itself. `None` where that depends on others, as
/// with a `static` or `generated` one.
pub fn starts_at_boot(state: &str) -> Option<bool> {
    match state {
        "enabled" | "alias" => Some(true),
        // What is enabled in /run is gone by then, and a unit file that is linked in is not enabled.
        "disabled" | "masked" | "masked-runtime" | "enabled-runtime" | "linked"
        | "linked-runtime" => Some(false),
        _ => None,
    }
}

/// An apply that is still open on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingApply {
    /// Its id.
    pub apply: String,
    /// Its phase as the host recorded it.
    pub phase: String,
    /// Who holds the lease: `user@controller`.
    pub holder: String,
    /// Whether it has the lease, and its deadline is behind or the host has booted since: the next apply
    /// rolls it back first.
    #[serde(default)]
    pub overdue: bool,
    /// Seconds until its dead-man timer elapses, while that is armed and in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_seconds: Option<u32>,
}

impl PendingApply {
    /// apply `ID` of `HOLDER`
    pub fn named(&self) -> String {
        if self.holder.is_empty() {
            format!("apply `{}`", self.apply)
        } else {
            format!("apply `{}` of `{}`", self.apply, self.holder)
        }
    }
}

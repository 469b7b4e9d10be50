//! What would change on a host, why, and what that entails.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::artifact::{Need, Source};
use crate::closure::{Closure, StorePath};
use crate::name::{
    ArtifactName, ArtifactPath, ConcernName, HostName, ManagedPath, ModuleName, PackageName,
    SysctlKey, UnitName,
};
use crate::observed::{Identity, OsRelease};
use crate::rendered::{Entry, FollowUp, PathState, Sha256Hex};

mod accounts;
mod apt;
mod archives;
mod artifacts;
mod blackout;
mod closure;
mod disk;
mod drift;
mod firewall;
mod first_step;
mod host;
mod live;
mod lockout;
mod make;
mod overrides;
mod overruled;
mod packages;
mod paths;
mod places;
mod reboot;
mod saved;
mod sshd;
mod target;
mod units;
mod words;

pub(crate) use archives::read_anew;
pub use blackout::{BlackoutState, ask_blackouts, blackouts_now};
pub use first_step::{FirstStep, Later, first_step, not_shown};
pub use make::plan;
pub use overrides::{Override, Overrides};
pub use reboot::RebootReason;
pub use saved::{SavedPlanError, SavedPlans};
pub use sshd::new_port;
pub use target::{BlackoutWindow, KernelDrivers, PlanOptions, Target};

/// Everything that an apply would do to one host. Made by a pure function of what was rendered and
/// what was observed: the same two give the same plan with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Hash over all the rest, 16 hexadecimal digits.
    pub id: String,
    /// Which host.
    pub host: HostName,
    /// Who it was when observed.
    pub identity: Identity,
    /// Its operating system when observed.
    pub os: OsRelease,
    /// Its boot when observed.
    pub boot_id: String,
    /// The generation this plan starts from; committing makes it `base + 1`.
    pub base_generation: u32,
    /// Units that had already failed before us.
    pub failed_units: BTreeSet<UnitName>,
    /// Managed paths that change.
    pub paths: Vec<PathChange>,
    /// Packages that change.
    pub packages: Vec<PackageChange>,
    /// Units that start, stop, restart, reload, or change whether they start at boot.
    pub units: Vec<UnitChange>,
    /// Live kernel settings that change.
    pub sysctls: Vec<SysctlChange>,
    /// Kernel modules that get loaded.
    pub modules: Vec<ModuleName>,
    /// What runs otherwise than unchanged files say, and is put into effect again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<LiveChange>,
    /// Artifacts that are staged before anything changes, or that are switched to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactChange>,
    /// The system that changes; `None` where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<ClosureChange>,
    /// What has to run on the host after the files are in place, in order of execution.
    pub follow_ups: BTreeSet<FollowUp>,
    /// Why a reboot is needed before all of it is in effect; empty when it is not.
    pub reboot: Vec<RebootReason>,
    /// What was changed on the host behind our back since the last commit.
    pub drift: Vec<Drift>,
    /// What must be known before going on; a `refuse` stops the apply.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Whether applying would touch nothing on the host.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
            && self.packages.is_empty()
            && self.units.is_empty()
            && self.sysctls.is_empty()
            && self.modules.is_empty()
            && self.live.is_empty()
            && self.artifacts.is_empty()
            && self.closure.is_none()
    }

    /// Number of its changes.
    pub fn change_count(&self) -> usize {
        self.paths.len()
            + self.packages.len()
            + self.units.len()
            + self.sysctls.len()
            + self.modules.len()
            + self.live.len()
            + self.artifacts.len()
            + usize::from(self.closure.is_some())
    }

    /// Its changes by word, for one line of summary; words without any are left out.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        [
            ("file", self.paths.len()),
            ("package", self.packages.len()),
            ("unit", self.units.len()),
            ("sysctl", self.sysctls.len()),
            ("module", self.modules.len()),
            ("live state", self.live.len()),
            ("artifact", self.artifacts.len()),
            ("system", usize::from(self.closure.is_some())),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
    }

    /// The findings that stop an apply.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Refuse)
    }
}

/// One managed path that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathChange {
    /// Where.
    pub path: ManagedPath,
    /// The concern that declares it; for a restored path, `None`.
    pub concern: Option<ConcernName>,
    /// What is there now.
    pub before: PathState,
    /// What will.
    pub after: PathTarget,
    /// Unified diff of the text, without header; `None` for what is no text or for files that others may not read.
    pub diff: Option<String>,
    /// Nothing is there, and nothing was before deployctl: it is only forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// What a changed path becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "lowercase")]
pub enum PathTarget {
    /// This entry. Bytes of files that others may not read are left out of saved plans.
    Entry {
        /// The state it will have.
        state: PathState,
    },
    /// What stood there before deployctl first managed it (generation 0).
    Original,
}

impl PathTarget {
    /// The target that `entry` asks for.
    pub fn entry(entry: &Entry) -> Self {
        Self::Entry {
            state: PathState::of(entry),
        }
    }
}

/// One package that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageChange {
    /// Which.
    pub name: PackageName,
    /// The concern that declares it; `None` when it is released from our care.
    pub concern: Option<ConcernName>,
    /// Other concerns that need it, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub others: BTreeSet<ConcernName>,
    /// Installed version now.
    pub before: Option<String>,
    /// Version to install: `None` with `PackageAction::Install` means what the archive offers.
    pub after: Option<String>,
    /// What happens to it.
    pub action: PackageAction,
    /// Packages that apt may remove for it, as declared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub replaces: BTreeSet<PackageName>,
    /// The file of an artifact's release that it is installed from; `None` for what archives offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ManagedPath>,
}

impl PackageChange {
    /// All concerns that need it.
    pub fn concerns(&self) -> impl Iterator<Item = &ConcernName> {
        self.concern.iter().chain(&self.others)
    }
}

/// What happens to a package. Packages go forward only; none is removed but what another one is declared
/// to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageAction {
    /// Installed or upgraded.
    Install,
    /// Held against upgrades.
    Hold,
    /// Hold lifted, since no concern declares it; the package stays.
    Unhold,
}

/// One unit that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitChange {
    /// Which.
    pub unit: UnitName,
    /// The concern that declares it; for a restored unit, `None`.
    pub concern: Option<ConcernName>,
    /// What happens to it, in this order.
    pub actions: Vec<UnitAction>,
    /// Why, for people: changed files, or `is inactive`.
    pub reason: String,
    /// Longest time its start may take, in seconds.
    pub start_timeout_seconds: u32,
}

/// What happens to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitAction {
    /// `systemctl enable`.
    Enable,
    /// `systemctl disable`.
    Disable,
    /// `systemctl stop`.
    Stop,
    /// `systemctl start`.
    Start,
    /// `systemctl restart`.
    Restart,
    /// `systemctl reload`.
    Reload,
    /// Back to what it was before deployctl first managed it (generation 0).
    Original,
}

/// One live kernel setting that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SysctlChange {
    /// Which.
    pub key: SysctlKey,
    /// Its live value; `None` when the kernel does not have it (yet).
    pub before: Option<String>,
    /// The value to write; `None` restores what it was before deployctl first managed it.
    pub after: Option<String>,
}

/// Something that runs otherwise than its files say, though they are as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveChange {
    /// `table inet deployctl`, `user bob`.
    pub subject: String,
    /// What is the case: `is not loaded`.
    pub found: String,
    /// Lines that go (`-`) and come (`+`); empty where there is no text to compare.
    pub lines: Vec<String>,
    /// What puts it right; `None` where only the record changes.
    pub follow_up: Option<FollowUp>,
}

/// An artifact that is staged or switched to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactChange {
    /// The concern that declares it.
    pub concern: ConcernName,
    /// What it is, in one word.
    pub kind: ArtifactName,
    /// Which.
    pub name: ArtifactName,
    /// The folder that holds its releases.
    pub base: ManagedPath,
    /// The release that is in use; `None` where there is none.
    pub before: Option<Sha256Hex>,
    /// The release that will be.
    pub after: Sha256Hex,
    /// Where it comes from.
    pub source: Source,
    /// Whether the host makes it of its files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// What else the host makes it of; empty where a generation does not keep that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ArtifactPath>,
    /// Number of its files.
    pub files: usize,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of it that are on the host. Staging changes this and `staged`, so the plan's id leaves both out.
    pub held: u64,
    /// Whether all of it is there and verified.
    pub staged: bool,
    /// What staging needs, and the host does not have before a first step of the apply brings it; empty where none is needed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub awaits: BTreeSet<Need>,
}

/// A system that replaces another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosureChange {
    /// What runs now; `None` where the host could not say.
    pub before: Option<StorePath>,
    /// What will.
    pub after: Closure,
    /// Packages that come, go or change version, by name.
    pub packages: Vec<ClosurePackage>,
    /// Sum of all NAR sizes before and after, in bytes; `None` while the host does not have it.
    pub bytes: Option<(u64, u64)>,
    /// What the activation says it would do to units; see `switch-to-configuration dry-activate`.
    pub units: BTreeMap<SystemAction, BTreeSet<String>>,
}

/// What the activation of a system does to units, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemAction {
    /// Stopped; one that changed is started again.
    Stop,
    /// Changed, and left running as it is.
    Keep,
    /// Reloaded.
    Reload,
    /// Restarted.
    Restart,
    /// Started.
    Start,
}

/// A package whose versions in two closures differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosurePackage {
    /// Its name, without version.
    pub name: String,
    /// Versions that go; empty for one that is new.
    pub before: BTreeSet<String>,
    /// Versions that come; empty for one that goes.
    pub after: BTreeSet<String>,
    /// By how many bytes the closure grows or shrinks with it.
    pub bytes: i64,
}

/// Something changed on the host behind our back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Path, sysctl, package or unit.
    pub subject: String,
    /// What the committed generation says.
    pub committed: String,
    /// What is there.
    pub found: String,
}

/// Something to know before going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Whether it stops an apply.
    pub severity: Severity,
    /// A word for machines: `identity`, `os`, `systemd`, `privilege`, `read-only`, `disk`, `lock`, `lockout`, `platform`, `observe`, `guard`, `nix`, `closure`, `inhibitor`, …
    pub code: String,
    /// A lower-case fragment that names the thing in backticks.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// What the user can say to go on in spite of it; `None` where nothing helps.
    #[serde(skip)]
    pub overridable_by: Option<Override>,
}

impl Finding {
    /// The refusal as one that `overriding` turns into a warning.
    fn unless(self, overriding: Override) -> Self {
        Self {
            overridable_by: Some(overriding),
            ..self
        }
    }

    pub(crate) fn refuse(code: &str, message: String, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Refuse,
            code: code.to_owned(),
            message,
            hint: Some(hint.into()),
            overridable_by: None,
        }
    }

    pub(crate) fn warn(code: &str, message: String, hint: Option<String>) -> Self {
        Self {
            severity: Severity::Warn,
            code: code.to_owned(),
            message,
            hint,
            overridable_by: None,
        }
    }

    pub(crate) fn note(code: &str, message: String, hint: Option<String>) -> Self {
        Self {
            severity: Severity::Note,
            code: code.to_owned(),
            message,
            hint,
            overridable_by: None,
        }
    }
}

/// Whether a finding stops an apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth a second look.
    Warn,
    /// Stops the apply with exit code 9.
    Refuse,
}

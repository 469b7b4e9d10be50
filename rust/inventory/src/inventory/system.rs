//! `system`: what every machine needs before anything else.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{PackagePrefix, PublicKey, ServiceStem, TimeZone};
use crate::name::{AccountName, HostName, ManagedPath};

/// Name, time zone, users, logs, upgrades.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// The machine's own name.
    pub hostname: HostName,
    /// Time zone of logs and timers.
    pub timezone: TimeZone,
    /// Caps of the journal. Linux.
    #[schemars(with = "Journald", extend("x-optional" = true))]
    pub journald: Option<Journald>,
    /// What unattended upgrades leave alone. Linux.
    #[schemars(with = "UnattendedUpgrades", extend("x-optional" = true))]
    pub unattended_upgrades: Option<UnattendedUpgrades>,
    /// Services that a library update must not restart. Linux.
    #[schemars(with = "BTreeSet<ServiceStem>", extend("x-optional" = true))]
    pub needrestart_exempt: Option<BTreeSet<ServiceStem>>,
    /// Seconds without a sign of life until the hardware watchdog resets the machine; null leaves it off. Linux.
    #[schemars(range(min = 10, max = 3600), extend("x-optional" = true))]
    pub watchdog_seconds: Option<u32>,
    /// Whether operators become root without a password. Linux.
    #[schemars(with = "bool", extend("x-optional" = true))]
    pub sudo_passwordless: Option<bool>,
    /// Further accounts; the cluster's operators have theirs anyway. Linux.
    #[schemars(with = "BTreeMap<AccountName, User>", extend("x-optional" = true))]
    pub users: Option<BTreeMap<AccountName, User>>,
}

/// Caps of the journal.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journald {
    /// Most that it may take on disk, in MiB.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub max_use_mib: u32,
    /// Days after which entries go.
    #[schemars(range(min = 1, max = 3650))]
    pub max_retention_days: u32,
}

/// The policy of unattended upgrades.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnattendedUpgrades {
    /// Packages that start so are left alone.
    pub blacklist: BTreeSet<PackagePrefix>,
    /// Whether it may reboot the machine.
    pub automatic_reboot: bool,
}

/// An account beside the operators'.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Supplementary groups.
    pub groups: BTreeSet<AccountName>,
    /// Keys that may log in.
    pub keys: Vec<PublicKey>,
    /// Login shell.
    pub shell: ManagedPath,
}

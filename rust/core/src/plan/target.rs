//! What planning has to know beyond what was rendered and observed: how we get in, who the host should be, and how the
//! program was called.

use std::collections::BTreeSet;

use super::PackageChange;
use crate::concern::Concerns;
use crate::inventory::host::Elevation;
use crate::inventory::{Cluster, Host, Platform};
use crate::name::{ConcernName, HostName};
use crate::observed::OsRelease;

/// A host as the inventory declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub host: HostName,
    /// How it is configured.
    pub platform: Platform,
    /// The operating system that must be found there.
    pub os: OsRelease,
    /// The pinned machine; `None` before `adopt`.
    pub machine_id_sha256: Option<String>,
    /// Where we connect to: a name or an address.
    pub address: String,
    /// The port we connect to.
    pub port: u16,
    /// The port that sshd is to listen at; `None` where the inventory leaves sshd as it is.
    pub ssh_port: Option<u16>,
    /// Who we log in as.
    pub user: String,
    /// Whether that user becomes root by sudo.
    pub sudo: bool,
    /// That user's public keys.
    pub keys: Vec<String>,
    /// Addresses with prefix that the new configuration gives the host's interfaces.
    pub interface_addresses: Vec<String>,
    /// Hours in which a concern's units are left alone.
    pub blackouts: Vec<BlackoutWindow>,
    /// What holds drivers of the kernel.
    pub drivers: KernelDrivers,
}

/// What holds drivers of the kernel: what is loaded runs until a reboot, even if another one is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelDrivers {
    /// The concerns whose packages do.
    pub concerns: BTreeSet<ConcernName>,
    /// What such packages are called in a closure of `NixOS`.
    pub nixos: BTreeSet<String>,
}

impl KernelDrivers {
    fn of(concerns: &Concerns) -> Self {
        let mut drivers = Self::default();
        for concern in concerns {
            if let Some(driver) = &concern.manifest.kernel_driver {
                drivers.concerns.insert(concern.name.clone());
                drivers.nixos.extend(driver.nixos.iter().cloned());
            }
        }
        drivers
    }

    /// Whether the package of a change is one.
    pub(super) fn has(&self, change: &PackageChange) -> bool {
        change.concerns().any(|it| self.concerns.contains(it))
    }
}

/// Hours in which units of one concern must not be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlackoutWindow {
    /// The concern.
    pub concern: String,
    /// Time zone of the hours (`Australia/Sydney`).
    pub timezone: String,
    /// Days, `Mon-Fri` or `Mon,Wed`.
    pub days: String,
    /// First minute of the session, `10:00`.
    pub open: String,
    /// First minute after it, `16:12`.
    pub close: String,
}

impl Target {
    /// What planning needs of the facts of host `name`, for the user and the addresses that the
    /// inventory declares, which can declare `concerns`. A login that is no operator of `cluster` has no keys here.
    pub fn of(name: &HostName, host: &Host, cluster: &Cluster, concerns: &Concerns) -> Self {
        let connection = &host.connection;
        let operator = cluster.operators.get(&connection.user);
        let keys = operator.into_iter().flat_map(|operator| &operator.keys);
        let network = host.network.iter();
        let interfaces = network.flat_map(|network| network.interfaces.values());
        Self {
            host: name.clone(),
            platform: host.platform,
            os: OsRelease {
                id: host.os.id.as_str().to_owned(),
                version: host.os.version.to_string(),
            },
            machine_id_sha256: host
                .identity
                .as_ref()
                .map(|identity| identity.machine_id_sha256.to_string()),
            address: connection.address.to_string(),
            port: connection.port.number(),
            ssh_port: host.ssh.as_ref().map(|ssh| ssh.port.number()),
            user: connection.user.to_string(),
            sudo: connection.elevation == Elevation::Sudo,
            keys: keys.map(ToString::to_string).collect(),
            interface_addresses: interfaces
                .flat_map(|interface| &interface.addresses)
                .map(ToString::to_string)
                .collect(),
            blackouts: BlackoutWindow::all_of(host),
            drivers: KernelDrivers::of(concerns),
        }
    }

    /// Time zones whose clock has to be asked for, for [`crate::observed::ObserveScope`].
    pub fn timezones(&self) -> Vec<&str> {
        let windows = self.blackouts.iter();
        let zones: BTreeSet<_> = windows.map(|window| window.timezone.as_str()).collect();
        zones.into_iter().collect()
    }
}

impl BlackoutWindow {
    /// The hours of every concern of `host` that declares some: `trading.session`.
    pub fn all_of(host: &Host) -> Vec<Self> {
        let all = host.blackouts.iter();
        all.map(|(concern, hours)| Self {
            concern: concern.clone(),
            timezone: hours.timezone.to_string(),
            days: hours.days.to_string(),
            open: hours.open.to_string(),
            close: hours.close.to_string(),
        })
        .collect()
    }
}

/// What planning has to know beside the target and what was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// The host is a directory: files only.
    pub sandbox: bool,
    /// The wanted system must already be in the host's store: nothing copies it from here on. For what
    /// was copied just before, and for a rollback.
    pub present: bool,
    /// This run has a password for sudo.
    pub password: bool,
}

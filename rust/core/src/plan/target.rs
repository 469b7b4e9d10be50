//! What planning has to know of a host beyond what was rendered: how we get in, and who it should be.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::name::HostName;
use crate::observed::OsRelease;

/// A host as the inventory declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub host: HostName,
    /// `ubuntu`, `nixos` or `darwin`.
    pub platform: String,
    /// The operating system that must be found there.
    pub os: OsRelease,
    /// The pinned machine; `None` before `adopt`.
    pub machine_id_sha256: Option<String>,
    /// Where we connect to: a name or an address.
    pub address: String,
    /// The port we connect to.
    pub port: u16,
    /// Who we log in as.
    pub user: String,
    /// Whether that user becomes root by sudo.
    pub sudo: bool,
    /// That user's public keys.
    pub keys: Vec<String>,
    /// Addresses with prefix that the new configuration gives the host's interfaces.
    pub interface_addresses: Vec<String>,
    /// Hours in which a concern's units are left alone.
    pub guards: Vec<Guard>,
}

/// Hours in which units of one concern must not be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
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
    /// Reads host `host` out of the inventory's raw JSON (version 1), defaults filled in. What is
    /// absent there is empty here; a host that is absent gives `None`.
    pub fn of(inventory: &Value, host: &HostName) -> Option<Self> {
        let facts = inventory.get("hosts")?.get(host.as_str())?;
        let text = |pointer: &str| {
            facts
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let user = text("/connection/user");
        let keys = inventory
            .pointer(&format!("/cluster/operators/{user}/keys"))
            .map(strings)
            .unwrap_or_default();
        let interfaces = facts
            .pointer("/network/interfaces")
            .and_then(Value::as_object);
        Some(Self {
            host: host.clone(),
            platform: text("/platform"),
            os: OsRelease {
                id: text("/os/id"),
                version: text("/os/version"),
            },
            machine_id_sha256: facts
                .pointer("/identity/machine_id_sha256")
                .and_then(Value::as_str)
                .map(str::to_owned),
            address: text("/connection/address"),
            port: facts
                .pointer("/connection/port")
                .and_then(Value::as_u64)
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(22),
            sudo: text("/connection/become") == "sudo",
            keys,
            interface_addresses: interfaces
                .into_iter()
                .flat_map(|interfaces| interfaces.values())
                .filter_map(|interface| interface.get("addresses"))
                .flat_map(strings)
                .collect(),
            guards: guards(facts),
            user,
        })
    }

    /// Time zones whose clock has to be asked for, for [`crate::observed::Scope`].
    pub fn timezones(&self) -> Vec<&str> {
        let zones: BTreeSet<_> = self.guards.iter().map(|g| g.timezone.as_str()).collect();
        zones.into_iter().collect()
    }
}

/// Every concern that has a `session`.
fn guards(facts: &Value) -> Vec<Guard> {
    let concerns = facts.as_object().into_iter().flatten();
    concerns
        .filter_map(|(concern, facts)| {
            let session = facts.get("session")?.as_object()?;
            let text = |key: &str| Some(session.get(key)?.as_str()?.to_owned());
            Some(Guard {
                concern: concern.clone(),
                timezone: text("timezone")?,
                days: text("days")?,
                open: text("open")?,
                close: text("close")?,
            })
        })
        .collect()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

//! `concern.toml`: what there is to know of a concern beside its facts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::inventory::Platform;
use crate::name::UnitName;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is about, in one sentence.
    pub summary: String,
    /// Where a host can declare it.
    pub platforms: BTreeSet<Platform>,
    /// Its place among the others in reports, from the first on; left out: after those that have one.
    #[serde(default)]
    pub order: Option<u32>,
    /// Why the other platforms cannot have it.
    #[serde(default)]
    pub without: BTreeMap<Platform, String>,
    /// Where its facts put nothing on a host and are only checked, and why.
    #[serde(default)]
    pub checked_only: BTreeMap<Platform, String>,
    /// What Ubuntu and `NixOS` get differently of the same facts, and why: each a thing as the trial names it, or several,
    /// where `*` is any text.
    #[serde(default)]
    pub parity: BTreeMap<String, String>,
    /// Facts of it whose value is a group that it makes on the host, by their paths below the concern.
    #[serde(default)]
    pub makes_groups: Vec<String>,
    /// Facts of it whose value is a group that something on the host has to make.
    #[serde(default)]
    pub needs_groups: Vec<String>,
    /// Facts of it whose value is the name of a secret; `*` in a path is every entry of an attribute set.
    #[serde(default)]
    pub names_secrets: Vec<String>,
    /// Facts of it that are attribute sets of packages with the exact version of each: concerns must agree on it.
    #[serde(default)]
    pub exact_packages: Vec<String>,
    /// Parameters of the kernel's command line that it writes, each with the fact that decides it, by the fact's path
    /// below the concern: no other concern may set them.
    #[serde(default)]
    pub kernel_parameters: BTreeMap<String, String>,
    /// Kernel settings that it writes, in the same way.
    #[serde(default)]
    pub kernel_settings: BTreeMap<String, String>,
    /// The fact that says in which hours its units are left alone, by its path below the concern; its schema is
    /// `deployctl:blackout-hours`, or null.
    #[serde(default)]
    pub blackout: Option<String>,
    /// That its packages hold a driver of the kernel.
    #[serde(default)]
    pub kernel_driver: Option<KernelDriver>,
    /// What the running kernel must be able to do, beside what `kernel` itself asks for.
    #[serde(default)]
    pub kernel_features: BTreeSet<KernelFeature>,
    /// What it serves by TCP.
    #[serde(default)]
    pub listens: Vec<Listener>,
    /// Concerns whose first example the hosts have, too, on which its examples are tried.
    #[serde(default)]
    pub example_with: Vec<String>,
    /// What these hosts say beside all examples: facts that the examples need.
    #[serde(default)]
    pub example_host: Map<String, Value>,
    /// Links that the examples name, as `cluster.links` has them; their host is called `example`.
    #[serde(default)]
    pub example_links: Map<String, Value>,
    /// Other hosts that the examples name, with what each says beside what every host says.
    #[serde(default)]
    pub example_hosts: Map<String, Value>,
    /// The units that run where the platform's own module makes them; on Ubuntu `ubuntu/module.toml` says them.
    #[serde(default, rename = "unit")]
    pub units: Vec<PlatformUnit>,
}

/// A driver in a concern's packages: what is loaded runs until a reboot, even if another one is installed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelDriver {
    /// What these packages are called in a closure of `NixOS`.
    #[serde(default)]
    pub nixos: BTreeSet<String>,
}

/// What a kernel can do that its symbols alone do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelFeature {
    /// It describes its types.
    Btf,
    /// eBPF is compiled, and its filesystem is mounted.
    Bpf,
    /// It has `io_uring`, and does not forbid it to all.
    IoUring,
}

/// Something that listens by TCP at an address and a port of its facts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// A fact of the concern that is an attribute set of such servers; left out: the concern is one.
    #[serde(default)]
    pub each: Option<String>,
    /// What each of these is called.
    #[serde(default)]
    pub called: Option<String>,
    /// The fact with its address.
    pub address: String,
    /// The fact with its port.
    pub port: String,
    /// Whether its address must be of a declared interface even where no interface is declared.
    #[serde(default)]
    pub on_declared_interface: bool,
    /// Whether the hosts at the other ends of links ask it.
    #[serde(default)]
    pub for_peers: bool,
}

/// A unit that a platform's module makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformUnit {
    /// Where.
    pub platform: Platform,
    /// Its name there; left out with `each`.
    #[serde(default)]
    pub name: Option<UnitName>,
    /// A fact of the concern that is an attribute set with an entry for each of several services, by their names without
    /// `.service`.
    #[serde(default)]
    pub each: Option<String>,
    /// A fact of the concern that has to be true for it to run; left out: it runs wherever the concern is declared.
    #[serde(default)]
    pub when: Option<String>,
}

impl PlatformUnit {
    /// The names that it has on a host with these `facts` of its concern.
    pub fn names(&self, facts: &Value) -> Vec<UnitName> {
        let each = self.each.as_ref();
        let entries = each.and_then(|each| facts[each].as_object());
        let services = entries.into_iter().flatten();
        let services = services.filter_map(|(key, _)| UnitName::new(format!("{key}.service")).ok());
        self.name.iter().cloned().chain(services).collect()
    }

    /// Which it is, in words.
    pub fn told(&self) -> String {
        match (&self.name, &self.each) {
            (Some(name), _) => format!("`{name}`"),
            (None, Some(each)) => format!("each of `{each}`"),
            (None, None) => "one without a name".to_owned(),
        }
    }
}

impl Manifest {
    /// Why a host of `platform` cannot declare it; `None` where it can.
    pub fn unavailable(&self, platform: Platform) -> Option<&str> {
        if self.platforms.contains(&platform) {
            return None;
        }
        Some(self.without.get(&platform).map_or("", String::as_str))
    }

    /// Whether its facts put something on a host of `platform`.
    pub fn puts_something_on(&self, platform: Platform) -> bool {
        self.platforms.contains(&platform) && !self.checked_only.contains_key(&platform)
    }

    /// Whether there is something to compare between Ubuntu and `NixOS`.
    pub fn has_parity(&self) -> bool {
        [Platform::Ubuntu, Platform::Nixos]
            .into_iter()
            .all(|it| self.puts_something_on(it))
    }

    /// What contradicts itself, in words.
    pub(super) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.platforms.is_empty() {
            found.push("`platforms` is empty; expected at least one".to_owned());
        }
        for platform in Platform::ALL {
            let declares = self.platforms.contains(&platform);
            if declares == self.without.contains_key(&platform) {
                found.push(if declares {
                    format!("`{platform}` is in `platforms` and in `[without]`")
                } else {
                    format!("`{platform}` is not in `platforms`, and `[without]` does not say why")
                });
            }
            if !declares && self.checked_only.contains_key(&platform) {
                found.push(format!(
                    "`[checked_only]` names `{platform}`, which `platforms` does not"
                ));
            }
        }
        if !self.parity.is_empty() && !self.has_parity() {
            found.push(
                "`[parity]` says how Ubuntu and NixOS differ, and one of them gets nothing"
                    .to_owned(),
            );
        }
        for (thing, reason) in &self.parity {
            if reason.trim().is_empty() {
                found.push(format!("`[parity]` gives no reason for `{thing}`"));
            }
        }
        for unit in &self.units {
            if !self.platforms.contains(&unit.platform) {
                found.push(format!(
                    "{} is a unit of `{}`, which `platforms` does not name",
                    unit.told(),
                    unit.platform
                ));
            }
            if unit.name.is_some() == unit.each.is_some() {
                let problem = "a `[[unit]]` has `name`, or `each` for several by their names";
                found.push(problem.to_owned());
            }
        }
        found
    }
}

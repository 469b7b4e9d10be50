//! Live kernel settings and kernel modules, with the concerns that declare them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serializer};

use super::{Entry, ManagedEntry, PackageWant, Rendered, UnitWant};
use crate::artifact::Artifact;
use crate::closure::Closure;
use crate::name::{
    ConcernName, HostName, ManagedPath, ModuleName, PackageName, SysctlKey, UnitName,
};

/// A live kernel setting that a host should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysctlWant {
    /// What it is set to, words separated by single spaces.
    pub value: String,
    /// The concerns that declare it: more than one may, if they agree on the value.
    pub concerns: BTreeSet<ConcernName>,
}

/// A file of settings, one a line.
pub(crate) struct SettingsFile<'a> {
    content: &'a str,
}

impl<'a> SettingsFile<'a> {
    /// The file at `path` if it is one that `systemd-sysctl` reads.
    pub(crate) fn of_sysctls(path: &ManagedPath, managed: &'a ManagedEntry) -> Option<Self> {
        Self::directly_below("/etc/sysctl.d/", path, managed)
    }

    /// The file at `path` if it is one that `systemd-modules-load` reads.
    pub(crate) fn of_modules(path: &ManagedPath, managed: &'a ManagedEntry) -> Option<Self> {
        Self::directly_below("/etc/modules-load.d/", path, managed)
    }

    fn directly_below(
        directory: &str,
        path: &ManagedPath,
        managed: &'a ManagedEntry,
    ) -> Option<Self> {
        let name = path.as_str().strip_prefix(directory)?;
        let Entry::File { content, .. } = &managed.entry else {
            return None;
        };
        let is_read =
            !name.contains('/') && name.rsplit_once('.').is_some_and(|(_, e)| e == "conf");
        is_read.then_some(Self { content })
    }

    /// Its lines that are no comments, with their numbers from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let lines = self.content.lines().map(str::trim).enumerate();
        lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
            .map(|(index, line)| (index + 1, line))
    }
}

/// Key and value of a line `key = value`; `None` for anything else.
pub fn setting(line: &str) -> Option<(SysctlKey, String)> {
    let (key, value) = line.split_once('=')?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    Some((SysctlKey::new(key.trim()).ok()?, value))
}

/// [`Rendered`] as generations on hosts hold it: there only the files name the concern of a setting or module.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    host: HostName,
    entries: BTreeMap<ManagedPath, ManagedEntry>,
    packages: BTreeMap<PackageName, PackageWant>,
    units: BTreeMap<UnitName, UnitWant>,
    sysctls: BTreeMap<SysctlKey, String>,
    modules: BTreeSet<ModuleName>,
    #[serde(default)]
    artifacts: BTreeMap<ManagedPath, Artifact>,
    #[serde(default)]
    closure: Option<Closure>,
}

impl From<Stored> for Rendered {
    fn from(stored: Stored) -> Self {
        let want = |value| SysctlWant {
            value,
            concerns: BTreeSet::new(),
        };
        let sysctls = stored.sysctls.into_iter();
        let mut sysctls: BTreeMap<_, _> = sysctls.map(|(key, value)| (key, want(value))).collect();
        let modules = stored.modules.into_iter();
        let mut modules: BTreeMap<_, _> = modules.map(|name| (name, BTreeSet::new())).collect();
        for (path, managed) in &stored.entries {
            let file = SettingsFile::of_sysctls(path, managed);
            let lines = file.iter().flat_map(SettingsFile::lines);
            for (key, _) in lines.filter_map(|(_, line)| setting(line)) {
                if let Some(want) = sysctls.get_mut(&key) {
                    want.concerns.insert(managed.concern.clone());
                }
            }
            let file = SettingsFile::of_modules(path, managed);
            let lines = file.iter().flat_map(SettingsFile::lines);
            for name in lines.filter_map(|(_, line)| ModuleName::new(line).ok()) {
                if let Some(concerns) = modules.get_mut(&name) {
                    concerns.insert(managed.concern.clone());
                }
            }
        }
        Self {
            host: stored.host,
            entries: stored.entries,
            packages: stored.packages,
            units: stored.units,
            sysctls,
            modules,
            artifacts: stored.artifacts,
            closure: stored.closure,
        }
    }
}

/// Writes the values without the concerns: see [`Stored`].
pub(super) fn values<S: Serializer>(
    sysctls: &BTreeMap<SysctlKey, SysctlWant>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(sysctls.iter().map(|(key, want)| (key, &want.value)))
}

/// Writes the names without the concerns: see [`Stored`].
pub(super) fn names<S: Serializer>(
    modules: &BTreeMap<ModuleName, BTreeSet<ConcernName>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(modules.keys())
}

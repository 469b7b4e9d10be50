//! What has been declared for a host so far, and what the declarations say about each other.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Fault, RenderError};
use super::place;
use crate::artifact::Artifact;
use crate::name::{
    ConcernName, HostName, ManagedPath, ModuleName, PackageName, SysctlKey, UnitName,
};
use crate::rendered::{
    Entry, ManagedEntry, PackageWant, Rendered, SettingsFile, SysctlWant, UnitWant, setting,
};

/// Where something is declared.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) file: String,
    pub(super) line: usize,
}

/// A `Rendered` in the making.
#[derive(Debug)]
pub(super) struct Draft {
    host: HostName,
    entries: BTreeMap<ManagedPath, (ManagedEntry, Origin)>,
    packages: BTreeMap<PackageName, (PackageWant, Origin)>,
    units: BTreeMap<UnitName, (UnitWant, Origin)>,
    artifacts: BTreeMap<ManagedPath, (Artifact, Origin)>,
    pub(super) errors: Vec<RenderError>,
}

impl Draft {
    pub(super) fn new(host: HostName) -> Self {
        Self {
            host,
            entries: BTreeMap::new(),
            packages: BTreeMap::new(),
            units: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    fn fail(&mut self, at: &Origin, fault: Fault) {
        self.errors.push(RenderError {
            file: at.file.clone(),
            line: at.line,
            host: Some(self.host.clone()),
            fault: fault.into(),
            hint: None,
        });
    }

    pub(super) fn add_path(&mut self, path: ManagedPath, entry: ManagedEntry, origin: Origin) {
        if let Some((_, first)) = self.entries.get(&path) {
            let first = first.to_string();
            self.fail(&origin, Fault::PathTaken { path, first });
        } else if let Some(reserved) = place::reserved(path.as_str()) {
            self.fail(&origin, Fault::PathReserved { path, reserved });
        } else {
            self.entries.insert(path, (entry, origin));
        }
    }

    /// Several concerns may need the same package, if all that ask for more than that it is there ask for the same.
    pub(super) fn add_package(&mut self, name: PackageName, want: PackageWant, origin: Origin) {
        let Some((other, first)) = self.packages.get_mut(&name) else {
            self.packages.insert(name, (want, origin));
            return;
        };
        let same = want.version == other.version
            && want.hold == other.hold
            && want.replaces == other.replaces
            && want.file == other.file;
        let agrees = same || want.is_plain() || other.is_plain();
        if !agrees || other.concerns().any(|concern| *concern == want.concern) {
            let first = first.to_string();
            let name = name.to_string();
            self.fail(
                &origin,
                Fault::NameTaken {
                    kind: "package",
                    name,
                    first,
                },
            );
            return;
        }
        let mut others = std::mem::take(&mut other.others);
        if other.is_plain() && !want.is_plain() {
            others.insert(other.concern.clone());
            *other = want;
            *first = origin;
        } else {
            others.insert(want.concern);
        }
        other.others = others;
    }

    pub(super) fn add_unit(&mut self, name: UnitName, want: UnitWant, origin: Origin) {
        if let Some((_, first)) = self.units.get(&name) {
            let first = first.to_string();
            let name = name.to_string();
            self.fail(
                &origin,
                Fault::NameTaken {
                    kind: "unit",
                    name,
                    first,
                },
            );
        } else {
            self.units.insert(name, (want, origin));
        }
    }

    /// Takes an artifact whose link `current` was added before.
    pub(super) fn add_artifact(&mut self, base: ManagedPath, artifact: Artifact, origin: Origin) {
        let same = |other: &Artifact| other.kind == artifact.kind && other.name == artifact.name;
        let first = self.artifacts.iter().find_map(|(at, (other, first))| {
            (*at == base || same(other)).then(|| first.to_string())
        });
        if let Some(first) = first {
            let name = format!("{} {}", artifact.kind, artifact.name);
            let kind = "artifact";
            self.fail(&origin, Fault::NameTaken { kind, name, first });
        } else {
            self.artifacts.insert(base, (artifact, origin));
        }
    }

    /// Checks the declarations against each other and reads the live settings out of the files.
    pub(super) fn finish(mut self) -> (Rendered, Vec<RenderError>) {
        self.check_nesting();
        // A path that could not be rendered would be missed again here.
        if self.errors.is_empty() {
            self.check_watches();
            self.find_package_files();
        }
        let sysctls = self.sysctls();
        let modules = self.modules();
        let rendered = Rendered {
            host: self.host,
            entries: strip(self.entries),
            packages: strip(self.packages),
            units: strip(self.units),
            sysctls,
            modules,
            artifacts: strip(self.artifacts),
            closure: None,
        };
        (rendered, self.errors)
    }

    /// Only a directory can hold other paths.
    fn check_nesting(&mut self) {
        let mut faults = Vec::new();
        for (path, (_, origin)) in &self.entries {
            let mut above = path.as_str();
            while let Some((parent, _)) = above.rsplit_once('/').filter(|(p, _)| !p.is_empty()) {
                above = parent;
                let Some((above, (entry, first))) = self.entries.get_key_value(parent) else {
                    continue;
                };
                let kind = match entry.entry {
                    Entry::Directory { .. } => continue,
                    Entry::File { .. } => "a file",
                    Entry::Symlink { .. } => "a symlink",
                    Entry::Absent => "absent",
                };
                let fault = Fault::PathBelow {
                    path: path.clone(),
                    above: above.clone(),
                    first: first.to_string(),
                    kind,
                };
                faults.push((origin.clone(), fault));
            }
        }
        for (origin, fault) in faults {
            self.fail(&origin, fault);
        }
    }

    fn check_watches(&mut self) {
        let mut faults = Vec::new();
        for (unit, (want, origin)) in &self.units {
            for path in want
                .watch
                .iter()
                .filter(|path| !self.entries.contains_key(*path))
            {
                let fault = Fault::WatchesNothing {
                    unit: unit.clone(),
                    path: path.clone(),
                };
                faults.push((origin.clone(), fault));
            }
        }
        for (origin, fault) in faults {
            self.fail(&origin, fault);
        }
    }

    /// Finds the artifact of each package that is installed from a file.
    fn find_package_files(&mut self) {
        let mut faults = Vec::new();
        for (package, (want, origin)) in &mut self.packages {
            let Some(file) = &mut want.file else { continue };
            let mut artifacts = self.artifacts.iter();
            let found = artifacts.find_map(|(base, (artifact, _))| {
                Some((artifact, artifact.below_link(base, &file.path)?))
            });
            if let Some((artifact, below)) = found {
                let known = artifact.files.get(&below).filter(|_| !artifact.made);
                file.sha256 = known.map(|known| known.sha256.clone());
            } else {
                let (package, file) = (package.clone(), file.path.clone());
                faults.push((origin.clone(), Fault::PackageFile { package, file }));
            }
        }
        for (origin, fault) in faults {
            self.fail(&origin, fault);
        }
    }

    /// Live kernel settings. A line that begins with `-` may fail at boot, so nothing holds the
    /// live value to it.
    fn sysctls(&mut self) -> BTreeMap<SysctlKey, SysctlWant> {
        let mut wants: BTreeMap<SysctlKey, SysctlWant> = BTreeMap::new();
        let mut places: BTreeMap<SysctlKey, &ManagedPath> = BTreeMap::new();
        let mut faults = Vec::new();
        for (path, (managed, origin)) in &self.entries {
            let file = SettingsFile::of_sysctls(path, managed);
            let lines = file.iter().flat_map(SettingsFile::lines);
            for (line, text) in lines.filter(|(_, text)| !text.starts_with('-')) {
                let Some((key, value)) = setting(text) else {
                    let fault = Fault::Unreadable {
                        path: path.clone(),
                        line,
                        expected: "`key = value` setting",
                        text: text.to_owned(),
                    };
                    faults.push((origin.clone(), fault));
                    continue;
                };
                let want = wants.entry(key.clone()).or_insert_with(|| SysctlWant {
                    value: value.clone(),
                    concerns: BTreeSet::new(),
                });
                if let Some(by) = places.get(&key).filter(|_| want.value != value) {
                    let fault = Fault::SettingTaken {
                        key: key.to_string(),
                        value,
                        other: want.value.clone(),
                        path: (*by).clone(),
                    };
                    faults.push((origin.clone(), fault));
                    continue;
                }
                want.concerns.insert(managed.concern.clone());
                places.insert(key, path);
            }
        }
        for (origin, fault) in faults {
            self.fail(&origin, fault);
        }
        wants
    }

    fn modules(&mut self) -> BTreeMap<ModuleName, BTreeSet<ConcernName>> {
        let mut modules: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut faults = Vec::new();
        for (path, (managed, origin)) in &self.entries {
            let file = SettingsFile::of_modules(path, managed);
            for (line, text) in file.iter().flat_map(SettingsFile::lines) {
                if let Ok(name) = ModuleName::new(text) {
                    let concerns = modules.entry(name).or_default();
                    concerns.insert(managed.concern.clone());
                } else {
                    let fault = Fault::Unreadable {
                        path: path.clone(),
                        line,
                        expected: "kernel module's name",
                        text: text.to_owned(),
                    };
                    faults.push((origin.clone(), fault));
                }
            }
        }
        for (origin, fault) in faults {
            self.fail(&origin, fault);
        }
        modules
    }
}

fn strip<K: Ord, V>(with_origins: BTreeMap<K, (V, Origin)>) -> BTreeMap<K, V> {
    with_origins
        .into_iter()
        .map(|(key, (value, _))| (key, value))
        .collect()
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

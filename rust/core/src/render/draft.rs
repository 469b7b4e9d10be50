//! What has been declared for a host so far, and what the declarations say about each other.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Fault, RenderError};
use crate::name::{HostName, ManagedPath, ModuleName, PackageName, SysctlKey, UnitName};
use crate::rendered::{Entry, ManagedEntry, PackageWant, Rendered, UnitWant};

/// Places that are not for managing: the kernel's, what a boot clears, deployctl's own, and the files of
/// accounts, whose tools (`sysusers.d`, drop-ins) change them a line at a time.
const RESERVED: [&str; 12] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/lib/deployctl",
    "/etc/systemd/system/deployctl-recover.service",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
];

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
    pub(super) errors: Vec<RenderError>,
}

impl Draft {
    pub(super) fn new(host: HostName) -> Self {
        Self {
            host,
            entries: BTreeMap::new(),
            packages: BTreeMap::new(),
            units: BTreeMap::new(),
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
        } else if let Some(reserved) = RESERVED.into_iter().find(|r| is_below(path.as_str(), r)) {
            self.fail(&origin, Fault::PathReserved { path, reserved });
        } else {
            self.entries.insert(path, (entry, origin));
        }
    }

    pub(super) fn add_package(&mut self, name: PackageName, want: PackageWant, origin: Origin) {
        if let Some((_, first)) = self.packages.get(&name) {
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
        } else {
            self.packages.insert(name, (want, origin));
        }
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

    /// Checks the declarations against each other and reads the live settings out of the files.
    pub(super) fn finish(mut self) -> (Rendered, Vec<RenderError>) {
        self.check_nesting();
        // A path that could not be rendered would be missed again here.
        if self.errors.is_empty() {
            self.check_watches();
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

    /// The lines of the rendered files below `directory` that are no comments.
    fn lines(&self, directory: &str) -> Vec<(ManagedPath, Origin, usize, String)> {
        let mut lines = Vec::new();
        for (path, (entry, origin)) in &self.entries {
            let Entry::File { content, .. } = &entry.entry else {
                continue;
            };
            let below = path.as_str().strip_prefix(directory);
            if !below.is_some_and(|name| {
                name.rsplit_once('.').is_some_and(|(_, end)| end == "conf") && !name.contains('/')
            }) {
                continue;
            }
            for (index, line) in content.lines().enumerate() {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with(['#', ';']) {
                    lines.push((path.clone(), origin.clone(), index + 1, line.to_owned()));
                }
            }
        }
        lines
    }

    /// Live kernel settings. A line that begins with `-` may fail at boot, so nothing holds the
    /// live value to it.
    fn sysctls(&mut self) -> BTreeMap<SysctlKey, String> {
        let mut settings: BTreeMap<SysctlKey, (String, ManagedPath)> = BTreeMap::new();
        for (path, origin, line, text) in self.lines("/etc/sysctl.d/") {
            if text.starts_with('-') {
                continue;
            }
            let setting = text.split_once('=').and_then(|(key, value)| {
                let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
                Some((SysctlKey::new(key.trim()).ok()?, value))
            });
            let Some((key, value)) = setting else {
                let expected = "`key = value` setting";
                self.fail(
                    &origin,
                    Fault::Unreadable {
                        path,
                        line,
                        expected,
                        text,
                    },
                );
                continue;
            };
            match settings.get(&key) {
                Some((other, by)) if *other != value => {
                    let key = key.to_string();
                    let fault = Fault::SettingTaken {
                        key,
                        value,
                        other: other.clone(),
                        path: by.clone(),
                    };
                    self.fail(&origin, fault);
                }
                _ => {
                    settings.insert(key, (value, path));
                }
            }
        }
        settings
            .into_iter()
            .map(|(key, (value, _))| (key, value))
            .collect()
    }

    fn modules(&mut self) -> BTreeSet<ModuleName> {
        let mut modules = BTreeSet::new();
        for (path, origin, line, text) in self.lines("/etc/modules-load.d/") {
            if let Ok(name) = ModuleName::new(text.as_str()) {
                modules.insert(name);
            } else {
                let expected = "kernel module's name";
                self.fail(
                    &origin,
                    Fault::Unreadable {
                        path,
                        line,
                        expected,
                        text,
                    },
                );
            }
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

fn is_below(path: &str, directory: &str) -> bool {
    path == directory
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

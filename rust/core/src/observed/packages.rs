//! Reads `dpkg-query` lines: package, architecture, version, want, status.

use std::collections::BTreeMap;

use super::ObservedPackage;
use crate::name::PackageName;
use crate::query::printable_line;

/// By package name, and by `name:architecture` too, so that either spelling is found. Where several
/// architectures are known, the plain name means the installed one.
pub(super) fn parse(section: &[u8]) -> BTreeMap<PackageName, ObservedPackage> {
    let mut packages: BTreeMap<PackageName, ObservedPackage> = BTreeMap::new();
    for line in String::from_utf8_lossy(section).lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(arch), Some(version), Some(want), Some(status)) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            continue;
        };
        let package = ObservedPackage {
            version: printable_line(version.as_bytes(), 128),
            installed: status == "installed",
            held: want == "hold",
        };
        if let Ok(qualified) = PackageName::new(format!("{name}:{arch}")) {
            packages.insert(qualified, package.clone());
        }
        if let Ok(name) = PackageName::new(name) {
            let better = packages.get(&name).is_none_or(|known| !known.installed);
            if better {
                packages.insert(name, package);
            }
        }
    }
    packages
}

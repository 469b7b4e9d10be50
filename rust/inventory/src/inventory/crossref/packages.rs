//! Packages and files: declared once, or the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::concern::Concerns;
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(
    name: &HostName,
    host: &Host,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    let at = FactPath::host(name);
    let mut versions: BTreeMap<&str, (String, &str)> = BTreeMap::new();
    let facts = concerns.iter().flat_map(|concern| {
        let paths = concern.manifest.exact_packages.iter();
        paths.map(|path| format!("{}.{path}", concern.name))
    });
    for fact in facts {
        let packages = host.fact(&fact).and_then(Value::as_object);
        for (package, version) in packages.into_iter().flatten() {
            let Some(version) = version.as_str() else {
                continue;
            };
            let known = versions.insert(package, (fact.clone(), version));
            if let Some((other, other_version)) = known
                && other_version != version
            {
                findings.add(
                    at.clone().keys(&fact).key(package),
                    format!("is `{version}`; `{other}` has `{other_version}`"),
                );
            }
        }
    }

    let mut paths = BTreeSet::new();
    let files = host.extra.as_ref().and_then(|extra| extra.files.as_ref());
    for (index, file) in files.into_iter().flatten().enumerate() {
        if !paths.insert(&file.path) {
            findings.add(
                at.clone().keys("extra.files").index(index).key("path"),
                format!("is `{}`, as of another file", file.path),
            );
        }
    }
}

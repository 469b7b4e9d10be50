//! What has one owner: packages and files are declared once, or the same everywhere; each kernel setting and each word of
//! the kernel's command line belongs to one concern.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::concern::{Concerns, Manifest};
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::kernel::Kernel;
use crate::inventory::path::FactPath;
use crate::name::HostName;

/// Packages and files: declared once, or the same everywhere.
pub(super) fn check_packages(
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

/// Kernel settings and words of its command line: each has one owner.
pub(super) fn check_kernel(
    name: &HostName,
    host: &Host,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    let at = FactPath::host(name);
    if let Some(kernel) = &host.kernel {
        check_words(&at, kernel, concerns, findings);
        check_settings(&at, kernel, concerns, findings);
    }
    let settings = host.network.as_ref().and_then(|n| n.sysctl.as_ref());
    for key in settings.into_iter().flat_map(|s| s.keys()) {
        if !key.as_str().starts_with("net.") {
            findings.add_with_hint(
                at.clone().keys("network.sysctl").key(key),
                "is not a network setting",
                "it belongs to `kernel.sysctl`",
            );
        }
    }
}

/// The fact of another concern that decides `word`.
fn owner(
    concerns: &Concerns,
    word: &str,
    written: fn(&Manifest) -> &BTreeMap<String, String>,
) -> Option<String> {
    concerns.iter().find_map(|concern| {
        let fact = written(&concern.manifest).get(word)?;
        Some(format!("{}.{fact}", concern.name))
    })
}

fn check_words(at: &FactPath, kernel: &Kernel, concerns: &Concerns, findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for (index, word) in kernel.command_line.iter().enumerate() {
        let path = at.clone().keys("kernel.command_line").index(index);
        let key = word.as_str().split('=').next().unwrap_or_default();
        if let Some(owner) = owner(concerns, key, |it| &it.kernel_parameters) {
            findings.add_with_hint(
                path,
                format!("is `{word}`"),
                format!("`{owner}` writes it; leave it out here"),
            );
        } else if !seen.insert(key) && key != "console" {
            findings.add(path, format!("sets `{key}` a second time"));
        }
    }
}

fn check_settings(
    at: &FactPath,
    kernel: &Kernel,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    for key in kernel.sysctl.keys() {
        let path = at.clone().keys("kernel.sysctl").key(key);
        if key.as_str().starts_with("net.") {
            findings.add_with_hint(
                path,
                "is a network setting",
                "it belongs to `network.sysctl`",
            );
        } else if let Some(owner) = owner(concerns, key.as_str(), |it| &it.kernel_settings) {
            findings.add_with_hint(
                path,
                "has another owner",
                format!("`{owner}` writes it; leave it out here"),
            );
        }
    }
}

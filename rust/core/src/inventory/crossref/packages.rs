//! Packages and files: declared once, or the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let at = FactPath::host(name);
    let mut versions: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let exact = [
        ("nvidia", host.nvidia.as_ref().map(|c| &c.packages)),
        ("cuda", host.cuda.as_ref().map(|c| &c.packages)),
    ];
    let exact = exact.into_iter().flat_map(|(concern, packages)| {
        packages
            .into_iter()
            .flatten()
            .map(move |(package, version)| (concern, package, version.as_str()))
    });
    let extra = host
        .extra
        .as_ref()
        .and_then(|extra| extra.packages.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|(package, version)| Some(("extra", package, version.as_ref()?.as_str())));
    for (concern, package, version) in exact.chain(extra) {
        let known = versions.insert(package.as_str(), (concern, version));
        if let Some((other, other_version)) = known
            && other_version != version
        {
            findings.add(
                at.clone().key(concern).key("packages").key(package),
                format!("is `{version}`; `{other}.packages` has `{other_version}`"),
            );
        }
    }
    check_pins(&at, host, findings);

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

/// A package that a pin covers has to have the pin's version, or apt could never install it.
fn check_pins(at: &FactPath, host: &Host, findings: &mut Findings<'_>) {
    let Some(cuda) = &host.cuda else {
        return;
    };
    for (package, version) in &cuda.packages {
        let pin = cuda.pins.iter().find(|pin| {
            pin.packages
                .iter()
                .any(|glob| matches(glob.as_str(), package.as_str()))
        });
        if let Some(pin) = pin
            && !matches(pin.version.as_str(), version.as_str())
        {
            findings.add(
                at.clone().keys("cuda.packages").key(package),
                format!(
                    "is `{version}`, which the pin to `{}` rules out",
                    pin.version
                ),
            );
        }
    }
}

/// Whether `text` matches `glob`, where `*` matches any text.
fn matches(glob: &str, text: &str) -> bool {
    globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

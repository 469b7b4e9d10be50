//! Every concern has what it needs: a module for every platform, checks, goldens. Or it says here why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use deployctl_checks::concerns;
use deployctl_core::concern::{Concern, Concerns};
use deployctl_core::inventory::Platform;

use crate::host::checks_of;

/// Concerns without checks, and why.
const NO_CHECKS: &[(&str, &str)] = &[
    (
        "image",
        "of the first installation; what runs there now is the other concerns'",
    ),
    (
        "nix",
        "the way of a closure to its host; what runs there is the plan's to compare",
    ),
];

const PLATFORMS: [Platform; 3] = [Platform::Ubuntu, Platform::Nixos, Platform::Darwin];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What `folder` of the repository holds, without `ending`.
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    std::fs::read_dir(repository().join(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

/// The concerns that `platform` has a module for.
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn modules(platform: Platform) -> BTreeSet<String> {
    let part = match platform {
        Platform::Ubuntu => "ubuntu/module.toml",
        Platform::Nixos => "nixos.nix",
        Platform::Darwin => "darwin.nix",
    };
    let names = Concerns::built_in().iter().map(|it| it.name.to_string());
    names
        .filter(|name| repository().join("modules").join(name).join(part).exists())
        .collect()
}

/// Compares the modules that are there with what `concern.toml` says: complaints.
fn missing_modules(platform: Platform, found: &BTreeSet<String>) -> Vec<String> {
    let complaint = |concern: &Concern| {
        let name = &concern.name;
        let excused = !concern.manifest.puts_something_on(platform);
        match (found.contains(name.as_str()), excused) {
            (false, false) => Some(format!(
                "`{name}` has no module for {platform}, and its concern.toml does not say why"
            )),
            (true, true) => Some(format!(
                "`{name}` has a module for {platform}, and its concern.toml says it has none"
            )),
            _ => None,
        }
    };
    Concerns::built_in().iter().filter_map(complaint).collect()
}

#[test]
fn every_concern_has_a_module_for_every_platform() {
    for platform in PLATFORMS {
        let complaints = missing_modules(platform, &modules(platform));
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

#[test]
fn a_missing_module_is_seen() {
    let mut found = modules(Platform::Nixos);
    found.remove("trading");
    found.insert("power".to_owned());
    assert_eq!(
        missing_modules(Platform::Nixos, &found),
        [
            "`trading` has no module for nixos, and its concern.toml does not say why",
            "`power` has a module for nixos, and its concern.toml says it has none",
        ]
    );
}

/// What modules/base has for every host, too.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn every_nix_module_has_a_golden() {
    for platform in [Platform::Nixos, Platform::Darwin] {
        let goldens = format!("tests/snapshots/nix/{platform}");
        let golden: BTreeSet<_> = names(&goldens, ".json")
            .iter()
            .flat_map(|host| {
                let path = repository().join(format!("{goldens}/{host}.json"));
                let page: BTreeMap<String, serde_json::Value> =
                    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
                page.into_keys()
            })
            .collect();
        let modules = modules(platform);
        for module in modules.iter().map(String::as_str).chain(["deployctl"]) {
            assert!(
                golden.contains(module),
                "no host below {goldens} has a golden of `{module}`"
            );
        }
    }
}

fn assert_has_checks(concern: &str, from: &str) {
    let known: BTreeSet<_> = concerns().collect();
    let excused = NO_CHECKS.iter().any(|(name, _)| *name == concern);
    assert!(
        known.contains(concern) != excused,
        "`{concern}` of {from}: either its checks.toml or rust/checks/src/concern/{concern}.rs has its checks, or NO_CHECKS says why not"
    );
}

#[test]
fn every_concern_of_the_schema_has_checks() {
    for concern in Concerns::built_in() {
        assert_has_checks(concern.name.as_str(), "modules/");
    }
    for checked in concerns() {
        assert!(
            Concerns::built_in().get(checked).is_some(),
            "`{checked}` has checks and no facts"
        );
    }
}

/// The Mac of the tests' own inventory declares what a Mac can; answers of a Mac are in the folder of anything else.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn every_darwin_module_has_checks_on_a_mac() {
    let checked: BTreeSet<String> = checks_of("mac-mini")
        .iter()
        .map(|check| check.concern.to_string())
        .collect();
    let excused = |name: &str| NO_CHECKS.iter().any(|(concern, _)| *concern == name);
    let answered = |name: &str| {
        let cases = format!("modules/{name}/cases");
        let pages = names(&cases, ".txt").into_iter();
        let pages = pages.map(|page| repository().join(format!("{cases}/{page}.txt")));
        let is_of_a_mac = |page| {
            std::fs::read_to_string(page)
                .unwrap()
                .contains("\nhost: darwin\n")
        };
        pages.into_iter().any(is_of_a_mac)
    };
    let forgotten: Vec<_> = modules(Platform::Darwin)
        .into_iter()
        .filter(|name| !checked.contains(name) && !excused(name) && !answered(name))
        .collect();
    assert!(
        forgotten.is_empty(),
        "nobody asks a Mac about {forgotten:?}"
    );
}

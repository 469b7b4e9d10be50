//! Every concern has what it needs: a module for every platform, checks, goldens. Or it says here why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use deployctl_checks::concerns;
use deployctl_core::inventory::{CONCERNS, Concern, Platform, concern};

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

/// Why a concern is declared and checked, and not put on hosts: until it is there, its checks fail.
const BY_HAND: &str = "installed by hand so far; its checks say whether it was";

/// Concerns that a platform could have a module for and has none, and why. Where a concern cannot run at all, the
/// registry of concerns says so.
const NO_MODULE: &[(&str, &str, &str)] = &[
    (
        "ubuntu",
        "image",
        "Ubuntu is adopted as it stands, never installed",
    ),
    ("ubuntu", "python", BY_HAND),
    ("ubuntu", "gateway", BY_HAND),
    ("ubuntu", "monitoring", BY_HAND),
    ("ubuntu", "nix", "Ubuntu hosts get files, not closures"),
    ("ubuntu", "power", BY_HAND),
    ("nixos", "power", BY_HAND),
    ("nixos", "python", BY_HAND),
    ("nixos", "gateway", BY_HAND),
    ("nixos", "monitoring", BY_HAND),
    ("darwin", "python", BY_HAND),
    ("darwin", "gateway", BY_HAND),
    ("darwin", "monitoring", BY_HAND),
];

const PLATFORMS: [Platform; 3] = [Platform::Ubuntu, Platform::Nixos, Platform::Darwin];

/// Files beside the concerns' own in modules/nixos and modules/darwin.
const NO_CONCERNS: &[&str] = &["default", "deployctl"];

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
fn modules(platform: &str) -> BTreeSet<String> {
    let folder = format!("modules/{platform}");
    if platform == "ubuntu" {
        return names(&folder, "");
    }
    let mut found = names(&folder, ".nix");
    for name in NO_CONCERNS {
        assert!(found.remove(*name), "{folder}/{name}.nix is missing");
    }
    found
}

/// Compares the modules with the concerns of the schema: complaints.
fn missing_modules(platform: &str, found: &BTreeSet<String>) -> Vec<String> {
    let on = |known: &Platform| known.as_str() == platform;
    let on = PLATFORMS.into_iter().find(on).unwrap();
    let reason = |concern: &Concern| {
        let listed = NO_MODULE
            .iter()
            .any(|(of, name, _)| (*of, *name) == (platform, concern.name));
        let impossible = !concern.runs_on.includes(on);
        assert!(
            !(listed && impossible),
            "NO_MODULE and the registry both say why {platform} has no `{}`",
            concern.name
        );
        listed || impossible
    };
    let mut complaints: Vec<_> = CONCERNS
        .iter()
        .filter_map(|concern| {
            let name = concern.name;
            match (found.contains(name), reason(concern)) {
                (false, false) => Some(format!(
                    "`{name}` has no module in modules/{platform}, and NO_MODULE does not say why"
                )),
                (true, true) => Some(format!(
                    "`{name}` has a module in modules/{platform}, and NO_MODULE says it has none"
                )),
                _ => None,
            }
        })
        .collect();
    complaints.extend(
        found
            .iter()
            .filter(|name| concern(name).is_none())
            .map(|name| format!("modules/{platform} has `{name}`, which is no concern")),
    );
    complaints
}

#[test]
fn every_concern_has_a_module_for_every_platform() {
    for platform in PLATFORMS.map(Platform::as_str) {
        let complaints = missing_modules(platform, &modules(platform));
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

#[test]
fn a_missing_module_is_seen() {
    let mut found = modules("nixos");
    found.remove("trading");
    found.insert("power".to_owned());
    found.insert("printer".to_owned());
    let seen: BTreeSet<_> = missing_modules("nixos", &found).into_iter().collect();
    assert_eq!(
        seen.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "`power` has a module in modules/nixos, and NO_MODULE says it has none",
            "`trading` has no module in modules/nixos, and NO_MODULE does not say why",
            "modules/nixos has `printer`, which is no concern",
        ]
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn every_nix_module_is_imported_and_has_a_golden() {
    for platform in ["nixos", "darwin"] {
        let path = format!("modules/{platform}/default.nix");
        let imports = std::fs::read_to_string(repository().join(&path)).unwrap();
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
                imports.contains("imports = import ../imports.nix ./.;"),
                "{path} does not import the folder, so not {module}.nix"
            );
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
        "`{concern}` of {from}: either rust/checks/src/concern/{concern}.rs has its checks or NO_CHECKS says why not"
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn every_ubuntu_module_has_checks() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../modules/ubuntu");
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            assert_has_checks(entry.file_name().to_str().unwrap(), "modules/ubuntu");
        }
    }
}

#[test]
fn every_concern_of_the_schema_has_checks() {
    for concern in CONCERNS {
        assert_has_checks(concern.name, "the schema");
    }
    for checked in concerns() {
        assert!(
            concern(checked).is_some(),
            "`{checked}` has checks and no facts"
        );
    }
}

/// The Mac of the tests' own inventory declares everything that a Mac can.
#[test]
fn every_darwin_module_has_checks_on_a_mac() {
    let checked: BTreeSet<String> = checks_of("mac-mini")
        .iter()
        .map(|check| check.concern.to_string())
        .collect();
    let excused = |name: &str| NO_CHECKS.iter().any(|(concern, _)| *concern == name);
    let forgotten: Vec<_> = modules("darwin")
        .into_iter()
        .filter(|name| !checked.contains(name) && !excused(name))
        .collect();
    assert!(
        forgotten.is_empty(),
        "nobody asks a Mac about {forgotten:?}"
    );
}

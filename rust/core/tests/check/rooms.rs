//! Every concern has checks, or says here why it has none.

use std::collections::BTreeSet;

use deployctl_core::check::{Declared, checks, concerns};
use deployctl_core::inventory::CONCERNS;
use deployctl_core::rendered::Rendered;

use crate::host::inventory;

/// Concerns without checks, and why.
const NO_CHECKS: &[(&str, &str)] = &[
    ("mlx", "of macOS, whose checks come with its platform"),
    (
        "nix",
        "the way of a closure to its host; what runs there is the plan's to compare",
    ),
    ("power", "of macOS, whose checks come with its platform"),
];

fn assert_has_checks(concern: &str, from: &str) {
    let known: BTreeSet<_> = concerns().collect();
    let excused = NO_CHECKS.iter().any(|(name, _)| *name == concern);
    assert!(
        known.contains(concern) != excused,
        "`{concern}` of {from}: either rust/core/src/check/{concern}.rs has its checks or NO_CHECKS says why not"
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
        assert_has_checks(concern, "the schema");
    }
    for concern in concerns() {
        assert!(
            CONCERNS.contains(&concern),
            "`{concern}` has checks and no facts"
        );
    }
}

#[test]
fn a_host_of_another_platform_has_no_checks_yet() {
    let inventory = inventory();
    for (name, host) in inventory
        .hosts()
        .iter()
        .filter(|(_, host)| !host.platform.is_linux())
    {
        let declared = Declared {
            host,
            cluster: inventory.cluster(),
            rendered: &Rendered::empty(name.clone()),
            failed_before: &BTreeSet::new(),
        };
        assert!(checks(&declared).is_empty(), "{name}");
    }
}

//! Every Ubuntu concern has checks, or says here why it has none.

use std::collections::BTreeSet;

use deployctl_core::check::concerns;
use serde_json::Value;

/// Facts of a host that are no concerns.
const NO_CONCERN: &[&str] = &[
    "architecture",
    "connection",
    "description",
    "hardware",
    "identity",
    "os",
    "platform",
    "tags",
];

/// Concerns without checks of their own, and why.
const NO_CHECKS: &[(&str, &str)] = &[
    ("cuda", "next"),
    ("firewall", "next"),
    ("nvidia", "next"),
    ("realtime", "next"),
    ("storage", "next"),
    ("system", "next"),
    ("trading", "next"),
    ("vllm", "next"),
];

fn assert_has_checks(concern: &str, from: &str) {
    let known: BTreeSet<_> = concerns().collect();
    let excused = NO_CHECKS.iter().any(|(name, _)| *name == concern);
    assert!(
        known.contains(concern) || excused,
        "`{concern}` of {from} has no checks: add rust/core/src/check/{concern}.rs, or say in NO_CHECKS why not"
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
fn every_fact_of_a_host_has_checks() {
    let inventory: Value = serde_json::from_str(include_str!("inventory.json")).unwrap();
    for host in ["cuda", "linode"] {
        for concern in inventory["hosts"][host].as_object().unwrap().keys() {
            if !NO_CONCERN.contains(&concern.as_str()) {
                assert_has_checks(concern, host);
            }
        }
    }
}

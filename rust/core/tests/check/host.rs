//! The declared host that the tests look at, and what a good one answers.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::check::{Check, Declared, checks, queries};
use deployctl_core::name::{ConcernName, HostName, PackageName, UnitName};
use deployctl_core::query::{Answers, Section};
use deployctl_core::rendered::{OnChange, PackageWant, Rendered, UnitWant};
use serde_json::Value;

/// The checks of `host` in the tests' own inventory.
pub(crate) fn checks_of(host: &str) -> Vec<Check> {
    let inventory: Value = serde_json::from_str(include_str!("inventory.json")).unwrap();
    let facts = &inventory["hosts"][host];
    checks_with(host, facts, &inventory["cluster"], &BTreeSet::new())
}

pub(crate) fn checks_with(
    host: &str,
    facts: &Value,
    cluster: &Value,
    failed_before: &BTreeSet<UnitName>,
) -> Vec<Check> {
    let rendered = rendered(host, facts);
    checks(&Declared {
        host: facts,
        cluster,
        rendered: &rendered,
        failed_before,
    })
}

/// What the templates would add: packages and units.
fn rendered(host: &str, facts: &Value) -> Rendered {
    let mut rendered = Rendered::empty(HostName::new(host).unwrap());
    for concern in ["nvidia", "cuda"] {
        let Some(packages) = facts[concern]["packages"].as_object() else {
            continue;
        };
        for (name, version) in packages {
            let want = PackageWant {
                concern: ConcernName::new(concern).unwrap(),
                version: version.as_str().map(str::to_owned),
                hold: true,
            };
            rendered
                .packages
                .insert(PackageName::new(name).unwrap(), want);
        }
    }
    let units: &[(&str, &str, Option<bool>, Option<bool>)] = &[
        ("time", "chrony.service", Some(true), Some(true)),
        ("hugepages", "mnt-huge.mount", Some(true), Some(true)),
        ("firewall", "nftables.service", None, Some(true)),
        ("trading", "trading.service", None, Some(false)),
    ];
    for (concern, unit, running, enabled) in units {
        let want = UnitWant {
            concern: ConcernName::new(*concern).unwrap(),
            enabled: *enabled,
            running: *running,
            on_change: OnChange::Restart,
            watch: BTreeSet::new(),
            start_timeout_seconds: 90,
        };
        rendered.units.insert(UnitName::new(*unit).unwrap(), want);
    }
    rendered
}

/// An answer that came in time and whole.
pub(crate) fn section(status: i32, stdout: impl Into<Vec<u8>>) -> Section {
    Section {
        status: Some(status),
        stdout: stdout.into(),
        stderr: Vec::new(),
        truncated: false,
    }
}

/// What a good host of that name answers: `good/<query id>`, slashes as dots.
#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
pub(crate) fn good_answers(host: &str) -> Answers {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/good/");
    let mut answers = BTreeMap::new();
    let mut missing = Vec::new();
    for query in queries(&checks_of(host)) {
        let file = format!("{folder}{host}/{}", query.id.replace('/', "."));
        match std::fs::read(&file) {
            Ok(stdout) => drop(answers.insert(query.id, section(0, stdout))),
            Err(_) => missing.push(file),
        }
    }
    assert!(missing.is_empty(), "no recorded answers: {missing:#?}");
    answers
}

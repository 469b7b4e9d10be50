//! The declared hosts that the tests look at, and what good ones answer.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use deployctl_checks::{Check, Declared, checks, queries};
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::name::{
    AccountName, ConcernName, HostName, ManagedPath, PackageName, UnitName,
};
use deployctl_core::query::{Answers, Section};
use deployctl_core::rendered::{
    Entry, ManagedEntry, Mode, OnChange, Ownership, PackageWant, Rendered, UnitWant,
};

use serde_json::Value;

use crate::cases::page;

/// The project's inventory with a few facts that no host of it has: `facts.json`, a JSON merge patch.
pub(crate) fn facts() -> Value {
    let fixture = include_bytes!("../../../../tests/fixtures/inventory.json");
    let mut facts = serde_json::from_slice(fixture).unwrap();
    let more = serde_json::from_slice(include_bytes!("facts.json")).unwrap();
    merge(&mut facts, more);
    facts
}

fn merge(facts: &mut Value, more: Value) {
    match (facts, more) {
        (Value::Object(facts), Value::Object(more)) => {
            for (key, more) in more {
                merge(facts.entry(key).or_insert(Value::Null), more);
            }
        }
        (facts, more) => *facts = more,
    }
}

/// The same, read.
pub(crate) fn inventory() -> &'static Inventory {
    static INVENTORY: LazyLock<Inventory> =
        LazyLock::new(|| inventory::parse(facts().to_string().as_bytes()).unwrap());
    &INVENTORY
}

/// The hosts with checks, of either platform.
pub(crate) const HOSTS: &[&str] = &["cuda", "linode", "mac-mini"];

/// The checks of `host` outside any apply.
pub(crate) fn checks_of(host: &str) -> Vec<Check> {
    checks_after(host, &BTreeSet::new())
}

/// The checks of `host` where `failed_before` had failed already.
pub(crate) fn checks_after(host: &str, failed_before: &BTreeSet<UnitName>) -> Vec<Check> {
    checks_in(inventory(), host, failed_before)
}

/// The checks of a host of another inventory.
pub(crate) fn checks_in(
    inventory: &Inventory,
    host: &str,
    failed_before: &BTreeSet<UnitName>,
) -> Vec<Check> {
    let name = HostName::new(host).unwrap();
    checks(&Declared {
        host: inventory.host(&name).unwrap(),
        concerns: inventory.concerns(),
        cluster: inventory.cluster(),
        rendered: &rendered(inventory, &name),
        failed_before,
    })
}

/// What the templates would add: packages and units.
fn rendered(inventory: &Inventory, name: &HostName) -> Rendered {
    let host = inventory.host(name).unwrap();
    let mut rendered = Rendered::empty(name.clone());
    let mut package = |concern: &str, name: &PackageName, version: Option<String>, hold| {
        let concern = ConcernName::new(concern).unwrap();
        rendered.packages.insert(
            name.clone(),
            PackageWant {
                concern,
                version,
                hold,
                replaces: std::collections::BTreeSet::new(),
            },
        );
    };
    for (name, version) in host.nvidia.iter().flat_map(|nvidia| &nvidia.packages) {
        package("nvidia", name, Some(version.to_string()), true);
    }
    for (name, version) in host.cuda.iter().flat_map(|cuda| &cuda.packages) {
        package("cuda", name, Some(version.to_string()), true);
    }
    for name in host
        .extra
        .iter()
        .flat_map(|extra| extra.packages.iter().flatten())
    {
        package("extra", name.0, None, false);
    }
    let declared = |concern: &str| {
        inventory.value()["hosts"][name.as_str()]
            .get(concern)
            .is_some()
    };
    let at_boot = host.trading.as_ref().map(|trading| trading.start_at_boot);
    let yes = Some(true);
    let units = [
        ("time", "chrony.service", yes, yes),
        ("hugepages", "mnt-huge.mount", yes, yes),
        ("firewall", "nftables.service", None, yes),
        ("vllm", "vllm.service", yes, yes),
        (
            "trading",
            "trading.service",
            at_boot.filter(|yes| *yes),
            at_boot,
        ),
    ];
    for (concern, unit, running, enabled) in units {
        if !host.platform.is_linux() || !declared(concern) {
            continue;
        }
        let want = UnitWant {
            concern: ConcernName::new(concern).unwrap(),
            enabled,
            running,
            on_change: OnChange::Restart,
            watch: BTreeSet::new(),
            start_timeout_seconds: 90,
        };
        rendered.units.insert(UnitName::new(unit).unwrap(), want);
        // These have files of ours.
        if matches!(concern, "trading" | "vllm") {
            let path = ManagedPath::new(format!("/etc/systemd/system/{unit}")).unwrap();
            let root = AccountName::new("root").unwrap();
            let ownership = Ownership {
                mode: Mode::new(0o644).unwrap(),
                owner: root.clone(),
                group: root,
            };
            let entry = ManagedEntry {
                concern: ConcernName::new(concern).unwrap(),
                template: None,
                facts: BTreeSet::new(),
                entry: Entry::File {
                    content: "[Service]\nExecStart=/usr/bin/env\n".to_owned(),
                    ownership,
                },
                follow_ups: BTreeSet::new(),
                validator: None,
            };
            rendered.entries.insert(path, entry);
        }
    }
    if host.platform.is_linux() && declared("network") {
        let path = ManagedPath::new("/etc/sysctl.d/60-deployctl-network.conf").unwrap();
        let managed = ManagedEntry {
            concern: ConcernName::new("network").unwrap(),
            template: None,
            facts: BTreeSet::new(),
            entry: Entry::File {
                content: "# ours\nnet.core.somaxconn = 4096\n".to_owned(),
                ownership: Ownership {
                    mode: Mode::new(0o644).unwrap(),
                    owner: AccountName::new("root").unwrap(),
                    group: AccountName::new("root").unwrap(),
                },
            },
            follow_ups: BTreeSet::new(),
            validator: None,
        };
        rendered.entries.insert(path, managed);
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

/// What a good host of that name answers: the page `good/<host>.txt`.
pub(crate) fn good_answers(host: &str) -> Answers {
    let (path, cases) = page(&format!("good/{host}.txt"));
    let shown = path.display();
    let mut answers = Answers::new();
    for case in cases {
        let answer = case.answer();
        let twice = answers.insert(case.query.clone(), answer);
        assert!(twice.is_none(), "{shown}: {} twice", case.query);
    }
    let asked: BTreeSet<String> = queries(&checks_of(host))
        .into_iter()
        .map(|query| query.id)
        .collect();
    let answered: BTreeSet<String> = answers.keys().cloned().collect();
    let missing: Vec<_> = asked.difference(&answered).collect();
    assert!(missing.is_empty(), "{shown} does not answer {missing:#?}");
    let unasked: Vec<_> = answered.difference(&asked).collect();
    assert!(unasked.is_empty(), "nobody asks {unasked:#?} of {shown}");
    answers
}

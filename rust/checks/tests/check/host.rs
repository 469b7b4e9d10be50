//! The declared hosts that the tests look at, and what good ones answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use deployctl_checks::{Check, Declared, checks, judges, queries};
use deployctl_core::concern::{Concerns, Folders};
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::name::{HostName, UnitName};
use deployctl_core::query::{Answers, Section};
use deployctl_core::render::{Facts, RenderErrors, Rendering, TemplateSet, render};
use deployctl_core::rendered::Rendered;

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

/// The same, where a repository brings the folder `web`, and `cuda` declares it with these facts.
pub(crate) fn web(schema: &str, checks: &str, declared: Value) -> Inventory {
    let manifest = "summary = \"A web server.\"\nplatforms = [\"ubuntu\", \"nixos\", \"darwin\"]\n";
    let files = [
        ("web/concern.toml", manifest),
        ("web/facts.schema.json", schema),
        ("web/checks.toml", checks),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let folders = Folders::built_in().clone();
    let folders = folders.with("modules", BTreeMap::from(files));
    let concerns = Concerns::read(&folders, &judges()).unwrap_or_else(|error| panic!("{error}"));
    let mut raw = facts();
    raw["hosts"]["cuda"]["web"] = declared;
    inventory::parse_with(raw.to_string().as_bytes(), &concerns)
        .unwrap_or_else(|error| panic!("{error}"))
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
        rendered: &rendered(inventory, &name).unwrap(),
        failed_before,
    })
}

/// What the built-in modules render for a host; nothing for one whose system Nix builds.
pub(crate) fn rendered(inventory: &Inventory, name: &HostName) -> Result<Rendered, RenderErrors> {
    static MODULES: LazyLock<TemplateSet> =
        LazyLock::new(|| TemplateSet::of(Folders::built_in()).unwrap());
    let facts = Facts::from_inventory(inventory.value());
    Ok(match render(&facts, name, &MODULES)? {
        Rendering::Files(rendered) => *rendered,
        Rendering::NeedsClosure { beside, .. } => *beside,
    })
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

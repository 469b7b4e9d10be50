//! Inventories that are wrong, and the exact words about each.

use std::collections::BTreeSet;

use deployctl_inventory::inventory;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{base, expected, parse};

/// What stands for "take this away".
const GONE: Value = Value::Null;

/// Changes the value at a dotted path (`:` instead of `.` where keys have dots).
fn set(document: &mut Value, path: &str, value: Value) {
    let separator = if path.contains(':') { ':' } else { '.' };
    let (above, last) = path.rsplit_once(separator).expect("two steps");
    let holder = above
        .split(separator)
        .fold(document, |holder, step| match holder {
            Value::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
            other => &mut other[step],
        });
    match holder {
        Value::Array(items) => items[last.parse::<usize>().expect("an index")] = value,
        other if value == GONE => {
            let gone = other.as_object_mut().expect("a set").shift_remove(last);
            assert!(gone.is_some(), "{path} was not there");
        }
        other => other[last] = value,
    }
}

/// What is said when `changes` are made to the base inventory.
fn said(changes: &[(String, Value)]) -> String {
    let mut raw = base();
    for (path, value) in changes {
        set(&mut raw, path, value.clone());
    }
    match parse(&raw) {
        Ok(_) => panic!("accepted: {changes:?}"),
        Err(errors) => errors.to_string(),
    }
}

/// The changes of a case: `path = JSON`, `path = another path` (its value in the base inventory) and `path is gone`,
/// each over as many lines as it needs.
fn changes(text: &str) -> Vec<(String, Value)> {
    let mut changes: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match changes.last_mut() {
            Some(change) if line.starts_with([' ', '}', ']']) => change.push_str(line),
            _ => changes.push(line.to_owned()),
        }
    }
    let change = |change: &String| {
        if let Some(path) = change.strip_suffix(" is gone") {
            return (path.to_owned(), GONE);
        }
        let (path, value) = change.split_once(" = ").expect("path = value");
        let value = match value.strip_prefix("hosts.") {
            Some(place) => base()["hosts"]
                .pointer(&format!("/{}", place.replace('.', "/")))
                .cloned(),
            None => serde_json::from_str(value).ok(),
        };
        (
            path.to_owned(),
            value.unwrap_or_else(|| panic!("no value: {change}")),
        )
    };
    changes.iter().map(change).collect()
}

/// `inventory/bad/<page>.txt` has inventories that are wrong and, below `-- errors`, what is said about them;
/// `INSTA_UPDATE=always` writes the latter.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test reads its pages")]
#[expect(clippy::print_stdout, reason = "numbers to be seen by `--nocapture`")]
fn every_wrong_inventory_is_refused_in_these_words() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inventory/bad");
    let (mut wrong, mut names) = (Vec::new(), BTreeSet::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let old = std::fs::read_to_string(&path).unwrap();
        let mut cases = Vec::new();
        for case in format!("\n{old}").split("\n== ").skip(1) {
            let (name, rest) = case.split_once('\n').expect("changes below the name");
            let (changed, _) = rest.split_once("\n-- errors\n").expect("errors");
            assert!(names.insert(name.to_owned()), "two cases of {name}");
            let errors = said(&changes(changed));
            cases.push(format!("== {name}\n{changed}\n-- errors\n{errors}\n"));
        }
        assert!(!cases.is_empty(), "{} has no case", path.display());
        wrong.extend(expected::compare(&path, &cases.join("\n")));
    }
    println!("{} wrong inventories", names.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_inventory_at_all() {
    let cases = [
        "",
        "nonsense",
        "{",
        "[]",
        "{}",
        "{\"version\": 2}",
        "{\"version\": 1}",
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|text| {
            format!(
                "{text:?}:\n{}",
                inventory::parse(text.as_bytes()).unwrap_err()
            )
        })
        .collect();
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    "":
    `inventory` is not JSON: EOF while parsing a value at line 1 column 0

    "nonsense":
    `inventory` is not JSON: expected ident at line 1 column 2

    "{":
    `inventory` is not JSON: EOF while parsing an object at line 1 column 1

    "[]":
    `inventory` is not an inventory: it has no `version`

    "{}":
    `inventory` is not an inventory: it has no `version`

    "{\"version\": 2}":
    `inventory` has version 2; this deployctl reads version 1

    "{\"version\": 1}":
    `cluster` is missing; expected an attribute set
    `hosts` is missing; expected an attribute set
    `positions` is missing; expected an attribute set
    "#);
}

/// A model that is pinned.
fn pinned() -> Value {
    json!({ "snapshots": { "tiny": {
        "manifest": {
            "repository": "lab/tiny",
            "revision": "1".repeat(40),
            "files": [{ "path": "a", "size": 1, "sha256": "0".repeat(64) }],
        },
        "folder": "/opt/models/tiny",
        "hub": "https://hub.example",
    }}})
}

#[test]
fn what_is_allowed() {
    let allowed: &[&[(&str, Value)]] = &[
        &[(
            "hosts.linode.extra",
            json!({"files": [{"path": "/etc/motd", "mode": "0644", "owner": "root", "group": "root", "content": "a\n\tb\n"}]}),
        )],
        &[("hosts.linode.firewall", GONE)],
        &[
            ("hosts.linode.time", GONE),
            ("hosts.linode.trading", GONE),
            ("hosts.linode.hugepages", GONE),
            ("hosts.linode.realtime", GONE),
            ("hosts.linode.kernel", GONE),
        ],
        &[
            ("hosts.linode.platform", json!("nixos")),
            (
                "hosts.linode.os",
                json!({"id": "nixos", "version": "26.05"}),
            ),
        ],
        &[("hosts.linode.connection.jump", json!("cuda"))],
        &[
            ("hosts.linode.connection.user", json!("root")),
            ("hosts.linode.connection.become", json!("none")),
        ],
        &[(
            "hosts.cuda.identity",
            json!({"machine_id_sha256": "0".repeat(64), "hostname": "cuda", "host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb"]}),
        )],
        // 70B in 4 bits, refused without the raised limit.
        &[
            ("hosts.mac-mini.mlx.model.weights_mib", json!(37850)),
            ("hosts.mac-mini.mlx.kv_cache.layers", json!(80)),
            ("hosts.mac-mini.mlx.decode_concurrency", json!(1)),
            ("hosts.mac-mini.mlx.wired_limit_mib", json!(43008)),
        ],
        // A model of `models` by its link.
        &[
            ("hosts.mac-mini.models", pinned()),
            (
                "hosts.mac-mini.mlx.model.path",
                json!("/opt/models/tiny/current"),
            ),
        ],
        // A size that nobody declared is not judged.
        &[("hosts.mac-mini.mlx.model.weights_mib", GONE)],
    ];
    for changes in allowed {
        let mut raw = base();
        for (path, value) in *changes {
            set(&mut raw, path, value.clone());
        }
        parse(&raw).unwrap_or_else(|errors| panic!("{changes:?}\n{errors}"));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// All places of a document.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(entry, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_it_panic(value in any_json()) {
        let _ = parse(&value);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(inventory::parse(&bytes).is_err());
    }

    /// Any value at any place of the base inventory is accepted or refused with a message.
    #[test]
    fn no_damage_makes_it_panic(value in any_json(), place in any::<prop::sample::Index>()) {
        let mut raw = base();
        raw.as_object_mut().unwrap().shift_remove("positions");
        let mut all = Vec::new();
        places(&raw, "", &mut all);
        *raw.pointer_mut({ let place: &String = place.get(&all); place }).unwrap() = value;
        if let Value::Object(root) = &mut raw {
            root.insert("positions".into(), base()["positions"].clone());
        }
        if let Err(errors) = parse(&raw) {
            prop_assert!(errors.iter().count() > 0);
            let clean = !errors.to_string().contains('\u{1b}');
            prop_assert!(clean);
        }
    }
}

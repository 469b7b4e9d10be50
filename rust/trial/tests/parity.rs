//! What Ubuntu gets of our hosts' facts against the `NixOS` goldens, concern by concern: the same, or `[parity]` of the
//! concern's manifest says why not. `deployctl concern test` compares the same things on the examples of any folder.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that reads golden files from the repository"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use deployctl_core::concern::{Concerns, Folders};
use deployctl_core::name::HostName;
use deployctl_core::render::{Facts, Rendering, TemplateSet, render};
use deployctl_core::rendered::Rendered;
use deployctl_trial::parity::{Compared, Sides, compare};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(repository().join(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Our hosts, and the one whose golden tree shows what these do not use.
fn inventory() -> Value {
    let mut inventory = json("tests/fixtures/inventory.json");
    inventory["hosts"]["debian"] = json("tests/fixtures/sample-host.json");
    inventory
}

/// The hosts that have a golden tree on both platforms.
fn hosts() -> BTreeSet<String> {
    let names = |folder: &str, ending: &str| -> BTreeSet<String> {
        std::fs::read_dir(repository().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
            .collect()
    };
    &names("tests/snapshots", ".snap") & &names("tests/snapshots/nix/nixos", ".json")
}

fn rendered(host: &str) -> Rendered {
    let facts = Facts::from_inventory(&inventory());
    let templates = TemplateSet::of(Folders::built_in()).unwrap();
    match render(&facts, &HostName::new(host).unwrap(), &templates).unwrap() {
        Rendering::Files(rendered) => *rendered,
        Rendering::NeedsClosure { platform, .. } => panic!("{host} is {platform}"),
    }
}

/// What the modules of each folder set on the host.
fn set(host: &str) -> BTreeMap<String, Value> {
    serde_json::from_value(json(&format!("tests/snapshots/nix/nixos/{host}.json"))).unwrap()
}

/// Concern → what each of the hosts gets of it that gets something; `concern test` compares the others on their examples.
fn sides() -> BTreeMap<String, Vec<Sides>> {
    let concerns = Concerns::built_in();
    let mut sides: BTreeMap<String, Vec<Sides>> = BTreeMap::new();
    let hosts = hosts();
    assert!(hosts.len() >= 3, "only {} hosts to compare", hosts.len());
    for host in hosts {
        let (rendered, mut sets) = (rendered(&host), set(&host));
        for concern in concerns.iter().filter(|it| it.manifest.has_parity()) {
            let set = sets.remove(concern.name.as_str()).unwrap_or_default();
            let both = Sides::new(concern, concerns, &rendered, &set);
            if both == Sides::default() {
                continue;
            }
            let of_concern = sides.entry(concern.name.to_string()).or_default();
            of_concern.push(both);
        }
        // How a machine comes to have a system, and what Ubuntu hosts have no word for.
        let left: Vec<_> = sets.keys().map(String::as_str).collect();
        let known = ["deployctl", "image", "nix"];
        assert!(left.iter().all(|it| known.contains(it)), "{host}: {left:?}");
    }
    sides
}

fn complaints(name: &str, compared: &Compared) -> String {
    let mut text = String::new();
    for difference in &compared.unlisted {
        let _ = writeln!(text, "{name}: {difference}");
    }
    for stale in &compared.stale {
        let _ = writeln!(text, "{name}: listed, and no difference: {stale}");
    }
    text
}

fn listed(concern: &str) -> &'static BTreeMap<String, String> {
    &Concerns::built_in().get(concern).unwrap().manifest.parity
}

#[test]
fn both_platforms_say_the_same_or_the_list_says_why_not() {
    let mut text = String::new();
    for (concern, sides) in sides() {
        text.push_str(&complaints(&concern, &compare(listed(&concern), &sides)));
    }
    assert!(text.is_empty(), "\n{text}");
}

/// `modules/base` is no concern: what it sets is what the host program writes on Ubuntu.
#[test]
fn what_is_no_concern_sets_the_recovery_unit_and_packages_alone() {
    for host in hosts() {
        let set = &set(&host)["deployctl"];
        let of = |set: &Value| set.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(of(set), ["environment", "systemd"]);
        assert_eq!(of(&set["environment"]), ["systemPackages"]);
        assert_eq!(of(&set["systemd"]), ["services"]);
        assert_eq!(of(&set["systemd"]["services"]), ["deployctl-recover"]);
    }
}

#[test]
fn what_is_listed_has_its_reason() {
    for concern in Concerns::built_in() {
        for (about, reason) in &concern.manifest.parity {
            assert!(
                reason.len() > 20 && !reason.ends_with('.'),
                "{}: {about}: {reason}",
                concern.name
            );
        }
    }
}

#[test]
fn a_new_difference_is_seen() {
    let sides = sides();
    // Each as a change of a module would make it: another value, one that is gone, one more.
    let with = |concern: &str, change: &dyn Fn(&mut Sides)| {
        let mut changed = sides[concern].clone();
        change(&mut changed[0]);
        complaints(concern, &compare(listed(concern), &changed))
    };
    let about = "sysctl vm.swappiness";
    assert_eq!(sides["kernel"][0].nixos.get(about), Some("1"));
    let another = with("kernel", &|it| it.nixos.set(about, "60"));
    let gone = with("realtime", &|it| {
        let removed = it.nixos.remove("kernel parameter nohz_full=4-7,12-15");
        assert!(removed.is_some());
    });
    let more = with("trading", &|it| {
        it.nixos.set("unit trading.service [Service] Nice", "5");
    });
    insta::assert_snapshot!(another + &gone + &more, @r"
    kernel: `sysctl vm.swappiness` is `1` on Ubuntu and `60` on NixOS
    realtime: `kernel parameter nohz_full=4-7,12-15` is on Ubuntu alone
    trading: `unit trading.service [Service] Nice` is on NixOS alone: `5`
    ");
}

#[test]
fn what_is_no_difference_any_more_is_seen() {
    let stale = BTreeMap::from([("unit gone.service*".to_owned(), String::new())]);
    assert_eq!(
        complaints("web", &compare(&stale, [])),
        "web: listed, and no difference: unit gone.service*\n"
    );
}

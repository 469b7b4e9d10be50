//! Ubuntu's golden trees against the `NixOS` goldens: the same facts must come out the same on both.
//! What differs is listed in `tests/parity.toml` with its reason; a difference that is not listed
//! fails, and so does a listed one that is no longer a difference.
//!
//! Not compared: packages and their versions, which are the archive's on one side and the pinned
//! nixpkgs' on the other, and what follows a change.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that reads golden files from the repository"
)]

mod nixos;
mod said;
mod ubuntu;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::said::Said;

/// `tests/parity.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    difference: Vec<Difference>,
}

/// A difference that is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// What it is about: a thing that either side says, or the beginning of several, then `*`.
    about: String,
    /// Why it is right.
    reason: String,
}

impl Difference {
    fn covers(&self, thing: &str) -> bool {
        match self.about.strip_suffix('*') {
            Some(beginning) => thing.starts_with(beginning),
            None => thing == self.about,
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn listed() -> Vec<Difference> {
    let text = std::fs::read_to_string(repository().join("tests/parity.toml")).unwrap();
    toml::from_str::<Listed>(&text)
        .unwrap_or_else(|error| panic!("tests/parity.toml: {error}"))
        .difference
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
    &names("tests/snapshots", "") & &names("tests/snapshots/nix/nixos", ".json")
}

/// What is said otherwise, or on one side alone: the thing → both values.
fn differences(ubuntu: &Said, nixos: &Said) -> BTreeMap<String, [Option<String>; 2]> {
    let things: BTreeSet<_> = ubuntu.keys().chain(nixos.keys()).collect();
    things
        .into_iter()
        .map(|thing| (thing, [ubuntu.get(thing), nixos.get(thing)]))
        .filter(|(_, [ubuntu, nixos])| ubuntu != nixos)
        .map(|(thing, values)| (thing.clone(), values.map(Option::<&String>::cloned)))
        .collect()
}

/// Of all hosts: differences that nothing lists, and what is listed and no difference.
fn complaints(hosts: &[(String, Said, Said)], listed: &[Difference]) -> String {
    let mut text = String::new();
    let mut used = BTreeSet::new();
    for (host, ubuntu, nixos) in hosts {
        for (thing, [on_ubuntu, on_nixos]) in differences(ubuntu, nixos) {
            if let Some(index) = listed.iter().position(|listed| listed.covers(&thing)) {
                used.insert(index);
                continue;
            }
            let [ubuntu, nixos] =
                [on_ubuntu, on_nixos].map(|value| value.unwrap_or_else(|| "nothing".to_owned()));
            let _ = writeln!(
                text,
                "{host}: {thing}\n    Ubuntu: {ubuntu}\n    NixOS:  {nixos}"
            );
        }
    }
    for (index, difference) in listed.iter().enumerate() {
        if !used.contains(&index) {
            let _ = writeln!(text, "listed, and no difference: {}", difference.about);
        }
    }
    text
}

#[test]
fn both_platforms_say_the_same_or_the_list_says_why_not() {
    let hosts: Vec<_> = hosts()
        .into_iter()
        .map(|host| {
            let (ubuntu, nixos) = (ubuntu::said(&host), nixos::said(&host));
            (host, ubuntu, nixos)
        })
        .collect();
    assert!(hosts.len() >= 3, "only {} hosts to compare", hosts.len());
    let complaints = complaints(&hosts, &listed());
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn what_is_listed_has_its_reason_once() {
    let mut seen = BTreeSet::new();
    for difference in listed() {
        let Difference { about, reason } = difference;
        assert!(
            reason.len() > 20 && !reason.ends_with('.'),
            "{about}: {reason}"
        );
        assert!(seen.insert(about.clone()), "{about} is listed twice");
    }
}

#[test]
fn a_new_difference_is_seen() {
    let ubuntu = ubuntu::said("cuda");
    let mut nixos = nixos::said("cuda");
    // Each as a change of a module would make it: another value, one that is gone, one more.
    let about = "sysctl vm.swappiness";
    assert_eq!(
        nixos.insert(about.to_owned(), "60".to_owned()).as_deref(),
        Some("1")
    );
    assert!(
        nixos
            .remove("kernel parameter nohz_full=4-7,12-15")
            .is_some()
    );
    nixos.insert(
        "unit trading.service [Service] Nice".to_owned(),
        "5".to_owned(),
    );
    let hosts = [("cuda".to_owned(), ubuntu, nixos)];
    let complaints = complaints(&hosts, &listed());
    for expected in [
        "cuda: sysctl vm.swappiness\n    Ubuntu: 1\n    NixOS:  60\n",
        "cuda: kernel parameter nohz_full=4-7,12-15\n    Ubuntu: yes\n    NixOS:  nothing\n",
        "cuda: unit trading.service [Service] Nice\n    Ubuntu: nothing\n    NixOS:  5\n",
    ] {
        assert!(complaints.contains(expected), "{complaints}");
    }
}

#[test]
fn what_is_no_difference_any_more_is_seen() {
    let hosts = [("cuda".to_owned(), Said::new(), Said::new())];
    let stale = [Difference {
        about: "unit gone.service*".to_owned(),
        reason: String::new(),
    }];
    assert_eq!(
        complaints(&hosts, &stale),
        "listed, and no difference: unit gone.service*\n"
    );
}

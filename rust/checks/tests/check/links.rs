//! Checks of links: what good ends answer, and what bad ones do.

mod mutations;
mod own;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use deployctl_checks::link::{self, LinkCheck};
use deployctl_checks::{CheckStatus, evaluate};
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::query::Section;

use crate::cases::page;
use crate::good::all_pass;
use crate::host::{facts, inventory, section};

/// The links of the tests' inventory: a Linux host and a Mac.
pub(crate) fn checks() -> Vec<LinkCheck> {
    link::checks(inventory())
}

/// The same with a second Mac on the link, so that Macs ask Macs, too.
pub(crate) fn three() -> &'static Inventory {
    static INVENTORY: LazyLock<Inventory> = LazyLock::new(|| {
        let mut raw = facts();
        let mut network = raw["hosts"]["mac-mini"]["network"].clone();
        network["interfaces"]["en0"]["addresses"][0] = "10.0.0.3/24".into();
        raw["hosts"]["macbook"]["network"] = network;
        raw["cluster"]["links"]["lan10g"]["endpoints"]["macbook"] =
            serde_json::json!({ "interface": "en0", "address": "10.0.0.3" });
        inventory::parse(raw.to_string().as_bytes()).unwrap()
    });
    &INVENTORY
}

/// The checks among all three, and what good ends answer where that is recorded.
pub(crate) fn subjects() -> impl Iterator<Item = (LinkCheck, Option<Section>)> {
    let known: BTreeSet<_> = checks()
        .into_iter()
        .map(|link| link.check.query.id)
        .collect();
    link::checks(three()).into_iter().map(move |link| {
        let id = &link.check.query.id;
        let answer = known.contains(id).then(|| good(id));
        (link, answer)
    })
}

/// What a good end answers: on the page `good/links.txt`.
fn good(query: &str) -> Section {
    static GOOD: LazyLock<BTreeMap<String, Section>> = LazyLock::new(|| {
        let (_, cases) = page("good/links.txt");
        let answers = cases.iter();
        answers
            .map(|case| (case.query.clone(), case.answer()))
            .collect()
    });
    let answer = GOOD.get(query);
    answer
        .unwrap_or_else(|| panic!("good/links.txt does not answer {query}"))
        .clone()
}

#[test]
fn good_ends_pass_every_check() {
    let checks: Vec<_> = checks().into_iter().map(|link| link.check).collect();
    let results = all_pass("good/links.txt", &checks);
    assert_eq!(results.len(), checks.len());
}

#[test]
fn what_is_asked_of_whom_and_after_what() {
    let mut lines = Vec::new();
    let mut known = BTreeSet::new();
    for link in link::checks(three()) {
        let check = &link.check;
        assert_eq!(link.link.to_string(), "lan10g");
        assert_ne!(link.from, link.peer);
        assert!(check.id.starts_with("lan10g/"), "{}", check.id);
        assert!(!check.expected.is_empty());
        let loads = link.server.is_some() || check.id.contains("-chat/");
        assert_eq!(check.load, loads, "{}", check.id);
        if let Some(needed) = &check.needs {
            assert!(known.contains(needed), "{} needs {needed}", check.id);
        }
        assert!(known.insert(check.id.clone()), "two {}", check.id);
        lines.push(format!(
            "{} by {}{}{}",
            check.id,
            link.from,
            link.server
                .as_ref()
                .map_or(String::new(), |_| format!(", served by {}", link.peer)),
            check
                .needs
                .as_ref()
                .map_or(String::new(), |needed| format!(" after {needed}")),
        ));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn no_answer_an_empty_one_and_one_cut_short_are_errors() {
    for link in checks() {
        let mut cut = section(0, "x");
        cut.truncated = true;
        let mut late = section(0, "x");
        late.status = None;
        for answer in [None, Some(section(0, "")), Some(cut), Some(late)] {
            let result = evaluate(&link.check, answer.as_ref());
            assert!(
                matches!(result.status, CheckStatus::Error { .. }),
                "{}: {answer:?} gave {:?}",
                link.check.id,
                result.status
            );
        }
    }
}

//! Checks of links: what good ends answer, what bad ones do, and the shell that asks them.

mod mutations;
mod server;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use deployctl_checks::link::{self, LinkCheck};
use deployctl_checks::{CheckResult, CheckStatus, evaluate};
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::query::Section;

use crate::good::table;
use crate::host::{inventory, section};

/// The links of the tests' inventory: a Linux host and a Mac.
fn checks() -> Vec<LinkCheck> {
    link::checks(inventory())
}

/// The same with a second Mac on the link, so that Macs ask Macs, too.
fn three() -> &'static Inventory {
    static INVENTORY: LazyLock<Inventory> = LazyLock::new(|| {
        let mut raw: serde_json::Value =
            serde_json::from_slice(include_bytes!("inventory.json")).unwrap();
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

fn file_of(query: &str) -> String {
    query.replace('/', ".")
}

/// What a good end answers: `link/good/<query id, slashes as dots>`.
#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn good(query: &str) -> Section {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/link/good/");
    let file = format!("{folder}{}", file_of(query));
    section(
        0,
        std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}")),
    )
}

/// A table with what was measured.
fn full_table(results: &[CheckResult]) -> String {
    let mut text = String::new();
    for result in results {
        text.push_str(&table(std::slice::from_ref(result)));
        text.push('\n');
        for measured in &result.measurements {
            let numbers: Vec<String> = measured
                .statistics
                .iter()
                .map(|statistic| format!("{} {:.3}", statistic.name, statistic.value))
                .collect();
            let _ = writeln!(
                text,
                "           measured: {} in {}: {}; {} samples, {}",
                measured.what,
                measured.unit,
                numbers.join(", "),
                measured.samples.len(),
                measured
                    .limit
                    .as_ref()
                    .map_or("no limit".to_owned(), |limit| {
                        format!("{:?} {} {}", limit.bound, limit.statistic, limit.value)
                    })
            );
        }
    }
    text
}

#[test]
fn good_ends_pass_every_check() {
    let results: Vec<_> = checks()
        .iter()
        .map(|link| evaluate(&link.check, Some(&good(&link.check.query.id))))
        .collect();
    insta::assert_snapshot!(full_table(&results));
    let bad: Vec<_> = results
        .iter()
        .filter(|result| result.status != CheckStatus::Pass)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
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

#[test]
fn every_recorded_answer_is_judged() {
    let mut by_query: BTreeMap<String, Vec<LinkCheck>> = BTreeMap::new();
    for link in checks() {
        let file = file_of(&link.check.query.id);
        by_query.entry(file).or_default().push(link);
    }
    insta::glob!("link/recorded/*/*", |path| {
        let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (query, case) = (name(path.parent().unwrap()), name(path));
        let links = by_query
            .get(&query)
            .unwrap_or_else(|| panic!("no query `{query}`"));
        let status = case
            .rsplit_once("-rc")
            .map_or(0, |(_, rc)| rc.parse().unwrap());
        let answer = section(status, bytes(path));
        let results: Vec<_> = links
            .iter()
            .map(|link| evaluate(&link.check, Some(&answer)))
            .collect();
        assert!(
            results.iter().any(|r| r.status != CheckStatus::Pass),
            "{query}/{case} is not bad at all"
        );
        insta::assert_snapshot!(full_table(&results));
    });
}

#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn bytes(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

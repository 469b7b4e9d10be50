//! What hosts in all kinds of trouble answered, and what the checks make of it: `modules/<concern>/cases/answers.txt`,
//! judged on the hosts of the folder's examples, as `concern test` does; where checks are in Rust
//! `tests/cases/<concern>.txt`, judged on hosts of the tests' inventory.
//!
//! A page holds the cases of one concern ([`case`] has the format). Answers of macOS
//! (`mac-…`, `mlx/job`, `mlx/listening`) are stand-ins, written after the formats that Apple documents; those named
//! `real-…` came from the program itself, and `recorded` names the machine.
//! `INSTA_UPDATE=always` writes the verdicts.
#![expect(clippy::disallowed_methods, reason = "tests read their pages")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use deployctl_checks::case::{self, Case, parse, render};
use deployctl_checks::{Check, CheckResult, CheckStatus, evaluate, judges, link};
use deployctl_core::concern::Folders;
use deployctl_core::inventory;
use deployctl_trial::{TrialFolders, answers};
use serde_json::Value;

use crate::expected::compare;
use crate::host::{HOSTS, checks_in, checks_of, inventory};

/// The page at `path` below this crate's tests.
pub(crate) fn page(path: &str) -> (PathBuf, Vec<Case>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path);
    let shown = path.display();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let cases = parse(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(!cases.is_empty(), "{shown} has no case");
    (path, cases)
}

/// Every page of recorded answers, with its place.
pub(crate) fn pages() -> Vec<(PathBuf, Vec<Case>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let below = |folder: PathBuf| -> BTreeSet<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let modules = below(here.join("../../modules")).into_iter();
    modules
        .flat_map(|concern| below(concern.join("cases")))
        .chain(below(here.join("tests/cases")))
        .map(|path| page(path.to_str().unwrap()))
        .collect()
}

/// What checks as data make of `case`, as `concern test` does; nothing where the checks are in Rust.
fn judge_by_folder(case: &Case) -> Option<Vec<CheckResult>> {
    static FOLDERS: LazyLock<TrialFolders> =
        LazyLock::new(|| TrialFolders::new(Folders::built_in(), &judges()));
    let (concern, _) = case.query.split_once('/')?;
    let concern = FOLDERS.concern(concern)?;
    concern.checks.as_ref()?;
    let judged = answers::judge(&FOLDERS, concern, case);
    Some(judged.unwrap_or_else(|error| panic!("{}: {}: {error}", case.query, case.name)))
}

/// The checks that ask each query, of the first host that does.
fn askers() -> &'static BTreeMap<String, Vec<Check>> {
    static ASKERS: LazyLock<BTreeMap<String, Vec<Check>>> = LazyLock::new(|| {
        let mut askers = BTreeMap::new();
        let links = link::checks(inventory()).into_iter();
        let links: Vec<Check> = links.map(|link| link.check).collect();
        for checks in HOSTS.iter().map(|host| checks_of(host)).chain([links]) {
            for (query, checks) in by_query(checks) {
                askers.entry(query).or_insert(checks);
            }
        }
        askers
    });
    &ASKERS
}

fn by_query(checks: Vec<Check>) -> BTreeMap<String, Vec<Check>> {
    let mut all: BTreeMap<String, Vec<Check>> = BTreeMap::new();
    for check in checks {
        all.entry(check.query.id.clone()).or_default().push(check);
    }
    all
}

/// The checks of the host that `case` names, with its facts changed as it says.
fn asker_of(case: &Case) -> Vec<Check> {
    let host = case.host.as_deref().unwrap_or(HOSTS[0]);
    let mut raw = inventory().value().clone();
    for fact in &case.facts {
        let (path, value) = fact.split_once(" = ").expect("facts: path = JSON");
        let at = path
            .split('.')
            .fold(&mut raw["hosts"][host], |at, key| &mut at[key]);
        *at =
            serde_json::from_str::<Value>(value).unwrap_or_else(|error| panic!("{fact}: {error}"));
    }
    let changed = inventory::parse(raw.to_string().as_bytes());
    let changed = changed.unwrap_or_else(|error| panic!("{}: {}: {error}", case.query, case.name));
    let mut all = by_query(checks_in(&changed, host, &BTreeSet::new()));
    all.remove(&case.query).unwrap_or_default()
}

/// What the checks that ask its query make of `case`.
pub(crate) fn judge(case: &Case) -> Vec<CheckResult> {
    if let Some(results) = judge_by_folder(case) {
        assert!(
            !results.is_empty(),
            "{}: no query `{}`",
            case.name,
            case.query
        );
        return results;
    }
    let own;
    let checks = if case.host.is_none() && case.facts.is_empty() {
        askers().get(&case.query)
    } else {
        own = asker_of(case);
        Some(&own)
    };
    let checks = checks.filter(|checks| !checks.is_empty());
    let checks = checks.unwrap_or_else(|| panic!("{}: no query `{}`", case.name, case.query));
    let answer = case.answer();
    let results = checks.iter().map(|check| evaluate(check, Some(&answer)));
    results.collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "numbers to be seen by `--nocapture`")]
fn every_recorded_answer_is_judged() {
    let (mut wrong, mut names, mut verdicts) = (Vec::new(), BTreeSet::new(), 0);
    for (path, mut cases) in pages() {
        let of_link = path.ends_with("links.txt") || path.ends_with("links-throughput.txt");
        for case in &mut cases {
            let name = format!("{}: {}", case.query, case.name);
            assert!(!case.name.is_empty(), "{name}a case needs a name");
            assert!(names.insert(name.clone()), "two cases of {name}");
            let results = judge(case);
            let bad = results.iter().any(|one| one.status != CheckStatus::Pass);
            assert!(bad || !of_link, "{name} is not bad at all");
            verdicts += results.len();
            case.verdict = case::verdict(&results);
        }
        wrong.extend(compare(&path, &render(&cases)));
    }
    println!("{} recorded answers, {verdicts} verdicts", names.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

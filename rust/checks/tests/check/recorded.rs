//! What hosts in all kinds of trouble answered, and what the checks make of it.
//!
//! `recorded/<query id, slashes as dots>/<case>` holds standard output; a case named `…-rcN` ended with
//! status N. Those of macOS (`mac-…`, `mlx.job`, `mlx.listening`) are stand-ins, written after the formats that
//! Apple documents; those named `real-…` came from the program itself.

use std::collections::BTreeMap;

use deployctl_checks::{Check, evaluate};

use crate::good::table;
use crate::host::{HOSTS, case, checks_of, section};

#[test]
fn every_recorded_answer_is_judged() {
    // What several hosts ask is told of the first.
    let checks: Vec<Vec<Check>> = HOSTS.iter().map(|host| checks_of(host)).collect();
    let mut by_query: BTreeMap<String, Vec<&Check>> = BTreeMap::new();
    for checks in &checks {
        let mut of_host: BTreeMap<String, Vec<&Check>> = BTreeMap::new();
        for check in checks {
            let folder = check.query.id.replace('/', ".");
            of_host.entry(folder).or_default().push(check);
        }
        for (folder, checks) in of_host {
            by_query.entry(folder).or_insert(checks);
        }
    }
    insta::glob!("recorded/*/*", |path| {
        let folder = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let checks = by_query
            .get(folder)
            .unwrap_or_else(|| panic!("no query `{folder}`"));
        let answer = section(case(path).1, bytes(path));
        let results: Vec<_> = checks
            .iter()
            .map(|check| evaluate(check, Some(&answer)))
            .collect();
        insta::assert_snapshot!(table(&results));
    });
}

#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn bytes(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

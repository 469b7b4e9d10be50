//! What hosts in all kinds of trouble answered, and what the checks make of it.
//!
//! `recorded/<query id, slashes as dots>/<case>` holds standard output; a case named `…-rcN` ended with
//! status N.

use std::collections::BTreeMap;

use deployctl_core::check::{Check, evaluate};

use crate::good::table;
use crate::host::{checks_of, section};

#[test]
fn every_recorded_answer_is_judged() {
    let checks = checks_of("cuda");
    let mut by_query: BTreeMap<String, Vec<&Check>> = BTreeMap::new();
    for check in &checks {
        by_query
            .entry(check.query.id.replace('/', "."))
            .or_default()
            .push(check);
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
        let case = path.file_name().unwrap().to_str().unwrap();
        let status = case
            .rsplit_once("-rc")
            .map_or(0, |(_, rc)| rc.parse().unwrap());
        let answer = section(status, bytes(path));
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

//! docs/checks.md names every check there is, and none that is not.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_checks::link;
use globset::Glob;

use crate::hostile::subjects;

/// A check's name, and how it is set: `**` for gates, `*` for those that load what they measure.
type Name = (String, &'static str);

#[expect(
    clippy::disallowed_methods,
    reason = "the test reads the documentation"
)]
fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/checks.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of its table, which are `| concern | its checks | … |`.
fn documented() -> BTreeMap<String, BTreeSet<Name>> {
    let text = text();
    let (_, table) = text.split_once("## What is looked at").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut rows: BTreeMap<String, BTreeSet<Name>> = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let (Some(concern), Some(checks)) = (cells.next(), cells.next()) else {
            continue;
        };
        // Every second piece stands between backticks.
        let pieces: Vec<&str> = checks.split('`').collect();
        let names = pieces.windows(2).step_by(2).map(|pair| {
            let style = ["**", "*"]
                .into_iter()
                .find(|style| pair[0].ends_with(style));
            (pair[1].to_owned(), style.unwrap_or(""))
        });
        rows.entry(concern.to_owned()).or_default().extend(names);
    }
    rows
}

#[test]
fn every_check_is_documented_and_every_documented_check_is_there() {
    let rows = documented();
    let mut unused: BTreeSet<(String, Name)> = rows
        .iter()
        .flat_map(|(concern, names)| names.iter().map(|name| (concern.clone(), name.clone())))
        .collect();
    let mut missing = BTreeSet::new();
    for subject in subjects() {
        let (first, rest) = subject.check.id.split_once('/').unwrap();
        let of_link = subject.host.starts_with("link ");
        let concern = if of_link { link::CONCERN } else { first };
        let mut named = false;
        // A separate row has what every concern may have.
        for row in [concern, "all"] {
            for name in rows.get(row).into_iter().flatten() {
                let glob = Glob::new(&name.0).unwrap().compile_matcher();
                let style = name.1;
                if glob.is_match(rest)
                    && subject.check.load == (style == "*")
                    && (!subject.check.gate || style == "**")
                {
                    named = true;
                    if subject.check.gate == (style == "**") {
                        unused.remove(&(row.to_owned(), name.clone()));
                    }
                }
            }
        }
        if !named {
            missing.insert(format!("{concern}: {rest}"));
        }
    }
    assert!(
        missing.is_empty(),
        "docs/checks.md does not name, or sets otherwise: {missing:#?}"
    );
    assert!(
        unused.is_empty(),
        "docs/checks.md names what is not there: {unused:#?}"
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the repository"
)]
fn every_file_that_is_named_is_there() {
    let text = text();
    let named = text.split('`').filter(|piece| {
        let below = ["rust/", "tests/"]
            .iter()
            .any(|folder| piece.starts_with(folder));
        below && !piece.contains(['<', ' '])
    });
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let gone: Vec<&str> = named.filter(|path| !root.join(path).exists()).collect();
    assert!(gone.is_empty(), "docs/checks.md names {gone:#?}");
}

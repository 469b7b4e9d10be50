//! What differs from what was accepted.

use std::fmt::Write as _;

use deployctl_checks::accepted::{Change, Difference, Entry};

use super::{Style, shown};

/// Every host that differs, with each check: removed lines in red, new ones in green. Hosts without anything accepted
/// share a line.
pub(super) fn differences(differences: &[Difference], style: Style) -> String {
    let mut text = String::new();
    let differing = || differences.iter().filter(|one| !one.changes.is_empty());
    for difference in differing().filter(|one| one.known) {
        let host = style.bold(difference.host.as_str());
        let _ = writeln!(text, "{host}  {}", style.warn(&headline(difference)));
        for change in &difference.changes {
            text.push_str(&accepted_change(change, style));
        }
    }
    let unknown: Vec<&str> = differing()
        .filter(|one| !one.known)
        .map(|one| one.host.as_str())
        .collect();
    if !unknown.is_empty() {
        let told = format!(
            "nothing accepted yet of {}: `--accept` takes this as right",
            unknown.join(", ")
        );
        let _ = writeln!(text, "{}", style.dim(&told));
    }
    text
}

/// Which file, and how many checks of it differ.
fn headline(difference: &Difference) -> String {
    let number = |wanted: &dyn Fn(&Change) -> bool| {
        difference
            .changes
            .iter()
            .filter(|change| wanted(change))
            .count()
    };
    let parts: Vec<String> = [
        (
            number(&|c| c.accepted.is_some() && c.found.is_some()),
            "changed",
        ),
        (number(&|c| c.accepted.is_none()), "new"),
        (number(&|c| c.found.is_none()), "gone"),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}"))
    .collect();
    format!("not as in {}: {}", difference.file, parts.join(", "))
}

/// One check that is not as accepted, as a diff of its lines in the file.
pub fn accepted_change(change: &Change, style: Style) -> String {
    let mark = match (&change.accepted, &change.found) {
        (None, _) => style.good("+"),
        (_, None) => style.bad("-"),
        _ => style.warn("~"),
    };
    let mut text = format!("  {mark} {}\n", shown(&change.check));
    let rows = |entry: &Option<Entry>| {
        entry.as_ref().map(|entry| {
            [
                ("status", entry.status.word().to_owned()),
                ("expected", entry.expected.clone()),
                ("found", entry.found.clone()),
            ]
        })
    };
    match (rows(&change.accepted), rows(&change.found)) {
        (Some(before), Some(after)) => {
            for ((name, old), (_, new)) in before.iter().zip(&after) {
                if old == new {
                    continue;
                }
                row(&mut text, '-', name, old, style);
                row(&mut text, '+', name, new, style);
            }
        }
        (None, Some(after)) => after
            .iter()
            .for_each(|(name, new)| row(&mut text, '+', name, new, style)),
        (Some(before), None) => before
            .iter()
            .for_each(|(name, old)| row(&mut text, '-', name, old, style)),
        (None, None) => {}
    }
    text
}

fn row(text: &mut String, sign: char, name: &str, value: &str, style: Style) {
    if value.is_empty() {
        return;
    }
    let line = format!("{sign} {name}: {}", shown(value));
    let line = if sign == '+' {
        style.good(&line)
    } else {
        style.bad(&line)
    };
    let _ = writeln!(text, "      {line}");
}

//! Which file wins at the next boot, for every concern whose files are read together with others.

use std::collections::BTreeSet;

use deployctl_core::precedence;
use deployctl_core::query::Query;
use deployctl_core::rendered::{Entry, ManagedEntry};

use super::answer::{Found, Unreadable};
use crate::{Check, Declared};

/// One check per file of ours that others can overrule. It decides no confirm: a plan warns of it, and an apply
/// cannot mend the files of others.
pub(super) fn checks(declared: &Declared<'_>) -> Vec<Check> {
    let query = Query::inline("overruled", precedence::ASK).with_cap(1 << 20);
    let entries = &declared.rendered.entries;
    let ours: BTreeSet<String> = entries.keys().map(ToString::to_string).collect();
    entries
        .iter()
        .filter(|(path, _)| precedence::is_shared(path.as_str()))
        .map(|(path, managed)| {
            let path = path.to_string();
            let what = format!("overruled/{}", name(&path, managed, declared));
            let expected = format!("no other file overrules {path}");
            let ours = ours.clone();
            // Unit files of other programs are not read: they may contain secrets. Our own is known.
            let unit = match &managed.entry {
                Entry::File { content, .. } if precedence::is_unit(&path) => Some(content.clone()),
                _ => None,
            };
            Check::new(
                managed.concern.as_str(),
                &what,
                &query,
                expected,
                move |answer| {
                    let mut files = precedence::parse(answer.text()?.as_bytes());
                    if files.paths().next().is_none() {
                        return Err(Unreadable::new("no file at all in the answer"));
                    }
                    if let Some(content) = &unit {
                        files.insert(&path, content);
                    }
                    if !files.has(&path) {
                        return Ok(
                            Found::when(false, "it is not there").or_hint(crate::MADE_BY_APPLY)
                        );
                    }
                    let found = precedence::overruled(&path, &files, |other| ours.contains(other));
                    let Some(first) = found.first() else {
                        return Ok(Found::when(true, "none does"));
                    };
                    let told: Vec<String> = found
                        .iter()
                        .map(|o| {
                            format!("{} by {} ({})", o.ours.key, o.theirs.place, o.theirs.value)
                        })
                        .collect();
                    Ok(Found::when(false, told.join(", ")).or_hint(format!(
                    "it wins at the next boot: take it out of {}, or the setting out of the facts",
                    first.theirs.place.file
                )))
                },
            )
        })
        .collect()
}

/// The file's name; with its folder where the concern has two files of that name.
fn name<'a>(path: &'a str, managed: &ManagedEntry, declared: &Declared<'_>) -> &'a str {
    let name = precedence::name(path);
    let namesakes = declared.rendered.entries.iter().filter(|(other, entry)| {
        let other = other.as_str();
        entry.concern == managed.concern
            && precedence::is_shared(other)
            && precedence::name(other) == name
    });
    if namesakes.count() > 1 {
        path.strip_prefix("/etc/").unwrap_or(path)
    } else {
        name
    }
}

//! What a platform says of a host, in words that do not depend on the platform.

use std::collections::BTreeMap;

/// A thing, such as `sysctl vm.swappiness` or `unit trading.service [Service] Slice` → its value.
pub(crate) type Said = BTreeMap<String, String>;

/// Says `value` of `thing`, after what was said of it before.
pub(crate) fn say(said: &mut Said, thing: impl Into<String>, value: impl AsRef<str>) {
    let value = value
        .as_ref()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    said.entry(thing.into())
        .and_modify(|before| {
            before.push(' ');
            before.push_str(&value);
        })
        .or_insert(value);
}

/// Says that there is such a thing.
pub(crate) fn note(said: &mut Said, thing: impl Into<String>) {
    said.insert(thing.into(), "yes".to_owned());
}

/// The lines that are neither empty nor comments, without what surrounds them.
pub(crate) fn lines<'a>(text: &'a str, comment: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .map(str::trim)
        .filter(move |line| !line.is_empty() && !line.starts_with(comment))
}

/// The chains of an nftables table: `firewall chain input` → its lines.
pub(crate) fn chains(said: &mut Said, rules: &str) {
    let mut chain = None;
    for line in lines(rules, "#") {
        if let Some(name) = line.strip_prefix("chain ") {
            chain = Some(name.trim_end_matches('{').trim().to_owned());
        } else if line == "}" {
            chain = None;
        } else if let Some(name) = &chain {
            say(said, format!("firewall chain {name}"), format!("{line};"));
        }
    }
}

/// Directives that begin with their name: `chrony server …`, each by itself where several may stand.
pub(crate) fn directives(said: &mut Said, kind: &str, text: &str) {
    for line in lines(text, "#") {
        match line.split_once(char::is_whitespace) {
            Some((word @ ("pool" | "server"), rest)) => note(said, format!("{kind} {word} {rest}")),
            Some((word, rest)) => say(said, format!("{kind} {word}"), rest),
            None => note(said, format!("{kind} {line}")),
        }
    }
}

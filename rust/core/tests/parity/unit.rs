//! Unit files, and other files of sections and keys.

use crate::said::{Said, say};

/// Keys whose words are a set of units.
const SETS: [&str; 4] = ["After", "Before", "Wants", "Conflicts"];

/// Says every key of `text`: `PREFIX [Section] Key` → its value, or `PREFIX Key` without sections.
/// What is enabled is said elsewhere, so `[Install]` is passed over.
pub(crate) fn keys(said: &mut Said, prefix: &str, text: &str, sections: bool) {
    let joined = text.replace("\\\n", " ");
    let mut section = "";
    for line in joined.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
            && section != "[Install]"
        {
            key_of(said, prefix, sections.then_some(section), key.trim(), value);
        }
    }
}

/// Says one key.
pub(crate) fn key_of(said: &mut Said, prefix: &str, section: Option<&str>, key: &str, value: &str) {
    let section = section.map_or(String::new(), |section| format!(" {section}"));
    if key == "Environment" {
        let words: Vec<_> = match value.strip_prefix('"') {
            Some(quoted) => vec![quoted.trim_end_matches('"')],
            None => value.split_whitespace().collect(),
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            say(said, format!("{prefix} environment {name}"), value);
        }
    } else if SETS.contains(&key) {
        for word in value.split_whitespace() {
            say(said, format!("{prefix}{section} {key} {word}"), "yes");
        }
    } else {
        say(said, format!("{prefix}{section} {key}"), value);
    }
}

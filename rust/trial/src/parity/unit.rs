//! Unit files, and other files of sections and keys.

use std::sync::LazyLock;

use regex::Regex;

use super::said::Said;

/// Keys whose words are a set of units.
const SETS: [&str; 12] = [
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "Requires",
    "Requisite",
    "Upholds",
    "Wants",
    "WantsMountsFor",
];

/// Where programs are: in a package's folder on one platform, in the system's on the other.
static PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(^|[\s"'=@+!:(|&;`-])(?:<pkgs\.[^>]+>|/run/current-system/sw|/usr|)/s?bin/([A-Za-z0-9_])"#,
    )
    .expect("tested")
});

/// Says every key of `text`: `PREFIX [Section] Key` → its value, or `PREFIX Key` without sections.
/// What is enabled is said elsewhere, so `[Install]` is passed over.
pub(super) fn keys(said: &mut Said, prefix: &str, text: &str, sections: bool) {
    let joined = text.replace("\\\n", " ");
    let mut section = "";
    for line in joined.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with(['#', ';'])
            && section != "[Install]"
        {
            key_of(said, prefix, sections.then_some(section), key.trim(), value);
        }
    }
}

/// Says one key.
pub(super) fn key_of(said: &mut Said, prefix: &str, section: Option<&str>, key: &str, value: &str) {
    let section = section.map_or(String::new(), |section| format!(" {section}"));
    if key == "Environment" {
        let words: Vec<_> = match value.strip_prefix('"') {
            Some(quoted) => vec![quoted.trim_end_matches('"')],
            None => value.split_whitespace().collect(),
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            said.say(format!("{prefix} environment {name}"), value);
        }
    } else if SETS.contains(&key) {
        for word in value.split_whitespace() {
            said.set(format!("{prefix}{section} {key} {word}"), "yes");
        }
    } else {
        let thing = format!("{prefix}{section} {key}");
        match value.trim() {
            "true" | "on" => said.say(thing, "yes"),
            "false" | "off" => said.say(thing, "no"),
            value if key.starts_with("Exec") => {
                said.say(thing, bare_programs(value));
            }
            value => said.say(thing, value),
        }
    }
}

/// A command whose programs are called by their names alone: where they are is the platform's own.
pub(super) fn bare_programs(command: &str) -> String {
    PROGRAM.replace_all(command, "$1$2").into_owned()
}

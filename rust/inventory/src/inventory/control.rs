//! No text of the inventory may hold a character that a terminal or a configuration file acts on.

use serde_json::Value;

use super::error::Findings;
use super::path::{FactPath, Segment};
use crate::concern::Concerns;

/// Looks at every key and text below `value`.
pub(super) fn check(
    path: &FactPath,
    value: &Value,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    match value {
        Value::String(text) => {
            if let Some(c) = text.chars().find(|c| is_refused(*c, path, concerns)) {
                findings.add_with_hint(
                    path.clone(),
                    format!("holds the control character U+{:04X}", u32::from(c)),
                    hint(text),
                );
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(&path.clone().index(index), item, concerns, findings);
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                let here = path.clone().key(key);
                if let Some(c) = key.chars().find(|c| is_control(*c)) {
                    let problem = format!(
                        "has a name with the control character U+{:04X}",
                        u32::from(c)
                    );
                    findings.add(here, problem);
                } else {
                    check(&here, entry, concerns, findings);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A file of one line ends with a line break, and `readFile` keeps it.
fn hint(text: &str) -> &'static str {
    let line = text.strip_suffix('\n');
    if line.is_some_and(|line| !line.is_empty() && !line.chars().any(is_control)) {
        "a file read by `builtins.readFile` ends with a line break: `builtins.replaceStrings [ \"\\n\" ] [ \"\" ] (builtins.readFile ./FILE)`"
    } else {
        "texts are one line each; only `extra.files.*.content`, `extra.checks.*.command` and what a concern declares as `deployctl:content` may hold line breaks and tabs"
    }
}

fn is_refused(c: char, path: &FactPath, concerns: &Concerns) -> bool {
    is_control(c) && !(matches!(c, '\n' | '\t') && is_content(path, concerns))
}

/// Control characters, and those that change the direction or the lines of the text around them.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a file's text may be there: `hosts.*.extra.files.*.content`, `hosts.*.extra.checks.*.command`, and what the schema
/// of a concern says is one.
fn is_content(path: &FactPath, concerns: &Concerns) -> bool {
    let [Segment::Key(hosts), _, Segment::Key(concern), below @ ..] = path.segments() else {
        return false;
    };
    if hosts != "hosts" {
        return false;
    }
    let below: Vec<Option<&str>> = below.iter().map(key).collect();
    if concern == "extra" {
        return matches!(
            below[..],
            [Some("files"), None, Some("content")] | [Some("checks"), Some(_), Some("command")]
        );
    }
    let concern = concerns.get(concern);
    concern.is_some_and(|concern| concern.is_content(&below))
}

fn key(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Key(key) => Some(key),
        Segment::Index(_) => None,
    }
}

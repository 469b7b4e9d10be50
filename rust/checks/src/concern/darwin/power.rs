//! A Mac's power management, as `pmset` says it for every source of power.

use deployctl_core::inventory::power::Power;
use deployctl_core::query::Query;

use crate::answer::{Answer, Found, Unreadable, number};
use crate::concern::power::CONCERN;
use crate::{Check, Declared};

pub(in crate::concern) fn checks(facts: &Power, _: &Declared<'_>) -> Vec<Check> {
    let query = Query::new("power/mac-settings", "/usr/bin/pmset -g custom");
    let check = |what: &str, key: &'static str, wanted: u32, expected: &str| {
        let expected = format!("{expected} ({key} {wanted}, by every source of power)");
        Check::new(CONCERN, what, &query, expected, move |answer| {
            let found = parse(answer, key)?;
            if found.is_empty() {
                return Ok(Found::when(false, format!("no setting `{key}`")).or_hint(
                    "this Mac has no such setting: take the fact away, or see `pmset -g cap`",
                ));
            }
            let shown: Vec<String> = found
                .iter()
                .map(|(source, value)| format!("{source}: {key} {value}"))
                .collect();
            let holds = found.iter().all(|(_, value)| *value == wanted);
            Ok(Found::when(holds, shown.join(", "))
                .or_hint("nix-darwin does not tell where setting it failed: `pmset -a` does"))
        })
    };
    let mut checks = Vec::new();
    if let Some(after) = &facts.computer_sleep {
        // `never`, or minutes.
        let minutes = after.as_str().parse().unwrap_or(0);
        let expected = if minutes == 0 {
            "it never sleeps".to_owned()
        } else {
            format!("it sleeps after {minutes} minutes")
        };
        checks.push(check("sleep", "sleep", minutes, &expected));
    }
    if facts.restart_after_power_failure == Some(true) {
        checks.push(check(
            "autorestart",
            "autorestart",
            1,
            "it starts when the power comes back",
        ));
    }
    checks
}

/// The value of `key` in each section (`AC Power:`, `Battery Power:` where there is one).
fn parse<'a>(answer: &Answer<'a>, key: &str) -> Result<Vec<(&'a str, u32)>, Unreadable> {
    let mut found = Vec::new();
    let mut section = None;
    for line in answer.lines()? {
        if let Some(name) = line.strip_suffix(" Power:") {
            section = Some(name);
        } else if let (Some(section), Some(value)) = (section, line.strip_prefix(key)) {
            // Another key may begin alike: `sleep` and `Sleep On Power Button`.
            if let Some(word) = value.strip_prefix(' ') {
                let word = word.split_whitespace().next().unwrap_or_default();
                found.push((section, number(key, word)?));
            }
        }
    }
    match section {
        Some(_) => Ok(found),
        None => Err(Unreadable::new("no section as `pmset -g custom` prints it")),
    }
}

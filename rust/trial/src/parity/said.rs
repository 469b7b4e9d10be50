//! Things that a platform puts on a host, each with its value.

use std::collections::BTreeMap;

/// A thing, such as `sysctl vm.swappiness` or `unit trading.service [Service] Slice` → its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(BTreeMap<String, String>);

impl Said {
    /// Says `value` of `thing`, after what was said of it before.
    pub(super) fn say(&mut self, thing: impl Into<String>, value: impl AsRef<str>) {
        let value = value
            .as_ref()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        self.0
            .entry(thing.into())
            .and_modify(|before| {
                if !before.is_empty() {
                    before.push(' ');
                }
                before.push_str(&value);
            })
            .or_insert(value);
    }

    /// Says that there is such a thing.
    pub(super) fn note(&mut self, thing: impl Into<String>) {
        self.set(thing, "yes");
    }

    /// Says `value` of `thing`, whatever was said of it before.
    pub fn set(&mut self, thing: impl Into<String>, value: impl Into<String>) {
        self.0.insert(thing.into(), value.into());
    }

    /// The value of `thing`.
    pub fn get(&self, thing: &str) -> Option<&str> {
        self.0.get(thing).map(String::as_str)
    }

    /// Takes `thing` back, and returns its value.
    pub fn remove(&mut self, thing: &str) -> Option<String> {
        self.0.remove(thing)
    }

    /// All things.
    pub fn things(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Directives that begin with their name: `chrony server …`, each by itself where several may stand.
    pub(super) fn directives(&mut self, kind: &str, text: &str) {
        for line in lines(text, "#") {
            match line.split_once(char::is_whitespace) {
                Some((word @ ("pool" | "server"), rest)) => {
                    self.note(format!("{kind} {word} {rest}"));
                }
                Some((word, rest)) => self.say(format!("{kind} {word}"), rest),
                None => self.note(format!("{kind} {line}")),
            }
        }
    }

    /// The chains of an nftables table: `firewall chain input` → its lines.
    pub(super) fn chains(&mut self, rules: &str) {
        let mut chain = None;
        for line in lines(rules, "#") {
            if let Some(name) = line.strip_prefix("chain ") {
                chain = Some(name.trim_end_matches('{').trim().to_owned());
            } else if line == "}" {
                chain = None;
            } else if let Some(name) = &chain {
                self.say(format!("firewall chain {name}"), format!("{line};"));
            }
        }
    }

    /// A user that the host makes. What a group of the same name would add is nothing.
    pub(super) fn account(&mut self, name: &str, home: Option<&str>, shell: Option<&str>) {
        self.note(format!("account {name}"));
        if let Some(home) = home {
            self.say(format!("account {name} home"), home);
        }
        // Programs have none, whatever the path of the one that says so.
        if let Some(shell) = shell.filter(|it| !it.ends_with("/nologin")) {
            self.say(format!("account {name} shell"), shell);
        }
        self.remove(&format!("group {name}"));
    }

    /// A group that the host makes.
    pub(super) fn group(&mut self, name: &str) {
        if self.get(&format!("account {name}")).is_none() {
            self.note(format!("group {name}"));
        }
    }
}

/// The lines that are neither empty nor comments, without what surrounds them.
pub(super) fn lines<'a>(text: &'a str, comment: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .map(str::trim)
        .filter(move |line| !line.is_empty() && !line.starts_with(comment))
}

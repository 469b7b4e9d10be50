//! Who has an account on the host: its shell, its groups, and whether sudo asks for a password.

use std::collections::BTreeSet;

use deployctl_core::inventory::system::System;
use deployctl_core::query::{Query, quote};

use super::{CONCERN, sudo};
use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

/// Operators and declared users exist, in their groups, with their shells; operators may use sudo.
pub(super) fn checks(facts: &System, declared: &Declared<'_>) -> Vec<Check> {
    let users = facts.users.iter().flatten();
    let operators = declared.cluster.operators.keys();
    let names: BTreeSet<&str> = operators
        .clone()
        .map(AsRef::as_ref)
        .chain(users.map(|(name, _)| name.as_ref()))
        .collect();
    let query = accounts_query(&names);
    let wanted = names
        .into_iter()
        .map(|name| Wanted::of(name, facts, declared.is_nixos()));
    let mut checks: Vec<Check> = wanted.map(|it| it.check(&query)).collect();
    if let Some(passwordless) = facts.sudo_passwordless {
        checks.extend(operators.map(|operator| sudo::check(operator.as_str(), passwordless)));
    }
    checks
}

/// What an account must be.
struct Wanted {
    name: String,
    shell: Option<String>,
    groups: BTreeSet<String>,
    /// NixOS has shells below its store, so that only the program's name is compared.
    nixos: bool,
}

impl Wanted {
    fn of(name: &str, facts: &System, nixos: bool) -> Self {
        let mut users = facts.users.iter().flatten();
        let user = users.find(|(user, _)| user.as_str() == name);
        let groups = user.map(|(_, user)| user.groups.iter().map(ToString::to_string).collect());
        Self {
            name: name.to_owned(),
            shell: user.map(|(_, user)| program(user.shell.as_str(), nixos).to_owned()),
            groups: groups.unwrap_or_default(),
            nixos,
        }
    }

    fn check(self, query: &Query) -> Check {
        let (name, expected) = (format!("user/{}", self.name), self.expected());
        Check::new(CONCERN, &name, query, expected, move |answer| {
            self.judge(answer)
        })
    }

    fn expected(&self) -> String {
        let mut expected = format!("user {} exists", self.name);
        if !self.groups.is_empty() {
            let list: Vec<&str> = self.groups.iter().map(String::as_str).collect();
            expected = format!("{expected}, in {}", list.join(", "));
        }
        if let Some(shell) = &self.shell {
            expected = format!("{expected}, with shell {shell}");
        }
        expected
    }

    fn judge(&self, answer: &Answer<'_>) -> Result<Found, Unreadable> {
        let Some(account) = parse_account(answer, &self.name)? else {
            let hint = if self.nixos {
                "apply makes it with the system"
            } else {
                "apply makes it, and makes it again where it was deleted since"
            };
            return Ok(Found::when(false, "no such user").or_hint(hint));
        };
        let mut groups = self.groups.iter();
        let shell = self.shell.as_deref();
        let holds = groups.all(|group| account.groups.contains(group.as_str()))
            && shell.is_none_or(|wanted| wanted == program(account.shell, self.nixos));
        let list: Vec<&str> = account.groups.iter().copied().collect();
        let found = Found::when(
            holds,
            format!("in {}, with shell {}", list.join(", "), account.shell),
        );
        Ok(match shell.filter(|shell| *shell != account.shell) {
            // systemd-sysusers does not change an existing account.
            Some(shell) if !self.nixos => found.or_hint(format!(
                "on the host: usermod --shell {shell} {}",
                self.name
            )),
            _ => found.or_hint("apply puts users into their groups"),
        })
    }
}

/// The whole path, or the program's name alone.
fn program(path: &str, by_name: bool) -> &str {
    match path.rsplit_once('/') {
        Some((_, name)) if by_name => name,
        _ => path,
    }
}

fn accounts_query(names: &BTreeSet<&str>) -> Query {
    let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
    Query::new(
        "system/accounts",
        format!(
            "set -- {}\nfor u do\n  if e=$(getent passwd \"$u\"); then printf 'user %s %s %s\\n' \"$u\" \"${{e##*:}}\" \"$(id -Gn \"$u\")\"; else printf 'absent %s\\n' \"$u\"; fi\ndone",
            names.join(" ")
        ),
    )
}

struct Account<'a> {
    shell: &'a str,
    groups: BTreeSet<&'a str>,
}

/// The account `user`; `None` if it does not exist.
fn parse_account<'a>(answer: &Answer<'a>, user: &str) -> Result<Option<Account<'a>>, Unreadable> {
    for line in answer.lines()? {
        let words: Vec<&str> = line.split(' ').collect();
        match &words[..] {
            ["absent", name] if *name == user => return Ok(None),
            ["user", name, shell, groups @ ..] if *name == user => {
                let groups = groups
                    .iter()
                    .copied()
                    .filter(|group| !group.is_empty())
                    .collect();
                return Ok(Some(Account { shell, groups }));
            }
            _ => {}
        }
    }
    Err(Unreadable(format!("no line for user `{user}`")))
}

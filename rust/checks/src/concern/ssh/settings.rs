//! Checks of sshd's effective configuration, for each user who may log in.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::inventory::host::Platform;
use deployctl_core::inventory::ssh::Ssh;
use deployctl_core::precedence::sshd::{DROP_INS, Login, MAIN, evaluate, names};
use deployctl_core::precedence::{self, ConfigFiles};
use deployctl_core::query::Query;

use super::{CONCERN, allowed, root_login};
use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

/// Our drop-in.
const OURS: &str = "/etc/ssh/sshd_config.d/00-deployctl.conf";

/// sshd's own words for what it would do, the answer to `query`: the same on every platform.
pub(in crate::concern) fn effective(
    facts: &Ssh,
    declared: &Declared<'_>,
    query: &Query,
) -> Vec<Check> {
    let setting = |what: &str, key: &'static str, wanted: String| setting(query, what, key, wanted);
    let mut checks = vec![
        setting("passwords", "passwordauthentication", "no".into()),
        setting(
            "keyboard-interactive",
            "kbdinteractiveauthentication",
            "no".into(),
        ),
        setting("public-keys", "pubkeyauthentication", "yes".into()),
        setting(
            "root-login",
            "permitrootlogin",
            root_login(facts.permit_root_login).to_owned(),
        ),
        setting(
            "auth-tries",
            "maxauthtries",
            facts.max_auth_tries.to_string(),
        ),
        setting(
            "login-grace",
            "logingracetime",
            facts.login_grace_seconds.to_string(),
        ),
        setting(
            "client-alive",
            "clientaliveinterval",
            facts.client_alive_interval_seconds.to_string(),
        ),
    ];
    if facts.has_exclusive_keys() {
        // On a Mac a command prints the declared keys, and no file has any.
        let files = match declared.host.platform {
            Platform::Darwin => "none",
            Platform::Ubuntu | Platform::Nixos => "/etc/ssh/authorized_keys.d/%u",
        };
        checks.push(setting("key-files", "authorizedkeysfile", files.to_owned()));
    }
    checks.push(allow_users(query, allowed(facts, declared)));
    checks
}

/// For each who may log in, `key` is `wanted`.
fn setting(query: &Query, what: &str, key: &'static str, wanted: String) -> Check {
    let expected = format!("{key} {wanted}");
    Check::new(CONCERN, what, query, expected, move |answer| {
        let effective = Effective::parse(answer)?;
        let mut evidence = String::new();
        for login in &effective.logins {
            let found = login.one(key)?;
            if !same(key, found, &wanted) {
                let for_whom = if effective.logins.iter().all(|l| l.one(key) == Ok(found)) {
                    String::new()
                } else {
                    format!(" for {}", login.user)
                };
                let found_is = Found::when(false, format!("{key} {found}{for_whom}"));
                return Ok(match effective.hint(login.user, key, found) {
                    Some(hint) => found_is.or_hint(hint),
                    None => found_is,
                });
            }
            evidence = format!("{key} {found}");
        }
        Ok(Found::when(true, evidence))
    })
    .gate_if(true)
}

/// For each who may log in, exactly `wanted` may.
fn allow_users(query: &Query, wanted: BTreeSet<String>) -> Check {
    Check::new(
        CONCERN,
        "allow-users",
        query,
        format!("allowusers {}", join(&wanted)),
        move |answer| {
            let effective = Effective::parse(answer)?;
            for login in &effective.logins {
                let found = login.words("allowusers");
                let found: BTreeSet<String> = found.map(str::to_owned).collect();
                if found != wanted {
                    return Ok(Found::when(false, format!("allowusers {}", join(&found))));
                }
            }
            Ok(Found::when(true, format!("allowusers {}", join(&wanted))))
        },
    )
    .gate_if(true)
}

/// Whether the account that we come by may log in by a key.
pub(super) fn login(declared: &Declared<'_>, query: &Query) -> Check {
    let user = declared.host.connection.user.to_string();
    let expected = format!("{user} may log in by a key alone");
    Check::new(CONCERN, "login", query, expected, move |answer| {
        let effective = Effective::parse(answer)?;
        let login = effective
            .logins
            .iter()
            .find(|login| login.user == user)
            .ok_or_else(|| Unreadable(format!("nothing about {user} in the answer")))?;
        let as_login = login_of(&user);
        let named = |key: &str| -> Vec<Option<bool>> {
            let patterns = login.words(key);
            patterns.map(|pattern| names(pattern, &as_login)).collect()
        };
        let (allowed, denied) = (named("allowusers"), named("denyusers"));
        let methods: Vec<&str> = login.words("authenticationmethods").collect();
        let by_key = |method: &&str| matches!(*method, "any" | "publickey");
        let against = if login.one("pubkeyauthentication")? != "yes" {
            Some("pubkeyauthentication")
        } else if denied.contains(&Some(true)) {
            Some("denyusers")
        } else if !allowed.is_empty() && allowed.iter().all(|named| *named == Some(false)) {
            Some("allowusers")
        } else if !methods.is_empty() && !methods.iter().any(by_key) {
            Some("authenticationmethods")
        } else if user == "root"
            && matches!(login.one("permitrootlogin")?, "no" | "forced-commands-only")
        {
            Some("permitrootlogin")
        } else {
            None
        };
        let Some(key) = against else {
            return Ok(Found::when(true, "by publickey"));
        };
        let said: Vec<&str> = login.words(key).collect();
        let said = said.join(" ");
        let found = Found::when(false, format!("{key} {said}"));
        Ok(match effective.hint(&user, key, &said) {
            Some(hint) => found.or_hint(hint),
            None => found,
        })
    })
    .gate_if(true)
}

/// The answer: settings by login, then the files that they come from.
pub(in crate::concern) struct Effective<'a> {
    pub(super) logins: Vec<Settings<'a>>,
    pub(super) files: ConfigFiles,
}

/// What `sshd -T` prints for one login; without a name where it was asked of none.
pub(super) struct Settings<'a> {
    pub(super) user: &'a str,
    values: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Effective<'a> {
    /// Lower-case keyword, blank, value; list keywords repeat. `login USER` begins each part.
    pub(super) fn parse(answer: &Answer<'a>) -> Result<Self, Unreadable> {
        let mut logins: Vec<Settings<'a>> = Vec::new();
        for line in answer.lines()? {
            if line.contains('\0') {
                continue;
            }
            let Some((key, value)) = line.split_once(' ') else {
                continue;
            };
            if key == "login" || logins.is_empty() {
                let user = if key == "login" { value.trim() } else { "" };
                logins.push(Settings {
                    user,
                    values: BTreeMap::new(),
                });
            }
            if let Some(login) = logins.last_mut() {
                login.values.entry(key).or_default().push(value.trim());
            }
        }
        // Printed by every version: without it this is something else.
        let printed = |login: &Settings<'_>| {
            login.values.contains_key("port") && login.values.contains_key("permitrootlogin")
        };
        if logins.is_empty() || !logins.iter().all(printed) {
            return Err(Unreadable::new("no configuration as `sshd -T` prints it"));
        }
        let files = precedence::parse(answer.text()?.as_bytes());
        Ok(Self { logins, files })
    }

    /// Which line says `key` to be `found`: the cause, or nothing.
    fn hint(&self, user: &str, key: &str, found: &str) -> Option<String> {
        if !self.files.has(MAIN) {
            return None;
        }
        let effective = evaluate(&self.files, &login_of(user));
        let by = effective
            .get(key)
            .filter(|by| same(key, &by.words.join(" "), found));
        match by {
            Some(by) if by.place.file == OURS => None,
            Some(by) if by.block.is_some() => Some(format!(
                "{by} says so; a block wins over what stands outside of it"
            )),
            Some(by) => Some(format!(
                "{by} says so, and the first value that sshd reads wins"
            )),
            None if self.files.has(OURS) && !effective.reads(OURS) && !effective.unsure => {
                Some(format!(
                    "`{MAIN}` does not include `{OURS}`: put `Include {DROP_INS}*.conf` at its beginning"
                ))
            }
            None => None,
        }
    }
}

/// A login of `user`, from where is not known here.
pub(super) fn login_of(user: &str) -> Login {
    Login {
        user: user.to_owned(),
        ..Login::default()
    }
}

impl<'a> Settings<'a> {
    /// The value of a keyword that has one.
    pub(super) fn one(&self, key: &str) -> Result<&'a str, Unreadable> {
        match self.values.get(key).map(Vec::as_slice).unwrap_or_default() {
            [found] => Ok(found),
            found => Err(Unreadable(format!("{} lines of `{key}`", found.len()))),
        }
    }

    /// All words of a keyword.
    pub(super) fn words(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.values.get(key).into_iter().flatten();
        lines.flat_map(|line| line.split_whitespace())
    }
}

fn join(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "(none)".to_owned();
    }
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// sshd prints the old word for `prohibit-password`.
fn same(key: &str, found: &str, wanted: &str) -> bool {
    let modern = |word: &str| match (key, word) {
        ("permitrootlogin", "without-password") => "prohibit-password".to_owned(),
        (_, other) => other.to_ascii_lowercase(),
    };
    modern(found) == modern(wanted)
}

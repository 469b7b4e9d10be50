//! sshd as it is configured in effect, and the operators' way in.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, Found, Unreadable, number};
use super::{Check, Declared};
use crate::inventory::ssh::{RootLogin, Ssh};
use crate::inventory::text::PublicKey;
use crate::query::{Query, quote};

pub(super) const CONCERN: &str = "ssh";

/// sshd wants it even to print its configuration; where a socket starts sshd it comes with the first
/// connection.
const RUN_DIRECTORY: &str = "[ -d /run/sshd ] || mkdir -m 0755 /run/sshd";

pub(super) fn checks(facts: &Ssh, declared: &Declared<'_>) -> Vec<Check> {
    let effective_query = Query::new("ssh/effective", format!("{RUN_DIRECTORY}; sshd -T"));
    let mut checks = effective(facts, declared, &effective_query);
    checks.push(listening(facts));
    for (name, operator) in &declared.cluster.operators {
        checks.push(keys(
            name.as_str(),
            operator.keys.iter(),
            &keys_query(name.as_str()),
        ));
    }
    let system = declared.host.system.as_ref();
    for (name, user) in system
        .and_then(|system| system.users.as_ref())
        .into_iter()
        .flatten()
    {
        if !user.keys.is_empty() && !declared.cluster.operators.contains_key(name) {
            checks.push(keys(
                name.as_str(),
                user.keys.iter(),
                &keys_query(name.as_str()),
            ));
        }
    }
    checks
}

/// sshd's own words for what it would do, the answer to `query`: the same on every platform.
pub(super) fn effective(facts: &Ssh, declared: &Declared<'_>, query: &Query) -> Vec<Check> {
    let setting = |what: &str, key: &'static str, wanted: String| {
        let expected = format!("{key} {wanted}");
        Check::new(CONCERN, what, query, expected, move |answer| {
            let found = parse(answer)?;
            let found = found.get(key).map(Vec::as_slice).unwrap_or_default();
            let [found] = found else {
                return Err(Unreadable(format!("{} lines of `{key}`", found.len())));
            };
            let holds = same(key, found, &wanted);
            Ok(Found::when(holds, format!("{key} {found}")).or_hint(
                "the first value that sshd reads wins: look for one in a file that sorts before ours",
            ))
        })
        .gate_if(true)
    };
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

    let wanted: BTreeSet<String> = allowed(facts, declared);
    checks.push(
        Check::new(
            CONCERN,
            "allow-users",
            query,
            format!("allowusers {}", join(&wanted)),
            move |answer| {
                let found = parse(answer)?;
                let found: BTreeSet<String> = found
                    .get("allowusers")
                    .into_iter()
                    .flatten()
                    .flat_map(|line| line.split_whitespace())
                    .map(str::to_owned)
                    .collect();
                Ok(Found::when(
                    found == wanted,
                    format!("allowusers {}", join(&found)),
                ))
            },
        )
        .gate_if(true),
    );

    checks
}

fn listening(facts: &Ssh) -> Check {
    let listening = Query::new("ssh/listening", "ss -Hltn");
    let port = facts.port.number();
    Check::new(
        CONCERN,
        "listening",
        &listening,
        format!("something listens on TCP port {port}"),
        move |answer| {
            let ports = parse_listening(answer)?;
            let shown = ports
                .iter()
                .map(u16::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            Ok(
                Found::when(ports.contains(&port), format!("TCP ports {shown}"))
                    .or_hint("on the host: systemctl status ssh.service ssh.socket"),
            )
        },
    )
    .gate_if(true)
}

/// Who may log in: those declared, and the user by whom we do.
fn allowed(facts: &Ssh, declared: &Declared<'_>) -> BTreeSet<String> {
    let own = &declared.host.connection.user;
    facts
        .allow_users
        .iter()
        .chain([own])
        .map(ToString::to_string)
        .collect()
}

fn root_login(wanted: RootLogin) -> &'static str {
    match wanted {
        RootLogin::No => "no",
        RootLogin::ProhibitPassword => "prohibit-password",
        RootLogin::ForcedCommandsOnly => "forced-commands-only",
    }
}

/// A user's keys, as sshd would look them up for that user.
fn keys_query(operator: &str) -> Query {
    let user = quote(operator);
    Query::new(
        format!("ssh/keys/{operator}"),
        format!(
            "{RUN_DIRECTORY}\nhome=$(getent passwd {user} | cut -d: -f6)\n[ -n \"$home\" ] || {{ echo no such user; exit 0; }}\nprintf 'home %s\\n' \"$home\"\nfor f in $(sshd -T -C user={user},host=localhost,addr=127.0.0.1 | sed -n 's/^authorizedkeysfile //p'); do\n  f=$(printf '%s\\n' \"$f\" | sed \"s|%h|$home|g; s|%u|\"{user}\"|g\")\n  case $f in /*) ;; *) f=$home/$f ;; esac\n  [ -r \"$f\" ] && cat \"$f\"\ndone\n:"
        ),
    )
}

/// Whether every one of a user's keys is in the answer to `query`: `home /…`, then authorized keys.
pub(super) fn keys<'a>(
    operator: &str,
    keys: impl Iterator<Item = &'a PublicKey>,
    query: &Query,
) -> Check {
    let wanted: Vec<String> = keys
        .filter_map(|key| blob(key.as_str()).map(str::to_owned))
        .collect();
    let count = wanted.len();
    Check::new(
        CONCERN,
        &format!("keys/{operator}"),
        query,
        format!("every key of {operator} ({count}) may log in"),
        move |answer| {
            if count == 0 {
                return Err(Unreadable::new("no key is declared"));
            }
            let found = parse_keys(answer)?;
            let Some(found) = found else {
                return Ok(Found::when(false, "no such user").or_hint("apply first"));
            };
            let present = wanted
                .iter()
                .filter(|key| found.contains(key.as_str()))
                .count();
            Ok(Found::when(
                present == count,
                format!("{present} of {count} keys found"),
            ))
        },
    )
    .gate_if(true)
}

/// The base64 part of a public key, whatever options stand before it.
fn blob(line: &str) -> Option<&str> {
    line.split_whitespace()
        .find(|word| word.starts_with("AAAA"))
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

/// `sshd -T`: lower-case keyword, blank, value; list keywords repeat.
fn parse<'a>(answer: &Answer<'a>) -> Result<BTreeMap<&'a str, Vec<&'a str>>, Unreadable> {
    let mut settings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in answer.lines()? {
        if let Some((key, value)) = line.split_once(' ') {
            settings.entry(key).or_default().push(value.trim());
        }
    }
    // Printed by every version: without it this is something else.
    if settings.contains_key("port") && settings.contains_key("permitrootlogin") {
        Ok(settings)
    } else {
        Err(Unreadable::new("no configuration as `sshd -T` prints it"))
    }
}

/// The local ports in `ss -Hltn`.
fn parse_listening(answer: &Answer<'_>) -> Result<BTreeSet<u16>, Unreadable> {
    answer
        .lines()?
        .map(|line| {
            let local = line
                .split_whitespace()
                .nth(3)
                .and_then(|word| word.rsplit_once(':'));
            let (_, port) =
                local.ok_or_else(|| Unreadable(format!("`{line}` is no line of ss")))?;
            number("port", port)
        })
        .collect()
}

/// The keys that were found; `None` where there is no such user.
fn parse_keys<'a>(answer: &Answer<'a>) -> Result<Option<BTreeSet<&'a str>>, Unreadable> {
    let mut lines = answer.lines()?;
    match lines.next() {
        Some("no such user") => Ok(None),
        Some(home) if home.starts_with("home /") => Ok(Some(
            lines
                .filter(|line| !line.starts_with('#'))
                .filter_map(blob)
                .collect(),
        )),
        _ => Err(Unreadable::new("no home directory in the answer")),
    }
}

//! sshd as it is configured in effect for those who may log in, and the operators' way in.

use std::collections::BTreeSet;

mod daemon;
mod settings;

use deployctl_core::inventory::ssh::{RootLogin, Ssh, declared_keys};
use deployctl_core::inventory::text::PublicKey;
use deployctl_core::observed::find_way;
use deployctl_core::precedence;
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable};
use crate::reader::socket;
use crate::{Check, Declared};
pub(super) use settings::effective;

pub(super) const CONCERN: &str = "ssh";

/// sshd wants it even to print its configuration; where a socket starts sshd it comes with the first
/// connection.
const RUN_DIRECTORY: &str = "[ -d /run/sshd ] || mkdir -m 0755 /run/sshd";

pub(super) fn checks(facts: &Ssh, declared: &Declared<'_>) -> Vec<Check> {
    let allowed = allowed(facts, declared);
    let query = effective_query(&allowed, facts.port.number());
    let mut checks = effective(facts, declared, &query);
    checks.push(settings::login(declared, &query));
    if !declared.is_nixos() {
        let user = declared.host.connection.user.as_str();
        checks.extend(daemon::checks(user, facts.port.number()));
    }
    checks.push(listening(facts, declared));
    let key_files = declared_keys(declared.cluster, declared.host);
    for (name, declared) in &key_files {
        checks.push(keys(
            name.as_str(),
            declared.iter().copied(),
            &keys_query(name.as_str()),
        ));
    }
    checks.push(daemon::other_ways(&query, declared));
    checks.extend(other_keys(facts, declared, keys_query));
    checks
}

/// sshd's own words for what it would do with each of `users` at `port`, coming from where we come from; then its
/// files, for hints.
fn effective_query(users: &BTreeSet<String>, port: u16) -> Query {
    let users: Vec<String> = users.iter().map(|user| quote(user)).collect();
    Query::new(
        "ssh/effective",
        format!(
            "{}{RUN_DIRECTORY}
# shellcheck disable=SC2086 # words
set -- $way
from=${{1:-127.0.0.1}} to=${{3:-127.0.0.1}} port=${{4:-{port}}}
for u in {}; do
  printf 'login %s\n' \"$u\"
  sshd -T -C \"user=$u,host=$from,addr=$from,laddr=$to,lport=$port\" || exit
done
{}",
            find_way(),
            users.join(" "),
            precedence::ASK_SSHD
        ),
    )
    .with_cap(512 * 1024)
}

/// At the declared port, and at the one that we come in by while it is another.
fn listening(facts: &Ssh, declared: &Declared<'_>) -> Check {
    let listening = Query::new("ssh/listening", "ss -Hltn");
    let wanted = BTreeSet::from([facts.port.number(), declared.host.connection.port.number()]);
    let named: Vec<String> = wanted.iter().map(u16::to_string).collect();
    Check::new(
        CONCERN,
        "listening",
        &listening,
        format!("something listens on TCP port {}", named.join(" and ")),
        move |answer| {
            let locals = socket::ss(answer.lines()?)?;
            Ok(socket::on_ports(&locals, ':', &wanted)?
                .or_hint("on the host: systemctl status ssh.service ssh.socket"))
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
            "{RUN_DIRECTORY}\nhome=$(getent passwd {user} | cut -d: -f6)\n[ -n \"$home\" ] || {{ echo no such user; exit 0; }}\nprintf 'home %s\\n' \"$home\"\nfor f in $(sshd -T -C user={user},host=localhost,addr=127.0.0.1 | sed -n 's/^authorizedkeysfile //p'); do\n  f=$(printf '%s\\n' \"$f\" | sed \"s|%h|$home|g; s|%u|\"{user}\"|g\")\n  case $f in /*) ;; *) f=$home/$f ;; esac\n  if [ -r \"$f\" ]; then printf 'file %s\\n' \"$f\"; cat \"$f\"; echo; fi\ndone"
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
                return Ok(Found::when(false, "no such user").or_hint(crate::MADE_BY_APPLY));
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

/// The base64 part of a public key; options may come before it.
fn blob(line: &str) -> Option<&str> {
    line.split_whitespace()
        .find(|word| word.starts_with("AAAA"))
}

/// No key that is declared nowhere opens an account; `query` asks for the keys of one.
pub(super) fn other_keys(
    facts: &Ssh,
    declared: &Declared<'_>,
    query: impl Fn(&str) -> Query,
) -> Vec<Check> {
    let keys = declared_keys(declared.cluster, declared.host);
    let keys = keys.values().flatten();
    let blobs: BTreeSet<String> = keys
        .filter_map(|key| blob(key.as_str()).map(str::to_owned))
        .collect();
    // Keys of a user who may not log in open nothing.
    let users = allowed(facts, declared).into_iter();
    let users = users.filter(|user| user != "root" || facts.permit_root_login != RootLogin::No);
    users
        .map(|user| no_other_key(&user, blobs.clone(), &query(&user)))
        .collect()
}

/// No key but those of `declared` opens the account of `user`.
fn no_other_key(user: &str, declared: BTreeSet<String>, query: &Query) -> Check {
    let account = user.to_owned();
    Check::new(
        CONCERN,
        &format!("other-keys/{user}"),
        query,
        format!("no key that is declared nowhere opens {user}"),
        move |answer| {
            if parse_keys(answer)?.is_none() {
                return Ok(Found::when(true, "no such user"));
            }
            let others = undeclared(answer, &declared)?;
            Ok(Found::none_of(&others, "none").or_hint(format!(
                "declare it as a key of an operator or user, or take it out of that file of `{account}`"
            )))
        },
    )
}

/// Keys of the answer that are not `declared`: what they are called, and their file.
fn undeclared(answer: &Answer<'_>, declared: &BTreeSet<String>) -> Result<Vec<String>, Unreadable> {
    let mut file = "a file";
    let mut others = Vec::new();
    for line in answer.lines()? {
        if let Some(path) = line.strip_prefix("file /") {
            file = &line[line.len() - path.len() - 1..];
        } else if !line.starts_with('#')
            && let Some(key) = blob(line)
            && !declared.contains(key)
        {
            let comment = line.split_once(key).map_or("", |(_, rest)| rest.trim());
            let name = if comment.is_empty() {
                format!(
                    "…{}",
                    key.get(key.len().saturating_sub(12)..).unwrap_or(key)
                )
            } else {
                comment.to_owned()
            };
            others.push(format!("`{name}` in {file}"));
        }
    }
    Ok(others)
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

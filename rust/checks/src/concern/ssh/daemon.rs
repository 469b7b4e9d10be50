//! The sshd that runs: what it offers, whether it has loaded its files, whether one will run after the next boot, and
//! by which ways it lets accounts in without a key in a file: certificates, commands, other computers' words.

use std::collections::BTreeSet;

use deployctl_core::observed::{WayIn, find_way, parse_way_in, way_in_query};
use deployctl_core::precedence::ConfigFiles;
use deployctl_core::precedence::sshd::evaluate;
use deployctl_core::query::{Query, quote};

use super::CONCERN;
use super::settings::{Effective, Settings, login_of};
use crate::answer::{Answer, Found, Holds, Unreadable};
use crate::{Check, Declared};

pub(super) fn checks(user: &str, port: u16) -> Vec<Check> {
    let query = way_in_query();
    vec![
        offered(user, port),
        Check::new(
            CONCERN,
            "loaded",
            &query,
            "the running sshd has loaded its files as they are",
            |answer| Ok(loaded(&parse(answer)?)),
        )
        .gate_if(true),
        Check::new(
            CONCERN,
            "boot",
            &query,
            "an sshd starts at the next boot",
            |answer| Ok(boot(&parse(answer)?)),
        )
        .gate_if(true),
    ]
}

/// What the daemon that runs offers to who logs in, which its files may not say any more. It is asked over the host's
/// own address, with no method at all.
fn offered(user: &str, port: u16) -> Check {
    let query = Query::new(
        "ssh/offered",
        format!(
            "{}# shellcheck disable=SC2086 # words
set -- $way
command -v ssh >/dev/null || {{ echo 'no ssh here'; exit 0; }}
LC_ALL=C ssh -n -F /dev/null -o BatchMode=yes -o PreferredAuthentications=none -o StrictHostKeyChecking=no \\
  -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5 \\
  -o ControlPath=none -p \"${{4:-{port}}}\" -l {} -- \"${{3:-127.0.0.1}}\" true 2>&1",
            find_way(),
            quote(user),
        ),
    );
    let expected = "the running sshd offers keys, and no password";
    Check::new(CONCERN, "offered", &query, expected, |answer| {
        let text = answer.text()?;
        if text.trim() == "no ssh here" {
            return Ok(Found {
                evidence: "nothing was asked".to_owned(),
                holds: Holds::PassedOver("the host has no ssh to ask with".to_owned()),
                measured: Vec::new(),
            });
        }
        let offered = text.lines().find_map(|line| {
            let (_, methods) = line.split_once("Permission denied (")?;
            methods.strip_suffix(").")
        });
        let Some(offered) = offered else {
            let said = text.lines().next_back().unwrap_or_default();
            return Err(Unreadable(format!("no list of methods, but `{said}`")));
        };
        let methods: Vec<&str> = offered.split(',').collect();
        let holds = methods.contains(&"publickey")
            && !methods.contains(&"password")
            && !methods.contains(&"keyboard-interactive");
        Ok(Found::when(holds, offered).or_hint(
            "where its files say otherwise: apply reloads it; else `ssh/passwords` and the like name the line",
        ))
    })
    .reading_failures()
}

fn parse(answer: &Answer<'_>) -> Result<WayIn, Unreadable> {
    let way_in = parse_way_in(answer.text()?.as_bytes());
    if way_in.units.is_empty() || way_in.newest.is_none() {
        return Err(Unreadable::new(
            "no unit of sshd, or no file of its, in the answer",
        ));
    }
    Ok(way_in)
}

fn loaded(way_in: &WayIn) -> Found {
    let Some((service, unit)) = way_in.service() else {
        return match way_in.socket() {
            Some(socket) if way_in.outdated(".socket").is_some() => Found::when(
                false,
                format!("the files of {socket} changed since systemd loaded them"),
            )
            .or_hint(format!(
                "apply restarts it; on the host: systemctl daemon-reload && systemctl restart {socket}"
            )),
            Some(socket) => Found::when(
                true,
                format!("`{socket}` starts it for the next connection"),
            ),
            None => Found::when(false, "no unit of sshd runs"),
        };
    };
    if let Some(unit) = way_in
        .outdated(".service")
        .or_else(|| way_in.outdated(".socket"))
    {
        return Found::when(
            false,
            format!("the files of {unit} changed since systemd loaded them"),
        )
        .or_hint(format!(
            "apply restarts it; on the host: systemctl daemon-reload && systemctl restart {unit}"
        ));
    }
    if let Some((file, changed, since)) = way_in.not_started_with() {
        return Found::when(
            false,
            format!("{file} changed at {changed} UTC, and sshd was started at {since}"),
        )
        .or_hint(format!(
            "apply restarts it; on the host: systemctl restart {service}"
        ));
    }
    match way_in.not_loaded() {
        None => Found::when(true, format!("loaded at {} UTC", unit.since)),
        Some((file, changed, since)) => Found::when(
            false,
            format!("{file} changed at {changed} UTC, and sshd loaded it at {since}"),
        )
        .or_hint(format!(
            "apply reloads it; on the host: systemctl reload {service}"
        )),
    }
}

fn boot(way_in: &WayIn) -> Found {
    let states: Vec<String> = way_in
        .units
        .iter()
        .map(|(name, unit)| {
            format!(
                "{name} {}",
                if unit.file.is_empty() {
                    "-"
                } else {
                    &unit.file
                }
            )
        })
        .collect();
    let evidence = states.join(", ");
    match way_in.starts_at_boot() {
        Some(starts) => {
            let unit = way_in
                .service()
                .map(|(name, _)| name)
                .or_else(|| way_in.socket());
            Found::when(starts, evidence).or_hint(format!(
                "apply enables it; on the host: systemctl enable {}",
                unit.unwrap_or("ssh.service")
            ))
        }
        None => Found {
            evidence,
            holds: Holds::PassedOver(
                "whether a unit starts sshd at boot cannot be told".to_owned(),
            ),
            measured: Vec::new(),
        },
    }
}

/// Keywords of `sshd_config(5)` that open accounts, each with the value that opens none. sshd prints those alone that it
/// was built with.
const WAYS: [(&str, &str); 4] = [
    ("authorizedkeyscommand", "none"),
    ("trustedusercakeys", "none"),
    ("hostbasedauthentication", "no"),
    ("gssapiauthentication", "no"),
];

/// Nothing but keys in files opens an account, unless a file that facts declare says so.
pub(super) fn other_ways(query: &Query, declared: &Declared<'_>) -> Check {
    let ours = declared.managed_paths();
    Check::new(
        CONCERN,
        "other-ways",
        query,
        "keys in files alone open accounts, and what facts declare".to_owned(),
        move |answer| {
            let effective = Effective::parse(answer)?;
            let mut others = BTreeSet::new();
            for login in &effective.logins {
                login.one("pubkeyauthentication")?;
                others.extend(of_login(login, &effective.files, &ours));
            }
            let others: Vec<String> = others.into_iter().collect();
            Ok(Found::none_of(&others, "none besides")
                .or_hint("take it out of that file, or declare the file in `extra.files`"))
        },
    )
}

/// The ways that open the account of `login` and are in no file of `ours`, each with its place where that is known.
fn of_login(login: &Settings<'_>, files: &ConfigFiles, ours: &BTreeSet<String>) -> Vec<String> {
    let by_file = evaluate(files, &login_of(login.user));
    let mut others = Vec::new();
    for (key, off) in WAYS {
        let said: Vec<&str> = login.words(key).collect();
        if said.is_empty() || said == [off] {
            continue;
        }
        let said = said.join(" ");
        match by_file.get(key).map(|value| &value.place) {
            Some(place) if ours.contains(&place.file) => {}
            Some(place) => others.push(format!("`{key} {said}` ({place})")),
            None => others.push(format!("`{key} {said}`")),
        }
    }
    others
}

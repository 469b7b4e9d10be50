//! Name, time zone, accounts, journal, upgrades, and failed units.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use deployctl_core::inventory::system::{Journald, System, UnattendedUpgrades};
use deployctl_core::query::Query;
use serde::Deserialize;

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::{Check, Declared, span};

mod accounts;
mod failed;
mod root_access;
mod sudo;

pub(super) use root_access::Entitled;

pub(crate) const CONCERN: &str = "system";

pub(super) fn checks(facts: &System, declared: &Declared<'_>) -> Vec<Check> {
    let mut checks = identity(facts);
    checks.extend(accounts::checks(facts, declared));
    if let Some(journald) = &facts.journald {
        checks.extend(journal(journald));
    }
    if let Some(upgrades) = &facts.unattended_upgrades
        && !declared.is_nixos()
    {
        checks.extend(unattended_upgrades(upgrades));
    }
    if let Some(seconds) = facts.watchdog_seconds {
        checks.push(watchdog(seconds));
    }
    checks.push(root_access::check(declared));
    checks.extend(failed::checks(declared));
    checks
}

fn identity(facts: &System) -> Vec<Check> {
    // Alias zones are links to others, so both ends of the link count.
    let query = Query::inline(
        "system/identity",
        "printf 'hostname='; cat /proc/sys/kernel/hostname\nif [ -e /etc/localtime ]; then printf 'zone='; readlink /etc/localtime; printf 'zone_file='; readlink -f /etc/localtime; else echo zone=none; fi",
    );
    let hostname = facts.hostname.to_string();
    let zone = facts.timezone.to_string();
    vec![
        Check::new(
            CONCERN,
            "hostname",
            &query,
            format!("it is called {hostname}"),
            move |answer| {
                let pairs = answer.pairs('=')?;
                let found = value(&pairs, "hostname")?;
                Ok(Found::when(
                    found == hostname,
                    format!("it is called {found}"),
                ))
            },
        ),
        Check::new(
            CONCERN,
            "timezone",
            &query,
            format!("time zone {zone}"),
            move |answer| {
                let pairs = answer.pairs('=')?;
                let named = zone_of(value(&pairs, "zone")?);
                let file = pairs.get("zone_file").map_or(named, |path| zone_of(path));
                Ok(Found::when(
                    named == zone || file == zone,
                    format!("time zone {named}"),
                ))
            },
        ),
    ]
}

fn zone_of(path: &str) -> &str {
    path.split_once("/zoneinfo/").map_or(path, |(_, zone)| zone)
}

/// journald says at its start what it may use; how long it keeps is in its merged configuration.
fn journal(facts: &Journald) -> Vec<Check> {
    let usage = Query::new(
        "system/journal-usage",
        "journalctl -q -b -o json -n 8 --output-fields=JOURNAL_NAME,MAX_USE MESSAGE_ID=ec387f577b844b8fa948f33cad9a75e6",
    );
    let retention = Query::new(
        "system/journal-config",
        "systemd-analyze cat-config systemd/journald.conf",
    );
    let mib = facts.max_use_mib;
    let days = facts.max_retention_days;
    vec![
        Check::new(
            CONCERN,
            "journal-size",
            &usage,
            format!("the journal takes at most {mib} MiB"),
            move |answer| {
                let bytes = parse_journal(answer)?;
                let found = bytes.div_ceil(1024 * 1024);
                Ok(
                    Found::when(found <= u64::from(mib), format!("at most {found} MiB"))
                        .or_hint("restart systemd-journald to take up its configuration"),
                )
            },
        ),
        Check::new(
            CONCERN,
            "journal-retention",
            &retention,
            format!("the journal keeps {days} days"),
            move |answer| {
                let mut lines = answer.lines()?;
                let last = lines
                    .by_ref()
                    .filter_map(|line| line.strip_prefix("MaxRetentionSec="))
                    .last();
                let Some(last) = last else {
                    return Ok(Found::when(false, "no limit"));
                };
                let wanted = Duration::from_secs(u64::from(days) * 86_400);
                Ok(Found::when(
                    span::parse(last)? == wanted,
                    format!("MaxRetentionSec={last}"),
                ))
            },
        ),
    ]
}

#[derive(Deserialize)]
struct Usage {
    #[serde(rename = "JOURNAL_NAME")]
    name: String,
    #[serde(rename = "MAX_USE")]
    max_use: String,
}

/// Bytes that the journal may take, by the last that journald said of it.
fn parse_journal(answer: &Answer<'_>) -> Result<u64, Unreadable> {
    let (mut system, mut runtime) = (None, None);
    for line in answer.lines()? {
        let usage: Usage = serde_json::from_str(line)
            .map_err(|e| Unreadable(format!("not the expected JSON: {e}")))?;
        let bytes = number("MAX_USE", &usage.max_use)?;
        match usage.name.split(' ').next() {
            Some("System") => system = Some(bytes),
            Some("Runtime") => runtime = Some(bytes),
            _ => {}
        }
    }
    // A host without /var/log/journal keeps its journal in memory alone.
    system
        .or(runtime)
        .ok_or_else(|| Unreadable::new("journald says nothing of a journal"))
}

fn unattended_upgrades(facts: &UnattendedUpgrades) -> Vec<Check> {
    // APT::Architecture is always there: it tells no such setting from no answer.
    let query = Query::new(
        "system/apt",
        "apt-config dump | awk '/^(Unattended-Upgrade::|APT::Architecture )/'",
    );
    let blacklist: BTreeSet<String> = facts.blacklist.iter().map(ToString::to_string).collect();
    let reboot = facts.automatic_reboot;
    let mut checks = Vec::new();
    if !blacklist.is_empty() {
        let expected = format!("never upgraded unattended: {}", join(&blacklist));
        checks.push(Check::new(
            CONCERN,
            "upgrade-blacklist",
            &query,
            expected,
            move |answer| {
                let settings = parse_apt(answer)?;
                let found = settings.get("Unattended-Upgrade::Package-Blacklist::");
                let found: BTreeSet<String> = found
                    .into_iter()
                    .flatten()
                    .map(ToString::to_string)
                    .collect();
                let missing: BTreeSet<String> = blacklist.difference(&found).cloned().collect();
                let evidence = if missing.is_empty() {
                    "all of them listed".to_owned()
                } else {
                    format!("not listed: {}", join(&missing))
                };
                Ok(Found::when(missing.is_empty(), evidence))
            },
        ));
    }
    let expected = format!("unattended upgrades reboot by themselves: {reboot}");
    checks.push(Check::new(
        CONCERN,
        "upgrade-reboot",
        &query,
        expected,
        move |answer| {
            let settings = parse_apt(answer)?;
            let found = settings.get("Unattended-Upgrade::Automatic-Reboot");
            let found = found
                .and_then(|values| values.last())
                .copied()
                .unwrap_or("false");
            Ok(Found::when(
                (found == "true") == reboot,
                format!("Automatic-Reboot is {found}"),
            ))
        },
    ));
    checks
}

fn join(words: &BTreeSet<String>) -> String {
    words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `apt-config dump`: `Key "value";`, lists with keys that end in `::`.
fn parse_apt<'a>(answer: &Answer<'a>) -> Result<BTreeMap<&'a str, Vec<&'a str>>, Unreadable> {
    let mut settings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in answer.lines()? {
        let setting = line
            .split_once(' ')
            .and_then(|(key, rest)| Some((key, rest.strip_prefix('"')?.strip_suffix("\";")?)));
        let (key, value) =
            setting.ok_or_else(|| Unreadable(format!("`{line}` is no line of apt-config")))?;
        settings.entry(key).or_default().push(value);
    }
    if settings.contains_key("APT::Architecture") {
        Ok(settings)
    } else {
        Err(Unreadable::new(
            "no configuration as `apt-config dump` prints it",
        ))
    }
}

fn watchdog(seconds: u32) -> Check {
    let query = Query::new("system/watchdog", "systemctl show -p RuntimeWatchdogUSec");
    let expected = format!("systemd feeds the hardware watchdog of {seconds} s");
    Check::new(CONCERN, "watchdog", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        let found = value(&pairs, "RuntimeWatchdogUSec")?;
        if found == "infinity" || found == "off" {
            return Ok(Found::when(false, format!("RuntimeWatchdogSec is {found}")));
        }
        let wanted = Duration::from_secs(u64::from(seconds));
        Ok(Found::when(
            span::parse(found)? == wanted,
            format!("RuntimeWatchdogSec is {found}"),
        )
        .or_hint("systemd takes it up by daemon-reexec; no watchdog device, no watchdog"))
    })
}

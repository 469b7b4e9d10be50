//! The trading engine's rights, and how it runs.

use std::collections::{BTreeMap, BTreeSet};

mod engine;
mod probe;
mod rights;
mod scheduling;

use deployctl_core::cpus;
use deployctl_core::inventory::trading::Trading;
use deployctl_core::query::{Query, quote};

use crate::answer::{Found, Unreadable, number, value};
use crate::{Check, Declared};

mod inference;

pub(super) const CONCERN: &str = "trading";

pub(super) fn checks(facts: &Trading, declared: &Declared<'_>) -> Vec<Check> {
    let mut checks = vec![account(facts)];
    checks.extend(directories(facts));
    let service = declared
        .service(CONCERN)
        .map(|(unit, want)| (unit.as_str(), want.running == Some(true)))
        .or_else(|| {
            declared
                .is_nixos()
                .then_some(("trading.service", facts.start_at_boot))
        });
    if let Some((unit, runs)) = service {
        checks.extend(settings(facts, unit));
        if runs {
            checks.extend(process(facts, unit));
        }
        checks.extend(probe::checks(facts, unit, declared));
        checks.extend(engine::checks(facts, unit));
    }
    if let Some(socket) = &facts.inference_socket {
        checks.push(inference(facts, socket.as_str()));
    }
    checks.extend(inference::latency(facts, declared));
    checks
}

fn account(facts: &Trading) -> Check {
    let user = facts.user.to_string();
    let query = Query::new(
        "trading/account",
        format!(
            "printf 'groups=%s\\n' \"$(id -Gn {} 2>/dev/null)\"",
            quote(&user)
        ),
    );
    let group = facts.group.to_string();
    let expected = format!("user {user} is in group {group}");
    Check::new(CONCERN, "account", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        let groups = value(&pairs, "groups")?;
        if groups.is_empty() {
            return Ok(Found::when(false, "no such user").or_hint(crate::MADE_BY_APPLY));
        }
        Ok(Found::when(
            groups.split_whitespace().any(|g| g == group),
            format!("in {groups}"),
        ))
    })
}

fn directories(facts: &Trading) -> Vec<Check> {
    let (program, state) = (facts.directory.as_str(), facts.state_directory.as_str());
    let query = Query::new(
        "trading/directories",
        format!(
            "set -- {} {}\nfor d do\n  if [ -d \"$d\" ]; then printf '%s=%s\\n' \"$d\" \"$(stat -c %U \"$d\")\"; else printf '%s=nothing\\n' \"$d\"; fi\ndone",
            quote(program),
            quote(state)
        ),
    );
    let user = facts.user.to_string();
    // Releases are placed by us; only state is the engine's own.
    [("releases", program, None), ("state", state, Some(user))]
        .into_iter()
        .map(|(what, path, owner)| {
            let expected = match &owner {
                Some(owner) => format!("{path} is a directory of {owner}"),
                None => format!("{path} is a directory"),
            };
            let path = path.to_owned();
            Check::new(CONCERN, what, &query, expected, move |answer| {
                let pairs = answer.pairs('=')?;
                let found = value(&pairs, &path)?;
                if found == "nothing" {
                    let hint = match owner {
                        // A plan looks at the file that declares it, not at the directory.
                        Some(_) => "on the host, as root: `systemd-tmpfiles --create` makes it",
                        None => crate::MADE_BY_APPLY,
                    };
                    return Ok(Found::when(false, "there is no such directory").or_hint(hint));
                }
                let holds = owner.as_ref().is_none_or(|owner| owner == found);
                Ok(Found::when(holds, format!("it is {found}'s")))
            })
        })
        .collect()
}

/// What systemd would start the engine with: its merged view of the unit, whether it runs or not.
fn settings(facts: &Trading, unit: &str) -> Vec<Check> {
    let query = Query::new(
        "trading/unit",
        format!(
            "systemctl show -p LoadState -p User -p CPUSchedulingPolicy -p CPUSchedulingPriority -p CPUAffinity -p LimitMEMLOCK -p LimitRTPRIO -p RestrictRealtime -- {}",
            quote(unit)
        ),
    );
    let priority = u32::from(facts.priority);
    let wanted: BTreeSet<u32> = facts.cpus.iter().map(|cpu| u32::from(*cpu)).collect();
    let check = |what: &str, expected: String, judge: Judge| {
        Check::new(CONCERN, what, &query, expected, move |answer| {
            let pairs = answer.pairs('=')?;
            if value(&pairs, "LoadState")? != "loaded" {
                return Ok(
                    Found::when(false, "the unit is not there").or_hint(crate::MADE_BY_APPLY)
                );
            }
            judge(&pairs)
        })
    };
    vec![
        check(
            "scheduling",
            format!("SCHED_FIFO, priority {priority}"),
            Box::new(move |pairs| {
                let (policy, found) = (
                    value(pairs, "CPUSchedulingPolicy")?,
                    value(pairs, "CPUSchedulingPriority")?,
                );
                // systemd shows the kernel's number of the policy.
                let fifo = policy == "1" || policy == "fifo";
                let holds = fifo && number::<u32>("CPUSchedulingPriority", found)? == priority;
                Ok(Found::when(
                    holds,
                    format!("policy {policy}, priority {found}"),
                ))
            }),
        ),
        check(
            "affinity",
            format!("on CPUs {}", cpus::show(&wanted)),
            Box::new(move |pairs| {
                let found = cpus::parse(value(pairs, "CPUAffinity")?)?;
                Ok(Found::when(
                    found == wanted,
                    format!("on CPUs {}", cpus::show(&found)),
                ))
            }),
        ),
        check(
            "limits",
            format!("real-time priority {priority} and locked memory are allowed"),
            Box::new(move |pairs| {
                let (memory, most) = (value(pairs, "LimitMEMLOCK")?, value(pairs, "LimitRTPRIO")?);
                let restricted = value(pairs, "RestrictRealtime")?;
                let enough = most == "infinity" || number::<u32>("LimitRTPRIO", most)? >= priority;
                Ok(Found::when(
                    memory == "infinity" && enough && restricted == "no",
                    format!(
                        "LimitMEMLOCK={memory}, LimitRTPRIO={most}, RestrictRealtime={restricted}"
                    ),
                ))
            }),
        ),
    ]
}

type Judge = Box<dyn Fn(&Pairs<'_>) -> Result<Found, Unreadable> + Send + Sync>;
type Pairs<'a> = BTreeMap<&'a str, &'a str>;

/// What the running engine has: a program may change all of it for itself.
fn process(facts: &Trading, unit: &str) -> Vec<Check> {
    let query = Query::new(
        "trading/process",
        format!(
            "pid=$(systemctl show -P MainPID -- {})\nif [ \"${{pid:-0}}\" -eq 0 ]; then echo absent; exit 0; fi\nchrt -p \"$pid\"; taskset -pc \"$pid\"; sed -n 's/^Max locked memory */locked memory: /p' \"/proc/$pid/limits\"",
            quote(unit)
        ),
    );
    let priority = u32::from(facts.priority);
    let wanted: BTreeSet<u32> = facts.cpus.iter().map(|cpu| u32::from(*cpu)).collect();
    let expected = format!(
        "the engine runs by SCHED_FIFO, priority {priority}, on CPUs {}",
        cpus::show(&wanted)
    );
    vec![Check::new(
        CONCERN,
        "process",
        &query,
        expected,
        move |answer| {
            if answer.text()?.trim() == "absent" {
                return Ok(Found::when(false, "the engine does not run"));
            }
            let found = scheduling::parse(answer)?;
            let holds =
                found.policy == "SCHED_FIFO" && found.priority == priority && found.cpus == wanted;
            let cpus = cpus::show(&found.cpus);
            Ok(Found::when(
                holds,
                format!(
                    "{}, priority {}, on CPUs {cpus}",
                    found.policy, found.priority
                ),
            ))
        },
    )]
}

/// The engine may write to the inference server's socket.
fn inference(facts: &Trading, socket: &str) -> Check {
    let query = Query::new(
        "trading/inference",
        format!(
            "runuser -u {} -- test -w {} 2>/dev/null && echo reachable=yes || echo reachable=no",
            quote(facts.user.as_str()),
            quote(socket)
        ),
    );
    let expected = format!("{} may connect to {socket}", facts.user);
    Check::new(CONCERN, "inference", &query, expected, |answer| {
        let pairs = answer.pairs('=')?;
        let found = value(&pairs, "reachable")?;
        Ok(Found::when(found == "yes", format!("reachable: {found}"))
            .or_hint("is the server up, and the user in the socket's group?"))
    })
}

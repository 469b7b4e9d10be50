//! Isolated CPUs and the right to real-time scheduling.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::cpus;
use deployctl_core::inventory::realtime::{Governor, RealTime};
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::concern::kernel::NEXT_BOOT;
use crate::{Check, Declared, sysctl};

mod interrupts;

pub(super) const CONCERN: &str = "realtime";

pub(super) fn checks(facts: &RealTime, declared: &Declared<'_>) -> Vec<Check> {
    let wanted: BTreeSet<u32> = facts
        .isolated_cpus
        .iter()
        .map(|cpu| u32::from(*cpu))
        .collect();
    let mut checks = vec![
        isolation("isolated", "isolcpus", &wanted),
        isolation("nohz-full", "nohz_full", &wanted),
        manager(wanted.clone()),
        interrupts::check(wanted),
    ];
    if let Some(governor) = facts.governor {
        checks.push(governors(governor));
    }
    // Only a session of a member shows what PAM grants the group.
    let trading = declared.host.trading.as_ref();
    if let Some(trading) = trading.filter(|trading| trading.group == facts.group) {
        checks.push(limits(trading.user.as_str(), facts.max_priority));
    }
    let runtime = (
        "kernel.sched_rt_runtime_us",
        facts.rt_runtime_us.to_string(),
    );
    checks.extend(sysctl::checks(CONCERN, [runtime], declared));
    checks
}

fn cpus_query() -> Query {
    let now = "printf 'isolated='; cat /sys/devices/system/cpu/isolated\n\
        printf 'nohz_full='; cat /sys/devices/system/cpu/nohz_full 2>/dev/null || echo\n\
        printf 'manager='; sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/1/status";
    Query::inline("realtime/cpus", format!("{now}\n{NEXT_BOOT}"))
}

/// The kernel keeps `wanted` for itself no longer; waits for a reboot where the boot loader says so.
fn isolation(what: &str, parameter: &'static str, wanted: &BTreeSet<u32>) -> Check {
    let key = if parameter == "isolcpus" {
        "isolated"
    } else {
        parameter
    };
    let expected = format!("{key} CPUs are {}", cpus::show(wanted));
    let wanted = wanted.clone();
    Check::new(CONCERN, what, &cpus_query(), expected, move |answer| {
        let pairs = answer.pairs('=')?;
        let found = cpu_set(value(&pairs, key)?)?;
        let pending = pending(&pairs, parameter, &wanted);
        Ok(Found::when(
            found == wanted,
            format!("{key} CPUs are {}", cpus::show(&found)),
        )
        .or_hint(format!(
            "neither this boot nor the next has {parameter}= for all of them"
        ))
        .or_after_reboot(pending, format!("the boot loader has {parameter}=")))
    })
}

/// The kernel writes `(null)` where a list was never given.
fn cpu_set(text: &str) -> Result<BTreeSet<u32>, Unreadable> {
    if text == "(null)" {
        Ok(BTreeSet::new())
    } else {
        Ok(cpus::parse(text)?)
    }
}

/// Whether the next boot isolates `wanted`. `isolcpus=` takes flags before the list.
fn pending(pairs: &BTreeMap<&str, &str>, parameter: &str, wanted: &BTreeSet<u32>) -> bool {
    let prefix = format!("{parameter}=");
    let next = pairs.get("next").copied().unwrap_or_default();
    let Some(list) = next
        .split_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix(&prefix))
    else {
        return false;
    };
    let list: Vec<&str> = list
        .split(',')
        .filter(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    cpus::parse(&list.join(",")).is_ok_and(|found| found == *wanted)
}

/// What systemd starts runs where systemd itself may: not on the isolated CPUs.
fn manager(isolated: BTreeSet<u32>) -> Check {
    let expected = format!("systemd keeps off {}", cpus::show(&isolated));
    Check::new(CONCERN, "manager", &cpus_query(), expected, move |answer| {
        let pairs = answer.pairs('=')?;
        let found = cpus::parse(value(&pairs, "manager")?)?;
        if found.is_empty() {
            return Err(Unreadable::new("systemd runs on no CPU"));
        }
        let pending = pending(&pairs, "isolcpus", &isolated);
        Ok(Found::when(
            found.is_disjoint(&isolated),
            format!("systemd runs on {}", cpus::show(&found)),
        )
        .or_hint("CPUAffinity= of systemd's own configuration takes effect at its next start")
        .or_after_reboot(pending, "systemd takes up its CPUs at boot"))
    })
}

fn governors(wanted: Governor) -> Check {
    let wanted = match wanted {
        Governor::Performance => "performance",
        Governor::Powersave => "powersave",
        Governor::Schedutil => "schedutil",
    };
    let query = Query::inline(
        "realtime/governors",
        "echo governors; cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor 2>/dev/null || :",
    );
    Check::new(
        CONCERN,
        "governor",
        &query,
        format!("every CPU's governor is {wanted}"),
        move |answer| {
            let mut lines = answer.lines()?;
            if lines.next() != Some("governors") {
                return Err(Unreadable::new("no list of governors in the answer"));
            }
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for governor in lines {
                *counts.entry(governor).or_default() += 1;
            }
            if counts.is_empty() {
                return Ok(Found::when(false, "no CPU has frequency scaling")
                    .or_hint("a virtual machine has none: declare no governor there"));
            }
            let evidence: Vec<String> = counts
                .iter()
                .map(|(governor, count)| format!("{count} × {governor}"))
                .collect();
            let holds = counts.keys().all(|governor| *governor == wanted);
            Ok(Found::when(holds, evidence.join(", ")))
        },
    )
}

/// What a session of `user` may do: `ulimit` says it where PAM has granted it.
fn limits(user: &str, priority: u8) -> Check {
    let query = Query::new(
        "realtime/limits",
        format!(
            "getent passwd {0} >/dev/null || {{ echo absent=user; exit 0; }}\nrunuser -u {0} -- /bin/sh -c 'printf \"rtprio=%s\\n\" \"$(ulimit -r)\"; printf \"memlock=%s\\n\" \"$(ulimit -l)\"'",
            quote(user)
        ),
    );
    let expected = format!("{user} may ask for real-time priority {priority}, and lock all memory");
    Check::new(CONCERN, "limits", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        if pairs.contains_key("absent") {
            return Ok(Found::when(false, "no such user").or_hint(crate::MADE_BY_APPLY));
        }
        let (rtprio, memlock) = (value(&pairs, "rtprio")?, value(&pairs, "memlock")?);
        let enough =
            rtprio == "unlimited" || number::<u32>("rtprio", rtprio)? >= u32::from(priority);
        Ok(Found::when(
            enough && memlock == "unlimited",
            format!("priority {rtprio}, locked memory {memlock}"),
        ))
    })
}

/// The scheduling of a running process as chrt(1) and taskset(1) print it, for other concerns.
pub(super) struct Scheduling<'a> {
    /// `SCHED_FIFO`, `SCHED_OTHER`, …
    pub(super) policy: &'a str,
    /// Real-time priority.
    pub(super) priority: u32,
    /// Where it may run.
    pub(super) cpus: BTreeSet<u32>,
}

pub(super) fn parse_scheduling<'a>(answer: &Answer<'a>) -> Result<Scheduling<'a>, Unreadable> {
    let after = |marker: &str| {
        answer
            .lines()?
            .find_map(|line| line.split_once(marker).map(|(_, rest)| rest.trim()))
            .ok_or_else(|| Unreadable(format!("no line with `{}`", marker.trim())))
    };
    Ok(Scheduling {
        policy: after("scheduling policy: ")?,
        priority: number("priority", after("scheduling priority: ")?)?,
        cpus: cpus::parse(after("affinity list: ")?)?,
    })
}

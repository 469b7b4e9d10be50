//! `hostprobe` run on the host in the engine's place: what the engine will do there, done and timed.
//!
//! One run answers all checks. While the engine runs, what would take its CPUs or its huge pages away is
//! left out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use deployctl_core::cpus;
use deployctl_core::inventory::trading::{Probe, Trading};
use deployctl_core::query::{Query, quote};

use super::CONCERN;
use super::rights;
use crate::answer::{Answer, Found, Holds, Unreadable};
use crate::reader::hostprobe::Report;
use crate::{Bound, Check, Declared, Measurement, Shipment};

/// The checks, where the host says how to probe it.
pub(super) fn checks(facts: &Trading, unit: &str, declared: &Declared<'_>) -> Vec<Check> {
    let Some(probe) = &facts.probe else {
        return Vec::new();
    };
    let hugepages = declared.host.fact("hugepages").and_then(Pool::of);
    let query = query(facts, probe, hugepages.as_ref(), unit);
    let user = rights::who(facts);
    let wanted: BTreeSet<u32> = facts.cpus.iter().map(|cpu| u32::from(*cpu)).collect();
    let cpus = cpus::show(&wanted);
    let check = |item: &'static str, expected: String, limit: Option<f64>| {
        Check::new(
            CONCERN,
            &format!("probe-{item}"),
            &query,
            expected,
            move |answer| judge(answer, item, limit),
        )
        .loading()
        .shipping(Shipment::Hostprobe)
        .reading_failures()
        .where_missing("`systemd-run` is not there, or hostprobe is for another architecture")
    };
    let mut checks = vec![
        check(
            "io-uring",
            format!(
                "{user} has an io_uring ring with registered buffers, and {} echoes over loopback TCP come back",
                probe.echoes
            ),
            None,
        ),
        check(
            "memlock",
            format!("{user} can keep {} MiB in RAM", probe.memlock_mib),
            None,
        ),
        check(
            "fifo",
            format!(
                "{user} can run by SCHED_FIFO, priority {}, on CPUs {cpus}",
                facts.priority
            ),
            None,
        ),
        check(
            "jitter",
            format!(
                "by SCHED_FIFO, {user} wakes up at most {} µs late on CPUs {cpus}",
                probe.max_jitter_us
            ),
            Some(f64::from(probe.max_jitter_us)),
        ),
    ];
    if let Some(pool) = hugepages {
        let expected = format!(
            "{user} can map and touch {} pages of {} KiB below {}",
            pool.count, pool.size_kib, pool.mount
        );
        checks.insert(1, check("hugepages", expected, None));
    }
    checks
}

/// The pool of huge pages that the engine is to use.
struct Pool {
    count: u64,
    size_kib: u64,
    mount: String,
}

impl Pool {
    fn of(facts: &serde_json::Value) -> Option<Self> {
        Some(Self {
            count: facts["count"].as_u64()?,
            size_kib: facts["size_kib"].as_u64()?,
            mount: facts["mount"].as_str()?.to_owned(),
        })
    }
}

fn query(facts: &Trading, probe: &Probe, hugepages: Option<&Pool>, unit: &str) -> Query {
    let wake_ups = Duration::from_micros(u64::from(probe.cycles) * u64::from(probe.interval_us));
    // Echoes and pages take seconds at worst; a loaded host may be slower.
    let deadline = wake_ups * 2 + Duration::from_secs(30);
    let cpus: Vec<String> = facts.cpus.iter().map(u16::to_string).collect();
    let mut command = rights::preamble(unit, deadline);
    let _ = write!(
        command,
        "set -- \"${{shipped:?}}\" --memlock-mib {} --echoes {} --cpus {} --priority {} --cycles {} --interval-us {} --max-jitter-us {}",
        probe.memlock_mib,
        probe.echoes,
        cpus.join(","),
        facts.priority,
        probe.cycles,
        probe.interval_us,
        probe.max_jitter_us,
    );
    let mut items = "io-uring,memlock,fifo,jitter".to_owned();
    if let Some(pool) = hugepages {
        items.push_str(",hugepages");
        let _ = write!(
            command,
            " --hugepages {} --hugepage-kib {} --hugepage-mount {}",
            pool.count,
            pool.size_kib,
            quote(&pool.mount),
        );
    }
    let _ = write!(
        command,
        "\nif running; then\n  as_engine '' \"$@\" --only io-uring,memlock\nelse\n  as_engine \"$(systemctl show -P Slice -- \"$unit\")\" \"$@\" --only {items}\nfi",
    );
    Query::new("trading/probe", command)
        .with_deadline(deadline + Duration::from_secs(5))
        .with_cap(256 * 1024)
}

fn judge(answer: &Answer<'_>, item: &str, limit: Option<f64>) -> Result<Found, Unreadable> {
    let text = answer.text()?;
    let (engine, report) = text.split_once('\n').unwrap_or((text, ""));
    let Some(engine) = engine.trim().strip_prefix("engine=") else {
        return Err(Unreadable::new("the answer does not begin with `engine=`"));
    };
    if engine == "absent" {
        return Ok(Found::when(false, "the unit is not there").or_hint(crate::MADE_BY_APPLY));
    }
    if report.trim().is_empty() {
        return match rights::refusal(answer.status) {
            Some(why) => Ok(Found::when(false, why)
                .or_hint("the engine has the same rights, and could not be started either")),
            None => Err(Unreadable(format!(
                "hostprobe ended with status {} and no report",
                answer.status
            ))),
        };
    }
    let Some(found) = Report::parse(report)?.item(item) else {
        if engine == "running" {
            return Ok(passed_over(
                "the engine runs, and would be disturbed: stop it first",
            ));
        }
        return Err(Unreadable(format!("nothing about `{item}` in the report")));
    };
    let found = found.tried()?;
    let measured: Vec<_> = found
        .measurements()
        .map(|measured| match limit {
            Some(limit) => measured.limit("max", Bound::AtMost, limit),
            None => measured,
        })
        .collect();
    let within = measured.iter().all(Measurement::holds);
    // Whether wake-ups were measured under `SCHED_FIFO`; other items do not say.
    let as_engine = found.flag("fifo") != Some(false);
    let judged =
        Found::when(found.passed() && within && as_engine, found.message).measuring(measured);
    Ok(match found.hint {
        Some(hint) => judged.or_hint(hint),
        None if !as_engine => judged.or_hint("SCHED_FIFO was refused: see `trading/probe-fifo`"),
        None => judged,
    })
}

fn passed_over(reason: &str) -> Found {
    Found {
        holds: Holds::PassedOver(reason.to_owned()),
        ..Found::when(false, "")
    }
}

//! The uninterruptible power supply, by Network UPS Tools.

use std::time::Duration;

use deployctl_core::inventory::power::{Power, Ups};
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::{Bound, Check, Declared, Measurement};

pub(super) const CONCERN: &str = "power";

pub(super) fn checks(facts: &Power, _: &Declared<'_>) -> Vec<Check> {
    facts.ups.iter().flat_map(supply).collect()
}

/// The same on Linux and macOS, where upsc is in no folder of the system.
fn supply(ups: &Ups) -> Vec<Check> {
    let server = ups.server.as_str();
    let server =
        if server.contains(':') && !server.starts_with('[') && server.matches(':').count() > 1 {
            format!("[{server}]")
        } else {
            server.to_owned()
        };
    let name = format!("{}@{server}", ups.name);
    let query = Query::new(
        "power/ups",
        format!("PATH=$PATH:/opt/homebrew/bin upsc {}", quote(&name)),
    );
    let mut checks = vec![answers(&query, &name)];
    checks.push(check(
        "ups",
        &query,
        format!("{name} is on line and well"),
        |told| {
            let status = value(told, "ups.status")?;
            let words: Vec<&str> = status.split_whitespace().collect();
            let wrong = WRONG.iter().find(|(word, _)| words.contains(word));
            let found = Found::when(words.contains(&"OL") && wrong.is_none(), status);
            Ok(match wrong {
                Some((_, hint)) => found.or_hint(*hint),
                None => found.or_hint("neither on line nor on battery: look at the supply itself"),
            })
        },
    ));
    let least = f64::from(ups.min_charge_percent);
    checks.push(check(
        "ups-charge",
        &query,
        format!("its battery is charged to {least} % or more"),
        move |told| {
            quantity(told, "battery.charge", "charge of the battery", "%", least).map(|found| {
                found.or_hint(
                    "it takes hours after a power failure; an old battery never gets there",
                )
            })
        },
    ));
    if let Some(least) = ups.min_runtime_seconds {
        let least = f64::from(least);
        checks.push(check(
            "ups-runtime",
            &query,
            format!("it could go on for {least} s or more"),
            move |told| {
                quantity(told, "battery.runtime", "time on battery", "s", least).map(|found| {
                    found
                        .or_hint("more draws from it than it was bought for, or its battery is old")
                })
            },
        ));
    }
    checks
}

/// Words of `ups.status` that mean a problem, worst first.
const WRONG: &[(&str, &str)] = &[
    (
        "FSD",
        "it is about to switch off: NUT has ordered a shutdown",
    ),
    ("LB", "its battery is nearly empty: shut down what it feeds"),
    ("OB", "the power is gone, it lives on its battery"),
    ("RB", "its battery must be replaced"),
    (
        "OFF",
        "it is switched off: what hangs on it has no power from it",
    ),
    ("BYPASS", "it lets the line through and protects nothing"),
    ("OVER", "more draws from it than it can give"),
    ("CAL", "it measures its battery, and runs it down for that"),
    ("ALARM", "on the host: upsc says which alarm as ups.alarm"),
];

const NO_CLIENT: &str = "upsc is not installed: the package nut-client brings it";

/// Parts of upsc's error messages.
const TROUBLES: &[(&str, &str)] = &[
    (
        "Driver not connected",
        "NUT's server runs, its driver does not: upsdrvctl start; the cable",
    ),
    (
        "Data stale",
        "its driver has not heard from the supply, and was given time: `pollonly` helps with some models; the cable",
    ),
    (
        "Unknown UPS",
        "NUT's server knows it by another name: upsc -l",
    ),
    (
        "Connection refused",
        "NUT's server does not run, or listens elsewhere: upsd, LISTEN in upsd.conf",
    ),
    (
        "Connection failure",
        "NUT's server cannot be reached: its address, the firewall (port 3493)",
    ),
    ("Access denied", "NUT's server does not answer this host"),
    ("No such host", "the server's name cannot be resolved"),
];

type Told<'a> = std::collections::BTreeMap<&'a str, &'a str>;

fn check(
    what: &str,
    query: &Query,
    expected: String,
    judge: impl Fn(&Told<'_>) -> Result<Found, Unreadable> + Send + Sync + 'static,
) -> Check {
    Check::new(CONCERN, what, query, expected, move |answer| {
        if answer.status == 0 {
            return judge(&answer.pairs(':')?);
        }
        trouble(answer)
    })
    .reading_failures()
    .where_missing(NO_CLIENT)
    .needing("power/ups-answers")
}

/// NUT hears of the supply. Without that, nothing is known of it, and that is one failure.
fn answers(query: &Query, name: &str) -> Check {
    let expected = format!("NUT answers for {name}");
    Check::new(CONCERN, "ups-answers", query, expected, |answer| {
        if answer.status == 0 {
            let told = answer.pairs(':')?;
            value(&told, "ups.status")?;
            let model = told.get("ups.model").copied().unwrap_or("it does");
            return Ok(Found::when(true, model));
        }
        trouble(answer)
    })
    .reading_failures()
    // A driver that was just started has not heard from it yet, and many lose it for 8 to 15 s every few minutes
    // (nut#3576).
    .retried(5, Duration::from_secs(4))
    .where_missing(NO_CLIENT)
}

fn trouble(answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let words = answer.everything();
    // Before it, newer versions say that they do without certificates.
    let Some(line) = words.lines().find(|line| line.starts_with("Error: ")) else {
        return Err(Unreadable(format!(
            "upsc ended with status {}",
            answer.status
        )));
    };
    let hint = TROUBLES.iter().find(|(sign, _)| line.contains(sign));
    Ok(Found::when(false, line).or_hint(hint.map_or("on the host: upsc", |(_, hint)| hint)))
}

/// One number that must be `least` or more.
fn quantity(
    told: &Told<'_>,
    key: &str,
    what: &str,
    unit: &str,
    least: f64,
) -> Result<Found, Unreadable> {
    let found: f64 = number(key, value(told, key)?)?;
    if !found.is_finite() {
        return Err(Unreadable(format!("`{key}` is no finite number")));
    }
    Ok(
        Found::when(found >= least, format!("{found} {unit}")).measuring([Measurement::new(
            what, unit,
        )
        .statistic("value", found)
        .limit("value", Bound::AtLeast, least)]),
    )
}

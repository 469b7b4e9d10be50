//! The clock: disciplined by chrony, and how far off.

use std::collections::BTreeSet;

use deployctl_core::inventory::time::Time;
use deployctl_core::query::Query;

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "time";

pub(super) fn checks(facts: &Time, _: &Declared<'_>) -> Vec<Check> {
    let tracking = Query::new("time/tracking", "chronyc -n -c tracking");
    let sources = Query::new("time/sources", "chronyc -N -c sources");
    let synchronized = Query::new("time/synchronized", "timedatectl show -p NTPSynchronized");
    let most = facts.max_offset_ms;
    let servers: BTreeSet<String> = facts.servers.iter().map(ToString::to_string).collect();
    let pools = facts.pools.len();
    vec![
        check(
            "offset",
            &tracking,
            format!("at most {most} ms off, by chrony"),
            move |answer| {
                let clock = parse_tracking(answer)?;
                let off = clock.offset_seconds.abs() * 1000.0;
                Ok(Found::when(
                    off <= most && clock.leap != UNSYNCHRONISED,
                    format!("{off:.3} ms off"),
                )
                .or_hint(
                    "chrony needs some minutes after its start; then look at: chronyc sources",
                ))
            },
        ),
        check("leap", &tracking, "leap status is Normal", |answer| {
            let clock = parse_tracking(answer)?;
            // A second is inserted or deleted on an announced day: in order, too.
            let fine = ["Normal", "Insert second", "Delete second"].contains(&clock.leap);
            Ok(Found::when(fine, format!("leap status {}", clock.leap)))
        }),
        Check::new(
            CONCERN,
            "synchronized",
            &synchronized,
            "NTPSynchronized is yes",
            |answer| {
                let pairs = answer.pairs('=')?;
                let found = value(&pairs, "NTPSynchronized")?;
                Ok(Found::when(
                    found == "yes",
                    format!("NTPSynchronized is {found}"),
                ))
            },
        ),
        check(
            "sources",
            &sources,
            format!(
                "chrony asks {} servers and {pools} pools, and follows one",
                servers.len()
            ),
            move |answer| {
                let sources = parse_sources(answer)?;
                let missing: Vec<&str> = servers
                    .iter()
                    .map(String::as_str)
                    .filter(|server| !sources.iter().any(|s| s.name == *server))
                    .collect();
                let followed = sources.iter().any(|source| source.state == '*');
                let evidence = match (missing.is_empty(), followed) {
                    (true, true) => format!("{} sources, one followed", sources.len()),
                    (true, false) => format!("{} sources, none followed", sources.len()),
                    (false, _) => format!("not asked: {}", missing.join(", ")),
                };
                Ok(Found::when(missing.is_empty() && followed, evidence))
            },
        ),
    ]
}

/// A check over what chronyd says; that it does not run is a failure, not an error.
fn check(
    what: &str,
    query: &Query,
    expected: impl Into<String>,
    judge: impl Fn(&Answer<'_>) -> Result<Found, Unreadable> + Send + Sync + 'static,
) -> Check {
    Check::new(CONCERN, what, query, expected, move |answer| {
        if answer.status == 0 {
            return judge(answer);
        }
        let words = answer.everything();
        if words.contains("Cannot talk to daemon") {
            Ok(Found::when(false, words).or_hint("chronyd does not run: systemctl status chrony"))
        } else {
            Err(Unreadable(format!(
                "chronyc ended with status {}",
                answer.status
            )))
        }
    })
    .reading_failures()
}

const UNSYNCHRONISED: &str = "Not synchronised";

struct Clock<'a> {
    offset_seconds: f64,
    leap: &'a str,
}

/// `chronyc -c tracking`: 14 fields; the fifth is the system clock's offset in seconds, the last the
/// leap status.
fn parse_tracking<'a>(answer: &Answer<'a>) -> Result<Clock<'a>, Unreadable> {
    let line = answer.lines()?.next().unwrap_or_default();
    let fields: Vec<&str> = line.split(',').collect();
    if fields.len() != 14 {
        return Err(Unreadable(format!("{} fields instead of 14", fields.len())));
    }
    let offset_seconds: f64 = number("system time", fields[4])?;
    if !offset_seconds.is_finite() {
        return Err(Unreadable::new("the offset is no finite number"));
    }
    Ok(Clock {
        offset_seconds,
        leap: fields[13],
    })
}

struct Source<'a> {
    state: char,
    name: &'a str,
}

/// `chronyc -c sources`: mode, state, name, stratum, poll, reach, last, offsets.
fn parse_sources<'a>(answer: &Answer<'a>) -> Result<Vec<Source<'a>>, Unreadable> {
    answer
        .lines()?
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            match fields[..] {
                [_, state, name, _, _, _, ..] if state.chars().count() == 1 => Ok(Source {
                    state: state.chars().next().unwrap_or('?'),
                    name,
                }),
                _ => Err(Unreadable(format!(
                    "`{line}` is no line of chronyc sources"
                ))),
            }
        })
        .collect()
}

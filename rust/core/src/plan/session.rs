//! Whether an exchange is open, by the host's own clock.

use std::collections::{BTreeMap, BTreeSet};

use super::target::Guard;
use crate::observed;
use crate::query::{Query, Section};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What to do where the clock cannot be read.
pub(super) const UNKNOWN: &str =
    "install `tzdata` on the host and check the `session` facts, or `--force`";

/// What a host's clock says about its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// None is open.
    Closed,
    /// This one is: a clause such as `the trading session is open (Mon-Fri 10:00 to 16:12 Australia/Sydney)`.
    Open(String),
    /// It cannot be told; why.
    Unknown(String),
}

/// What asks a host for the time in the zones of `guards`; `None` where there is nothing to ask.
pub fn ask_sessions(guards: &[Guard]) -> Option<Query> {
    let zones: BTreeSet<&str> = guards.iter().map(|guard| guard.timezone.as_str()).collect();
    let zones: Vec<&str> = zones.into_iter().collect();
    (!zones.is_empty()).then(|| observed::clock_query(&zones))
}

/// What the answer to [`ask_sessions`] says about all of them: one that is open counts before one that
/// cannot be told.
pub fn sessions(guards: &[Guard], answer: Option<&Section>) -> Session {
    let clocks = answer.map(|section| observed::parse_clocks(&section.stdout));
    let clocks = clocks.unwrap_or_default();
    let all = guards.iter().map(|guard| of(guard, &clocks));
    all.max_by_key(|session| match session {
        Session::Closed => 0,
        Session::Unknown(_) => 1,
        Session::Open(_) => 2,
    })
    .unwrap_or(Session::Closed)
}

/// Whether `guard` is on, given the local times by zone.
pub(super) fn of(guard: &Guard, clocks: &BTreeMap<String, String>) -> Session {
    match clocks
        .get(&guard.timezone)
        .map(|clock| is_open(guard, clock))
    {
        Some(Some(false)) => Session::Closed,
        Some(Some(true)) => Session::Open(format!(
            "the {} session is open ({} {} to {} {})",
            guard.concern, guard.days, guard.open, guard.close, guard.timezone
        )),
        Some(None) | None => Session::Unknown(format!(
            "whether the {} session is open is not known: no clock for `{}`",
            guard.concern, guard.timezone
        )),
    }
}

/// `None` when hours, days or clock cannot be read. `clock` is `weekday:hour:minute`, Monday is 1.
fn is_open(guard: &Guard, clock: &str) -> Option<bool> {
    let (day, time) = clock.split_once(':')?;
    let day: usize = day.parse().ok().filter(|day| (1..=7).contains(day))?;
    let (now, open, close) = (
        minutes(time)?,
        minutes(&guard.open)?,
        minutes(&guard.close)?,
    );
    let today = days(&guard.days)?.contains(&(day - 1));
    let yesterday = days(&guard.days)?.contains(&((day + 5) % 7));
    Some(if open <= close {
        today && (open..close).contains(&now)
    } else {
        // Over midnight: the part after it belongs to the day before.
        (today && now >= open) || (yesterday && now < close)
    })
}

fn minutes(time: &str) -> Option<u32> {
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `Mon-Fri`, `Mon,Wed`, `Sat-Mon`, as numbers from Monday, 0.
fn days(text: &str) -> Option<Vec<usize>> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim());
    let mut days = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (day(from)?, day(to)?);
                days.extend((0..=(to + 7 - from) % 7).map(|n| (from + n) % 7));
            }
            None => days.push(day(part)?),
        }
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_open_from_its_first_minute_up_to_its_last() {
        let guard = |days: &str, open: &str, close: &str| Guard {
            concern: "trading".to_owned(),
            timezone: "Australia/Sydney".to_owned(),
            days: days.to_owned(),
            open: open.to_owned(),
            close: close.to_owned(),
        };
        let asx = guard("Mon-Fri", "10:00", "16:12");
        let night = guard("Fri,Sat", "22:00", "02:00");
        let cases = [
            (&asx, "1:09:59"),
            (&asx, "1:10:00"),
            (&asx, "5:16:11"),
            (&asx, "5:16:12"),
            (&asx, "6:12:00"),
            (&night, "5:23:00"),
            (&night, "7:01:59"),
            (&night, "1:01:00"),
            (&night, "5:01:00"),
            (&asx, "8:12:00"),
            (&asx, "1:25:00"),
            (&asx, "noon"),
        ];
        let read: Vec<_> = cases
            .iter()
            .map(|(guard, clock)| format!("{} {clock} {:?}", guard.days, is_open(guard, clock)))
            .collect();
        insta::assert_snapshot!(read.join("\n"));
        assert_eq!(
            is_open(&guard("Someday", "10:00", "11:00"), "1:10:30"),
            None
        );
        assert_eq!(days("Sat-Mon"), Some(vec![5, 6, 0]));
    }
}

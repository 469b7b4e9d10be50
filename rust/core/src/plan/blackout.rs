//! Hours in which a concern's units are left alone: whether an exchange is open, by the host's clock and by the
//! controller's, and what of a plan must wait.
//!
//! The host's clock alone is not trusted: one that is hours behind makes an open exchange look closed.

use std::collections::BTreeSet;

use super::target::{BlackoutWindow, Target};
use super::{Finding, Override, Plan, SystemAction, UnitAction};
use crate::observed::{self, Clocks, Observed};
use crate::query::{Query, Section};

/// Refuses a plan that touches a guarded unit while its session is open, by the host's clock or by ours, and
/// tells where the two differ.
pub(super) fn findings(target: &Target, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    target
        .blackouts
        .iter()
        .filter_map(|window| {
            let unit = touched(window, plan)?;
            let finding = match state_of(window, &observed.clocks) {
                BlackoutState::Closed => return clocks_differ(window, observed),
                BlackoutState::Open(message) => Finding::refuse(
                    "guard",
                    format!("`{unit}` would be touched while {message}"),
                    format!("wait until {}, or `--force`", window.close),
                ),
                BlackoutState::Unknown(message) => Finding::refuse("guard", message, UNKNOWN_TIME),
            };
            Some(finding.unless(Override::Force))
        })
        .collect()
}

/// The session is closed by both clocks, but one of them is wrong.
fn clocks_differ(window: &BlackoutWindow, observed: &Observed) -> Option<Finding> {
    let differ = differ(&observed.clocks)?;
    Some(Finding::warn(
        "guard",
        format!(
            "{differ}; by both the {} session is closed, but one of them is wrong",
            window.concern
        ),
        Some("look at `timedatectl` on both".to_owned()),
    ))
}

/// A unit of the guarded concern that the plan stops, starts or restarts.
fn touched<'a>(window: &BlackoutWindow, plan: &'a Plan) -> Option<&'a str> {
    let declared = plan.units.iter().find(|change| {
        let guarded = change
            .concern
            .as_ref()
            .is_none_or(|concern| concern.as_str() == window.concern);
        let disturbs = change
            .actions
            .iter()
            .any(|a| !matches!(a, UnitAction::Enable | UnitAction::Disable));
        guarded && disturbs
    });
    declared
        .map(|change| change.unit.as_str())
        .or_else(|| switched(window, plan))
}

/// The same of a system that is switched: a concern's units bear its name there.
fn switched<'a>(window: &BlackoutWindow, plan: &'a Plan) -> Option<&'a str> {
    plan.closure
        .iter()
        .flat_map(|change| &change.units)
        .filter(|(action, _)| **action != SystemAction::Keep)
        .flat_map(|(_, units)| units)
        .map(String::as_str)
        .find(|unit| {
            unit.strip_prefix(&*window.concern)
                .is_some_and(|rest| rest.starts_with(['.', '-', '@']))
        })
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What to do where the clock cannot be read.
const UNKNOWN_TIME: &str =
    "install `tzdata` on the host and check the `session` facts, or `--force`";

/// How far apart two clocks may be, in seconds: an answer may be under relation for some of them.
const TOLERANCE: u64 = 120;

/// What a host's clock says about its blackout windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlackoutState {
    /// None is open.
    Closed,
    /// This one is: a clause such as `the trading session is open (Mon-Fri 10:00 to 16:12 Australia/Sydney)`.
    Open(String),
    /// It cannot be told; why.
    Unknown(String),
}

/// What asks a host for the time in the zones of `windows`; `None` where there is nothing to ask.
pub fn ask_blackouts(windows: &[BlackoutWindow]) -> Option<Query> {
    let zones: BTreeSet<&str> = windows
        .iter()
        .map(|window| window.timezone.as_str())
        .collect();
    let zones: Vec<&str> = zones.into_iter().collect();
    (!zones.is_empty()).then(|| observed::clock_query(&zones))
}

/// What the answer to [`ask_blackouts`], which came at `now` (seconds since 1970 by the controller's clock), says
/// about all of them: one that is open counts before one that cannot be told.
pub fn blackouts_now(
    windows: &[BlackoutWindow],
    answer: Option<&Section>,
    now: u64,
) -> BlackoutState {
    let clocks = answer.map(|section| observed::parse_clocks(&section.stdout));
    let mut clocks = clocks.unwrap_or_default();
    clocks.controller = Some(now);
    let all = windows.iter().map(|window| state_of(window, &clocks));
    all.max_by_key(|session| match session {
        BlackoutState::Closed => 0,
        BlackoutState::Unknown(_) => 1,
        BlackoutState::Open(_) => 2,
    })
    .unwrap_or(BlackoutState::Closed)
}

/// Whether `window` is on, by the host's clock or, where the two differ, by the controller's.
fn state_of(window: &BlackoutWindow, clocks: &Clocks) -> BlackoutState {
    let here = clocks.local.get(&window.timezone);
    let moment = here.and_then(|clock| Moment::parse(clock));
    let by_host = moment.and_then(|moment| is_open(window, moment));
    let behind = difference(clocks);
    let by_controller = match (moment, behind) {
        (Some(moment), Some(behind)) => is_open(window, moment.later(behind)),
        _ => by_host,
    };
    let (Some(by_host), Some(by_controller)) = (by_host, by_controller) else {
        return BlackoutState::Unknown(format!(
            "whether the {} session is open is not known: no clock for `{}`",
            window.concern, window.timezone
        ));
    };
    let whose = match (by_host, by_controller) {
        (false, false) => return BlackoutState::Closed,
        (true, true) => "",
        (true, false) => " by the host's clock",
        (false, true) => " by this machine's clock",
    };
    let differ = differ(clocks).filter(|_| by_host != by_controller);
    BlackoutState::Open(format!(
        "the {} session is open{whose} ({} {} to {} {}){}",
        window.concern,
        window.days,
        window.open,
        window.close,
        window.timezone,
        differ.map_or_else(String::new, |differ| format!("; {differ}"))
    ))
}

/// How the clocks differ, where it is more than an answer may take: `the host's clock is 3 h 5 min behind this
/// machine's`.
pub(super) fn differ(clocks: &Clocks) -> Option<String> {
    let behind = difference(clocks)?;
    let minutes = behind.unsigned_abs().div_ceil(60);
    let long = match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    };
    let relation = if behind > 0 { "behind" } else { "ahead of" };
    Some(format!(
        "the host's clock is {long} {relation} this machine's"
    ))
}

/// By how many seconds the host's clock is behind, where it is more than [`TOLERANCE`].
fn difference(clocks: &Clocks) -> Option<i64> {
    clocks.behind().filter(|s| s.unsigned_abs() > TOLERANCE)
}

/// A minute of the week.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// 0 is Monday.
    day: usize,
    minute: u32,
}

impl Moment {
    /// Reads `weekday:hour:minute`, Monday is 1.
    fn parse(clock: &str) -> Option<Self> {
        let (day, time) = clock.split_once(':')?;
        let day: usize = day.parse().ok().filter(|day| (1..=7).contains(day))?;
        Some(Self {
            day: day - 1,
            minute: minutes(time)?,
        })
    }

    /// The moment `seconds` later.
    fn later(self, seconds: i64) -> Self {
        const DAY: i64 = 24 * 60;
        let at = i64::try_from(self.day).unwrap_or(0) * DAY + i64::from(self.minute);
        let at = (at + seconds.div_euclid(60)).rem_euclid(7 * DAY);
        Self {
            day: usize::try_from(at / DAY).unwrap_or(0),
            minute: u32::try_from(at % DAY).unwrap_or(0),
        }
    }
}

/// `None` when hours or days cannot be read.
fn is_open(window: &BlackoutWindow, now: Moment) -> Option<bool> {
    let (open, close) = (minutes(&window.open)?, minutes(&window.close)?);
    let days = days(&window.days)?;
    let (today, yesterday) = (days.contains(&now.day), days.contains(&((now.day + 6) % 7)));
    Some(if open <= close {
        today && (open..close).contains(&now.minute)
    } else {
        // Over midnight: the part after it belongs to the day before.
        (today && now.minute >= open) || (yesterday && now.minute < close)
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
    #[expect(clippy::too_many_lines, reason = "a test is one story or one table")]
    fn a_session_is_open_from_its_first_minute_up_to_its_last() {
        let window = |days: &str, open: &str, close: &str| BlackoutWindow {
            concern: "trading".to_owned(),
            timezone: "Australia/Sydney".to_owned(),
            days: days.to_owned(),
            open: open.to_owned(),
            close: close.to_owned(),
        };
        let asx = window("Mon-Fri", "10:00", "16:12");
        let night = window("Fri,Sat", "22:00", "02:00");
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
            .map(|(window, clock)| {
                let open = Moment::parse(clock).and_then(|moment| is_open(window, moment));
                format!("{} {clock} {open:?}", window.days)
            })
            .collect();
        insta::assert_snapshot!(read.join("\n"), @"
        Mon-Fri 1:09:59 Some(false)
        Mon-Fri 1:10:00 Some(true)
        Mon-Fri 5:16:11 Some(true)
        Mon-Fri 5:16:12 Some(false)
        Mon-Fri 6:12:00 Some(false)
        Fri,Sat 5:23:00 Some(true)
        Fri,Sat 7:01:59 Some(true)
        Fri,Sat 1:01:00 Some(false)
        Fri,Sat 5:01:00 Some(false)
        Mon-Fri 8:12:00 None
        Mon-Fri 1:25:00 None
        Mon-Fri noon None
        ");
        assert_eq!(
            is_open(
                &window("Someday", "10:00", "11:00"),
                Moment {
                    day: 0,
                    minute: 630
                }
            ),
            None
        );
        let later = |seconds| {
            let moment = Moment {
                day: 6,
                minute: 1439,
            }
            .later(seconds);
            (moment.day, moment.minute)
        };
        assert_eq!(later(61), (0, 0));
        assert_eq!(later(-24 * 3600), (5, 1439));
        assert_eq!(later(400 * 7 * 24 * 3600), (6, 1439));
        assert_eq!(days("Sat-Mon"), Some(vec![5, 6, 0]));
    }
}

//! Hours in which a concern's units are left alone.

use super::target::{Guard, Target};
use super::{Finding, Options, Plan, Severity, SystemAction, UnitAction};
use crate::observed::Observed;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Refuses a plan that touches a guarded unit while its session is open. The clock is the host's own.
pub(super) fn findings(
    target: &Target,
    plan: &Plan,
    observed: &Observed,
    options: Options,
) -> Vec<Finding> {
    target
        .guards
        .iter()
        .filter_map(|guard| {
            let unit = touched(guard, plan)?;
            let clock = observed.local_times.get(&guard.timezone);
            let mut finding = match clock.map(|clock| is_open(guard, clock)) {
                Some(Some(false)) => return None,
                Some(Some(true)) => Finding::refuse(
                    "guard",
                    format!(
                        "`{}` would be touched while the {} session is open ({} {} to {} {})",
                        unit, guard.concern, guard.days, guard.open, guard.close, guard.timezone
                    ),
                    format!("wait until {}, or `--force`", guard.close),
                ),
                Some(None) | None => Finding::refuse(
                    "guard",
                    format!(
                        "whether the {} session is open is not known: no clock for `{}`",
                        guard.concern, guard.timezone
                    ),
                    "install `tzdata` on the host and check the `session` facts, or `--force`",
                ),
            };
            if options.force {
                finding.severity = Severity::Warn;
                finding.hint = Some("done all the same (`--force`)".to_owned());
            }
            Some(finding)
        })
        .collect()
}

/// A unit of the guarded concern that the plan stops, starts or restarts.
fn touched<'a>(guard: &Guard, plan: &'a Plan) -> Option<&'a str> {
    let declared = plan.units.iter().find(|change| {
        let guarded = change
            .concern
            .as_ref()
            .is_none_or(|concern| concern.as_str() == guard.concern);
        let disturbs = change
            .actions
            .iter()
            .any(|a| !matches!(a, UnitAction::Enable | UnitAction::Disable));
        guarded && disturbs
    });
    declared
        .map(|change| change.unit.as_str())
        .or_else(|| switched(guard, plan))
}

/// The same of a system that is switched: a concern's units bear its name there.
fn switched<'a>(guard: &Guard, plan: &'a Plan) -> Option<&'a str> {
    plan.closure
        .iter()
        .flat_map(|change| &change.units)
        .filter(|(action, _)| **action != SystemAction::Keep)
        .flat_map(|(_, units)| units)
        .map(String::as_str)
        .find(|unit| {
            unit.strip_prefix(&*guard.concern)
                .is_some_and(|rest| rest.starts_with(['.', '-', '@']))
        })
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

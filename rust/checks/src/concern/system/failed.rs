//! What has failed, by the manager's own count and list.

use std::collections::BTreeSet;

use deployctl_core::name::UnitName;
use deployctl_core::query::Query;

use super::CONCERN;
use crate::answer::{Answer, Found, Unreadable, number};
use crate::{Check, Declared};

/// Failed units, in two checks: jobs run by themselves at their own times, so that one that fails while an apply waits for
/// its confirm says nothing of it; every other unit may have failed because of it.
pub(super) fn checks(declared: &Declared<'_>) -> [Check; 2] {
    let query = Query::new(
        "system/failed-units",
        "systemctl show -p NFailedUnits
for u in $(systemctl list-units --state=failed --plain --no-legend --no-pager --full | cut -d ' ' -f 1); do
  case $u:$(systemctl show -p Transient,TriggeredBy -- \"$u\") in
    *.service:*Transient=yes* | *.service:*TriggeredBy=*.timer*) printf 'job %s\\n' \"$u\" ;;
    *) printf 'unit %s\\n' \"$u\" ;;
  esac
done",
    );
    let touched: BTreeSet<UnitName> = declared.rendered.units.keys().cloned().collect();
    [
        check("failed-units", "unit", &query, declared, &touched).gate_if(true),
        check(
            "failed-jobs",
            "job (of a timer, or started by hand)",
            &query,
            declared,
            &touched,
        ),
    ]
}

/// Units that had failed before an apply do not speak against it.
fn check(
    what: &'static str,
    word: &str,
    query: &Query,
    declared: &Declared<'_>,
    touched: &BTreeSet<UnitName>,
) -> Check {
    let names = |units: &BTreeSet<UnitName>| -> BTreeSet<String> {
        units.iter().map(ToString::to_string).collect()
    };
    let (before, touched) = (names(declared.failed_before), names(touched));
    let expected = if before.is_empty() {
        format!("no {word} has failed")
    } else {
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        format!(
            "no {word} has failed but those that had before: {}",
            before.join(", ")
        )
    };
    Check::new(CONCERN, what, query, expected, move |answer| {
        let of_jobs = what == "failed-jobs";
        let failed: Vec<&str> = parse(answer)?
            .into_iter()
            // A job that is declared is ours to answer for.
            .filter(|(unit, job)| (*job && !touched.contains(*unit)) == of_jobs)
            .map(|(unit, _)| unit)
            .collect();
        let new = failed.iter().find(|unit| !before.contains(**unit));
        let evidence = if failed.is_empty() {
            "none has failed".to_owned()
        } else {
            format!("failed: {}", failed.join(", "))
        };
        Ok(match new {
            None => Found::when(true, evidence),
            Some(first) => Found::when(false, evidence).or_hint(format!(
                "on the host: systemctl status {first}; journalctl -u {first} -b"
            )),
        })
    })
}

/// Each failed unit, and whether it is a job.
fn parse<'a>(answer: &Answer<'a>) -> Result<Vec<(&'a str, bool)>, Unreadable> {
    let mut lines = answer.lines()?;
    let count = lines
        .next()
        .and_then(|line| line.strip_prefix("NFailedUnits="));
    let count: usize = number(
        "NFailedUnits",
        count.ok_or_else(|| Unreadable::new("no count of failed units"))?,
    )?;
    let units: Vec<(&str, bool)> = lines
        .map(|line| match line.split_once(' ') {
            Some(("job", unit)) => Ok((unit, true)),
            Some(("unit", unit)) => Ok((unit, false)),
            _ => Err(Unreadable(format!("`{line}` is no failed unit"))),
        })
        .collect::<Result<_, _>>()?;
    if units.len() == count {
        Ok(units)
    } else {
        Err(Unreadable(format!(
            "{count} failed units, {} listed",
            units.len()
        )))
    }
}

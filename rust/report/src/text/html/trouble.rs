//! What is not as it should be, worst first, with what to do.

use deployctl_checks::{CheckResult, CheckStatus};
use serde::Serialize;

use super::history::since;
use super::place::{Mark, Place};
use super::shown;
use crate::text::Run;

/// Troubles told in full; the rest is folded away.
const IN_FULL: usize = 8;
/// Lines of a host's log that are shown.
const LOG_LINES: usize = 12;

/// All of it.
#[derive(Serialize)]
pub(super) struct Troubles {
    first: Vec<Trouble>,
    rest: Vec<Trouble>,
}

/// One check, or a host that did not come through.
#[derive(Serialize)]
struct Trouble {
    mark: Mark,
    /// `fail`, `error`, `stale`, `unreachable`.
    word: &'static str,
    /// What: a check's id, or what became of the host.
    what: String,
    /// Whether `what` is an id.
    code: bool,
    place: String,
    gate: bool,
    expected: Option<String>,
    found: Option<String>,
    /// Why it could not be told, or what it waits for.
    why: Option<String>,
    hint: Option<String>,
    attempts: u8,
    log: Vec<String>,
    /// The anchor of the check further down.
    anchor: String,
    /// Since when, where earlier runs say so.
    since: Option<String>,
}

/// Hosts that did not come through, then gates, then by badness.
pub(super) fn troubles(places: &[Place<'_>], history: &[Run]) -> Troubles {
    let mut all: Vec<Trouble> = Vec::new();
    for place in places {
        all.extend(of_end(place));
        let bad = place.checks.iter().enumerate();
        all.extend(
            bad.filter(|(_, check)| Mark::of(check).is_bad())
                .map(|(index, check)| of_check(place, index, check, history)),
        );
    }
    all.sort_by_key(|t| (t.mark != Mark::Lost, !t.gate, std::cmp::Reverse(t.mark)));
    let rest = all.split_off(all.len().min(IN_FULL));
    Troubles { first: all, rest }
}

fn of_end(place: &Place<'_>) -> Option<Trouble> {
    let end = place.end.as_ref()?;
    let log = place.host.map_or(&[][..], |host| &host.log);
    let from = log.len().saturating_sub(LOG_LINES);
    Some(Trouble {
        mark: Mark::Lost,
        word: end.word,
        what: end.phrase.to_owned(),
        code: false,
        place: shown(place.name),
        gate: false,
        expected: None,
        found: None,
        why: Some(shown(&end.message)),
        hint: end.hint.as_deref().map(shown),
        attempts: 0,
        log: log[from..].iter().map(|line| shown(line)).collect(),
        anchor: place.anchor.clone(),
        since: None,
    })
}

fn of_check(place: &Place<'_>, index: usize, check: &CheckResult, history: &[Run]) -> Trouble {
    let (why, hint) = match &check.status {
        CheckStatus::Error { reason } | CheckStatus::Stale { reason } => (Some(reason), None),
        CheckStatus::Fail { hint } => (None, hint.as_deref()),
        CheckStatus::Pass | CheckStatus::Skip { .. } => (None, None),
    };
    Trouble {
        mark: Mark::of(check),
        word: check.status.word(),
        what: shown(&check.check),
        code: true,
        place: shown(place.name),
        gate: check.gate,
        expected: Some(shown(&check.expected)),
        found: Some(shown(&check.evidence)).filter(|found| !found.is_empty()),
        why: why.map(|why| shown(why)),
        hint: hint.map(shown),
        attempts: check.attempts,
        log: Vec::new(),
        anchor: place.anchor_of(index),
        since: since(place, check, history),
    }
}

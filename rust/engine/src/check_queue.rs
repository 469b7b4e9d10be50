//! Decides which checks to make next, given the results so far. Pure: it neither asks nor waits.

use std::collections::BTreeMap;
use std::time::Duration;

use deployctl_checks::{self as checks, Check, CheckResult, CheckStatus};
use deployctl_core::query::{Answers, Query};

/// What to do next. Numbers are places among the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask these in one exec.
    Ask(Vec<usize>),
    /// Wait, then ask these once more, in one exec.
    AskAgain(Duration, Vec<usize>),
    /// Wait if they were asked before, then ask these, which share one question, alone.
    Load(Duration, Vec<usize>),
    /// All are settled.
    Done,
}

/// The checks of one host and their progress.
#[derive(Debug)]
pub(crate) struct CheckQueue<'a> {
    items: Vec<Item<'a>>,
    places: BTreeMap<&'a str, usize>,
    /// Whether the caller does the retries.
    once: bool,
}

#[derive(Debug)]
struct Item<'a> {
    check: &'a Check,
    /// Its question as it is asked: with the path and hash of a shipped file.
    query: Query,
    asked: u8,
    /// The result of the last time that it was asked.
    last: Option<CheckResult>,
    /// Whether that result is final.
    settled: bool,
}

/// What the state of a check means for those that need it.
enum Need {
    /// Go on: it passed, or is not among the checks.
    Met,
    /// It is not settled yet.
    Open,
    /// It did not pass.
    Unmet(String),
}

impl<'a> CheckQueue<'a> {
    pub(crate) fn new(checks: &'a [Check]) -> Self {
        let items = checks.iter().map(|check| Item {
            check,
            query: check.query.clone(),
            asked: 0,
            last: None,
            settled: false,
        });
        let places = checks.iter().enumerate();
        Self {
            items: items.collect(),
            places: places.map(|(n, check)| (check.id.as_str(), n)).collect(),
            once: false,
        }
    }

    /// The same for a caller that does the retries itself: each check is asked once at most.
    pub(crate) fn once(checks: &'a [Check]) -> Self {
        Self {
            once: true,
            ..Self::new(checks)
        }
    }

    pub(crate) fn check(&self, place: usize) -> &'a Check {
        self.items[place].check
    }

    /// Puts shell assignments before the question, in the place of those before.
    pub(crate) fn assign(&mut self, place: usize, assignments: &str) {
        let item = &mut self.items[place];
        item.query.command = format!("{assignments}{}", item.check.query.command);
    }

    /// What to do next. Settles on the way what needs a check that did not pass.
    pub(crate) fn next(&mut self) -> Step {
        self.pass_over();
        let plain = self.open(|item| item.asked == 0 && !item.check.load && !ships(item));
        if !plain.is_empty() {
            return Step::Ask(plain);
        }
        let shipping = self.open(|item| item.asked == 0 && !item.check.load);
        if !shipping.is_empty() {
            return Step::Ask(shipping);
        }
        let again = self.open(|item| !item.check.load);
        let pauses = again.iter().map(|place| self.check(*place).retry.pause);
        if let Some(longest) = pauses.max() {
            return Step::AskAgain(longest, again);
        }
        if let Some(place) = self.open(|_| true).first().copied() {
            let item = &self.items[place];
            let pause = match item.asked {
                0 => Duration::ZERO,
                _ => item.check.retry.pause,
            };
            let id = &item.check.query.id;
            return Step::Load(pause, self.open(|other| other.check.query.id == *id));
        }
        // Checks that are left need each other.
        self.break_off("what it needs needs it in turn");
        Step::Done
    }

    /// The questions at `places`, without duplicates.
    pub(crate) fn queries(&self, places: &[usize]) -> Vec<Query> {
        let mut distinct: Vec<Query> = Vec::new();
        for place in places {
            let query = &self.items[*place].query;
            if !distinct.iter().any(|other| other.id == query.id) {
                distinct.push(query.clone());
            }
        }
        distinct
    }

    /// Judges the answers to the questions at `places`.
    pub(crate) fn answered(&mut self, places: &[usize], answers: &Answers) {
        for place in places {
            let check = self.check(*place);
            self.note(
                *place,
                checks::evaluate(check, answers.get(&check.query.id)),
            );
        }
    }

    /// Records that the questions at `places` were asked without an answer.
    pub(crate) fn unanswered(&mut self, places: &[usize], reason: &str) {
        for place in places {
            self.note(*place, checks::broken(self.check(*place), reason));
        }
    }

    fn note(&mut self, place: usize, result: CheckResult) {
        let item = &mut self.items[place];
        item.asked = item.asked.saturating_add(1);
        let bad = matches!(
            result.status,
            CheckStatus::Fail { .. } | CheckStatus::Error { .. }
        );
        item.settled = !bad || self.once || !item.check.retry.again(item.asked, &result.evidence);
        item.last = Some(CheckResult {
            attempts: item.asked,
            ..result
        });
    }

    /// Settles a check without asking it.
    pub(crate) fn settle(&mut self, place: usize, result: CheckResult) {
        let item = &mut self.items[place];
        item.settled = true;
        item.last = Some(CheckResult {
            attempts: item.asked,
            ..result
        });
    }

    /// Settles all that is left: checks that were asked before keep their last result, the others become errors.
    pub(crate) fn break_off(&mut self, reason: &str) {
        for item in self.items.iter_mut().filter(|item| !item.settled) {
            item.settled = true;
            item.last
                .get_or_insert_with(|| checks::broken(item.check, reason));
        }
    }

    /// Whether anything was asked yet.
    pub(crate) fn begun(&self) -> bool {
        self.items.iter().any(|item| item.asked > 0)
    }

    /// How many are settled, and of how many.
    pub(crate) fn progress(&self) -> (usize, usize) {
        let settled = self.items.iter().filter(|item| item.settled).count();
        (settled, self.items.len())
    }

    /// One result per check, in the order of the checks.
    pub(crate) fn into_results(mut self) -> Vec<CheckResult> {
        self.break_off("it was not asked");
        let last = self.items.into_iter().filter_map(|item| item.last);
        last.collect()
    }

    /// Places of checks that could be asked now and are `wanted`.
    fn open(&self, wanted: impl Fn(&Item<'_>) -> bool) -> Vec<usize> {
        let items = self.items.iter().enumerate();
        items
            .filter(|(_, item)| !item.settled && wanted(item))
            .filter(|(_, item)| matches!(self.need(item), Need::Met))
            .map(|(place, _)| place)
            .collect()
    }

    fn need(&self, item: &Item<'_>) -> Need {
        let Some(needed) = &item.check.needs else {
            return Need::Met;
        };
        // A check that was not selected blocks no other.
        let Some(place) = self.places.get(needed.as_str()) else {
            return Need::Met;
        };
        let other = &self.items[*place];
        match &other.last {
            Some(result) if other.settled && result.status == CheckStatus::Pass => Need::Met,
            Some(_) if other.settled => Need::Unmet(needed.clone()),
            _ => Need::Open,
        }
    }

    /// Skips what needs a check that did not pass, and what needs that, and so on.
    fn pass_over(&mut self) {
        loop {
            let unmet = self.items.iter().enumerate().find_map(|(place, item)| {
                match (item.settled, self.need(item)) {
                    (false, Need::Unmet(needed)) => Some((place, needed)),
                    _ => None,
                }
            });
            let Some((place, needed)) = unmet else {
                return;
            };
            self.settle(place, unneeded(self.check(place), &needed));
        }
    }
}

fn ships(item: &Item<'_>) -> bool {
    item.check.ships.is_some()
}

/// A check that was skipped because `needed` did not pass.
pub(super) fn unneeded(check: &Check, needed: &str) -> CheckResult {
    checks::skip(check, &format!("not asked: `{needed}` did not pass"))
}

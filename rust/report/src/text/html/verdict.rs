//! The one line that an operator reads first, and the counts beneath it.

use deployctl_checks::gate::Tally;
use serde::Serialize;

use super::place::{Mark, Place};
use super::{Px, float, shown};
use crate::text::words::count;

/// Names that the line tells before it only counts.
const NAMED: usize = 3;

/// The line, piece by piece.
#[derive(Serialize)]
pub(super) struct Verdict {
    /// The worst there is.
    mark: Mark,
    /// In a word, for the page's title.
    word: String,
    /// What is wrong where; one piece when all is well.
    clauses: Vec<Clause>,
}

/// What there is to say of one place, in pieces.
#[derive(Default, Serialize)]
struct Clause(Vec<Piece>);

/// Some words.
#[derive(Serialize)]
struct Piece {
    /// `text`, `place` or `check`.
    kind: &'static str,
    text: String,
}

/// One share of the counts.
#[derive(Serialize)]
pub(super) struct Share {
    mark: Mark,
    count: usize,
    word: &'static str,
    /// Where its part of the bar begins, of 1000.
    x: Px,
    /// How wide that is.
    width: Px,
}

/// What is wrong and where, or that nothing is.
pub(super) fn verdict(places: &[Place<'_>]) -> Verdict {
    let mut bad: Vec<&Place<'_>> = places.iter().filter(|p| p.mark().is_bad()).collect();
    bad.sort_by_key(|place| std::cmp::Reverse(place.mark()));
    let Some(worst) = bad.first() else {
        return good(places);
    };
    let clauses = bad.iter().take(NAMED).map(|place| clause(place, bad.len()));
    let mut clauses: Vec<_> = clauses.collect();
    if bad.len() > NAMED {
        let more = count(bad.len() - NAMED, "more place");
        clauses.push(Clause::default().text(&more));
    }
    let wrong: usize = places.iter().map(wrong).sum();
    Verdict {
        mark: worst.mark(),
        word: format!("{wrong} wrong"),
        clauses,
    }
}

fn wrong(place: &Place<'_>) -> usize {
    let tally = Tally::of(place.checks);
    tally.fail + tally.error + tally.stale + usize::from(place.end.is_some())
}

/// `hugepages/pool fails on cuda`, `3 checks fail on cuda: a, b, c and 1 more`, `mac-mini could not be reached`.
fn clause(place: &Place<'_>, bad: usize) -> Clause {
    if let Some(end) = &place.end {
        return Clause::default()
            .place(place)
            .text(&format!(" {}", end.phrase));
    }
    let mark = place.mark();
    let worst: Vec<_> = place
        .checks
        .iter()
        .filter(|c| Mark::of(c) == mark)
        .collect();
    let verb = match (mark, worst.len()) {
        (Mark::Fail, 1) => "fails",
        (Mark::Fail, _) => "fail",
        (Mark::Error, _) => "could not be read",
        (_, 1) => "waits for a reboot",
        _ => "wait for a reboot",
    };
    let others = wrong(place) - worst.len();
    let one = worst.len() == 1;
    let mut clause = if let [check] = worst.as_slice() {
        Clause::default()
            .check(&check.check)
            .text(&format!(" {verb} on "))
    } else {
        let told = count(worst.len(), "check");
        Clause::default().text(&format!("{told} {verb} on "))
    };
    clause = clause.place(place);
    // Names only where there is room for them: of one place.
    if bad == 1 && !one {
        for (n, check) in worst.iter().take(NAMED).enumerate() {
            clause = clause
                .text(if n == 0 { ": " } else { ", " })
                .check(&check.check);
        }
    }
    let untold = worst
        .len()
        .saturating_sub(if bad == 1 { NAMED } else { worst.len() });
    match (untold, others) {
        (0, 0) => clause,
        (0, others) if bad > 1 => clause.text(&format!(", {others} more need a look")),
        (0, others) => clause.text(&format!(", and {others} more need a look")),
        (untold, others) => clause.text(&format!(" and {} more", untold + others)),
    }
}

impl Clause {
    fn with(mut self, kind: &'static str, text: &str) -> Self {
        self.0.push(Piece {
            kind,
            text: shown(text),
        });
        self
    }

    fn text(self, text: &str) -> Self {
        self.with("text", text)
    }

    fn place(self, place: &Place<'_>) -> Self {
        self.with("place", place.name)
    }

    fn check(self, id: &str) -> Self {
        self.with("check", id)
    }
}

fn good(places: &[Place<'_>]) -> Verdict {
    let tally = whole(places);
    let hosts = places.iter().filter(|p| p.host.is_some()).count();
    let links = places.len() - hosts;
    let (mark, word, text) = if tally.pass > 0 {
        let told = match tally.pass {
            1 => "The one check that was made holds".to_owned(),
            pass if tally.skip > 0 => format!("All {pass} checks that were made hold"),
            pass => format!("All {pass} checks hold"),
        };
        let mut text = format!("{told} on {}", count(hosts, "host"));
        if links > 0 {
            text = format!("{text} and {}", count(links, "link"));
        }
        (Mark::Pass, "all holds", text)
    } else if tally.skip > 0 {
        let text = format!("Nothing was proven: {} skipped", count(tally.skip, "check"));
        (Mark::Skip, "nothing proven", text)
    } else {
        (
            Mark::Skip,
            "nothing checked",
            "Nothing was checked".to_owned(),
        )
    };
    Verdict {
        mark,
        word: word.to_owned(),
        clauses: vec![Clause::default().text(&text)],
    }
}

fn whole(places: &[Place<'_>]) -> Tally {
    let mut whole = Tally::default();
    for place in places {
        let tally = Tally::of(place.checks);
        whole.pass += tally.pass;
        whole.fail += tally.fail;
        whole.skip += tally.skip;
        whole.error += tally.error;
        whole.stale += tally.stale;
    }
    whole
}

/// How many checks ended in each way, as shares of a bar.
pub(super) fn tally(places: &[Place<'_>]) -> Vec<Share> {
    let tally = whole(places);
    let lost = places.iter().filter(|p| p.end.is_some()).count();
    let parts = [
        (
            Mark::Lost,
            lost,
            if lost == 1 { "host lost" } else { "hosts lost" },
        ),
        (Mark::Fail, tally.fail, "failed"),
        (Mark::Error, tally.error, "unreadable"),
        (Mark::Stale, tally.stale, "waiting for a reboot"),
        (Mark::Pass, tally.pass, "passed"),
        (Mark::Skip, tally.skip, "skipped"),
    ];
    // Hosts are no checks, and have no share of theirs.
    let all: usize = parts.iter().skip(1).map(|(_, count, _)| count).sum();
    let mut x = 0.0;
    parts
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(mark, count, word)| {
            let width = if mark == Mark::Lost || all == 0 {
                0.0
            } else {
                1000.0 * float(count) / float(all)
            };
            let share = Share {
                mark,
                count,
                word,
                x: x.into(),
                width: width.into(),
            };
            x += width;
            share
        })
        .collect()
}

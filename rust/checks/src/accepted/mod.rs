//! What verification last accepted of a host, `hosts/<host>/accepted.snap`: every check's status, what was
//! expected and what was found, without values that vary by themselves.
//!
//! ```text
//! [CheckResult] ── redact ──▶ [Entry] ─┬─ diff ◀── parse ── accepted.snap
//!                                      └─ merge ──▶ text ─▶ accepted.snap
//! ```
//!
//! A check between hosts is in the file of the host that is asked, as `link/…`. A check that was not asked
//! (in a sandbox, during trading hours, after a failed check) neither differs nor replaces anything. An
//! unreadable result is never accepted.

mod format;
mod redact;

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::name::HostName;

use crate::{CheckResult, CheckStatus};

pub use format::ParseError;
pub use redact::Redaction;

/// The prefix for ids of checks between hosts, in the accepted state of the host that answers them.
pub const LINK_PREFIX: &str = "link/";

/// The name of the file in a host's folder.
pub const FILE: &str = "accepted.snap";

/// What was accepted of one host, by the check's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    entries: BTreeMap<String, Entry>,
}

/// One check as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// How it ended.
    pub status: Status,
    /// What was expected, verbatim.
    pub expected: String,
    /// What was found, redacted; for a skipped check or a pending reboot, the reason.
    pub found: String,
}

/// The status of an accepted check. An unreadable result is never accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As expected.
    Pass,
    /// Not as expected, and known.
    Fail,
    /// The host has a declared reason not to have it.
    Skip,
    /// Correct on disk; takes effect at the next reboot.
    Stale,
    /// Not readable; only ever found, never accepted.
    Error,
}

impl Status {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Stale => "stale",
            Self::Error => "error",
        }
    }
}

impl Entry {
    /// The entry for `result`; `None` if it was not asked.
    pub fn of(result: &CheckResult, redaction: &Redaction) -> Option<Self> {
        let (status, why) = match &result.status {
            CheckStatus::Pass => (Status::Pass, None),
            CheckStatus::Fail { .. } => (Status::Fail, None),
            CheckStatus::Skip { .. } if result.attempts == 0 => return None,
            CheckStatus::Skip { reason } => (Status::Skip, Some(reason)),
            CheckStatus::Stale { reason } => (Status::Stale, Some(reason)),
            CheckStatus::Error { reason } => (Status::Error, Some(reason)),
        };
        Some(Self {
            status,
            expected: one_line(&result.expected),
            found: redaction.apply(&one_line(why.unwrap_or(&result.evidence))),
        })
    }
}

/// The results of one run for a host.
#[derive(Debug, Clone, Default)]
pub struct RunResults {
    /// What was asked.
    pub entries: BTreeMap<String, Entry>,
    /// Every check that the host has, asked or not; `None` if only some were selected. An accepted check
    /// that is not among them was removed.
    pub declared: Option<BTreeSet<String>>,
}

impl RunResults {
    /// Adds results, under `prefix` before their ids.
    pub fn add(&mut self, prefix: &str, results: &[CheckResult], redaction: &Redaction) {
        for result in results {
            if let Some(entry) = Entry::of(result, redaction) {
                self.entries
                    .insert(format!("{prefix}{}", result.check), entry);
            }
        }
    }
}

impl Accepted {
    /// Whether nothing was accepted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many checks it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it records what a check found.
    pub fn has(&self, change: &Change) -> bool {
        self.entries.get(&change.check) == change.found.as_ref()
    }

    /// Applies the changes for which `take` returns true, and returns their number. Unreadable results are
    /// never applied.
    pub fn take(&mut self, changes: &[Change], take: impl Fn(&Change) -> bool) -> usize {
        let mut taken = 0;
        for change in changes {
            if !take(change) || !change.can_be_accepted() {
                continue;
            }
            match &change.found {
                Some(found) => self.entries.insert(change.check.clone(), found.clone()),
                None => self.entries.remove(&change.check),
            };
            taken += 1;
        }
        taken
    }
}

/// Words with single blanks between them: the file has a line for each.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One check that is not as accepted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Its id.
    pub check: String,
    /// As it was accepted; `None` for a new one.
    pub accepted: Option<Entry>,
    /// As it was found; `None` for a removed one.
    pub found: Option<Entry>,
}

impl Change {
    /// Whether it may be accepted: an unreadable result may not.
    pub fn can_be_accepted(&self) -> bool {
        self.found
            .as_ref()
            .is_none_or(|found| found.status != Status::Error)
    }
}

/// All differences of one host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Which.
    pub host: HostName,
    /// The file with the accepted state, below the repository's top.
    pub file: String,
    /// Whether anything was accepted of it before.
    pub known: bool,
    /// Check by check.
    pub changes: Vec<Change>,
}

/// The differences between `found` and `accepted`, by id. A check that was not asked does not differ.
pub fn diff(accepted: &Accepted, found: &RunResults) -> Vec<Change> {
    let mut changes: Vec<Change> = found
        .entries
        .iter()
        .filter_map(|(check, entry)| {
            let before = accepted.entries.get(check);
            (before != Some(entry)).then(|| Change {
                check: check.clone(),
                accepted: before.cloned(),
                found: Some(entry.clone()),
            })
        })
        .collect();
    if let Some(declared) = &found.declared {
        changes.extend(
            accepted
                .entries
                .iter()
                .filter(|(check, _)| !declared.contains(*check))
                .filter(|(check, _)| !found.entries.contains_key(*check))
                .map(|(check, entry)| Change {
                    check: check.clone(),
                    accepted: Some(entry.clone()),
                    found: None,
                }),
        );
    }
    changes.sort_by(|a, b| a.check.cmp(&b.check));
    changes
}

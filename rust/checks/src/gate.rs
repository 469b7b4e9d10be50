//! Which checks decide confirm, and what they decide.

use crate::{Check, CheckResult, CheckStatus};

/// The checks that decide confirm.
pub fn gates(checks: &[Check]) -> impl Iterator<Item = &Check> {
    checks.iter().filter(|check| check.gate)
}

/// The combined verdict of one host's gate checks.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<'a> {
    /// At least one passed and none failed: confirm.
    Open,
    /// These failed, or could not be read: roll back.
    Closed(Vec<&'a CheckResult>),
    /// Every gate was skipped, or there was none: this proves nothing and is never a success.
    Unproven,
}

/// Decides by the results of gate checks. A check with a pending reboot decides nothing: the plan
/// has announced the reboot, and a rollback would not help.
pub fn decide(results: &[CheckResult]) -> Decision<'_> {
    let mut closed = Vec::new();
    let mut passed = false;
    for result in results.iter().filter(|result| result.gate) {
        match result.status {
            CheckStatus::Pass => passed = true,
            CheckStatus::Fail { .. } | CheckStatus::Error { .. } => closed.push(result),
            CheckStatus::Skip { .. } | CheckStatus::Stale { .. } => {}
        }
    }
    if !closed.is_empty() {
        Decision::Closed(closed)
    } else if passed {
        Decision::Open
    } else {
        Decision::Unproven
    }
}

/// How many checks ended in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As expected.
    pub pass: usize,
    /// Not as expected.
    pub fail: usize,
    /// Not asked.
    pub skip: usize,
    /// Not readable.
    pub error: usize,
    /// Waiting for a reboot.
    pub stale: usize,
}

impl Tally {
    /// Counts `results`.
    pub fn of(results: &[CheckResult]) -> Self {
        let mut tally = Self::default();
        for result in results {
            match result.status {
                CheckStatus::Pass => tally.pass += 1,
                CheckStatus::Fail { .. } => tally.fail += 1,
                CheckStatus::Skip { .. } => tally.skip += 1,
                CheckStatus::Error { .. } => tally.error += 1,
                CheckStatus::Stale { .. } => tally.stale += 1,
            }
        }
        tally
    }

    /// Whether a `verify` is good: nothing failed, nothing unreadable, nothing waiting.
    pub fn good(&self) -> bool {
        self.fail == 0 && self.error == 0 && self.stale == 0
    }
}

impl std::fmt::Display for Tally {
    /// `12 passed, 1 failed, 3 skipped`; zero counts are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = [
            (self.pass, "passed"),
            (self.fail, "failed"),
            (self.error, "unreadable"),
            (self.stale, "waiting for a reboot"),
            (self.skip, "skipped"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        if parts.is_empty() {
            f.write_str("no checks")
        } else {
            f.write_str(&parts.join(", "))
        }
    }
}

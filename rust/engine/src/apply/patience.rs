//! Decides how long to wait for a host that answers without making progress.

use std::time::Duration;

use deployctl_core::activation::machine::Phase;

use super::{GRACE, START_LIMIT, Task, VERB_LIMIT};

/// Answers without progress after a verb that failed.
const STILL_LIMIT: u32 = 3;
/// Longest time from arming to the end of the activation, beside what the task asks for.
const ACTIVATION_LIMIT: Duration = Duration::from_secs(60 * 60);

/// The progress that the host last reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) phase: Option<Phase>,
    /// Bytes of its log that were read.
    pub(super) log: u64,
    /// Seconds left on its dead-man timer.
    pub(super) left: Option<u32>,
}

/// Tracks progress. Only a later phase counts: a host that repeats phases makes no progress.
#[derive(Debug, Default)]
pub(super) struct Patience {
    furthest: Option<Phase>,
    log: u64,
    /// When the furthest phase was entered.
    entered: Duration,
    /// When phase or log last changed.
    moved: Duration,
    overdue: Option<Duration>,
    still: u32,
}

impl Patience {
    /// Records an answer; returns `false` if asking again is pointless. `denied`: the last verb
    /// failed.
    pub(super) fn lasts(&mut self, seen: Seen, now: Duration, task: &Task, denied: bool) -> bool {
        let further = seen.phase > self.furthest;
        if further {
            self.furthest = seen.phase;
            self.entered = now;
            self.overdue = None;
        }
        if further || seen.log > self.log {
            self.log = self.log.max(seen.log);
            self.moved = now;
            self.still = 0;
        } else {
            self.still += 1;
        }
        let waited = now.saturating_sub(self.entered);
        let rolling_back = seen.phase == Some(Phase::RollingBack);
        if denied && rolling_back && now.saturating_sub(self.moved) >= GRACE {
            return false;
        }
        // While its dead-man timer has not elapsed, the engine waits for it.
        let ahead = seen.left.is_some_and(|left| left > 0);
        if denied && !rolling_back && !ahead && self.still >= STILL_LIMIT {
            return false;
        }
        let asked_for = task.deadline + task.starts;
        let limit = match (seen.phase, seen.left) {
            (Some(Phase::RollingBack), _) => VERB_LIMIT + task.starts,
            (Some(Phase::Armed | Phase::Activating | Phase::Activated), Some(0)) => {
                let since = *self.overdue.get_or_insert(now);
                return now.saturating_sub(since) < GRACE;
            }
            (Some(Phase::Armed | Phase::Activating | Phase::Activated), None) => asked_for,
            (Some(Phase::Armed | Phase::Activating | Phase::Activated), Some(_)) => {
                self.overdue = None;
                asked_for + ACTIVATION_LIMIT
            }
            _ => START_LIMIT,
        };
        waited < limit + GRACE
    }
}

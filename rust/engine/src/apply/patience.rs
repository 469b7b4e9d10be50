//! How long a host that answers is waited for when it gets no further.

use std::time::Duration;

use deployctl_core::activation::machine::Phase;

use super::{GRACE, START_LIMIT, Task, VERB_LIMIT};

/// Answers without progress after a verb that ended badly.
const STILL_LIMIT: u32 = 3;
/// Longest time from arming to the end of the activation, beside what the task asks for.
const ACTIVATION_LIMIT: Duration = Duration::from_secs(60 * 60);

/// What the host last said, as far as progress goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) phase: Option<Phase>,
    /// How far its log was read.
    pub(super) log: u64,
    /// Seconds left to its dead man.
    pub(super) left: Option<u32>,
}

/// What has moved since when. Phases only count forward: a host that goes round in circles stands
/// still.
#[derive(Debug, Default)]
pub(super) struct Patience {
    furthest: Option<Phase>,
    log: u64,
    /// When the furthest phase was entered.
    entered: Duration,
    /// When phase or log moved.
    moved: Duration,
    overdue: Option<Duration>,
    still: u32,
}

impl Patience {
    /// Takes note of an answer; `false` when it is pointless to ask again. `denied`: the last verb
    /// ended badly.
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
        // Where its dead man is still ahead, that is waited for.
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

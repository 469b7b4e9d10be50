//! The scheduling of a running process as chrt(1) and taskset(1) print it.

use std::collections::BTreeSet;

use deployctl_core::cpus;

use crate::answer::{Answer, Unreadable, number};

pub(super) struct Scheduling<'a> {
    /// `SCHED_FIFO`, `SCHED_OTHER`, …
    pub(super) policy: &'a str,
    /// Real-time priority.
    pub(super) priority: u32,
    /// Where it may run.
    pub(super) cpus: BTreeSet<u32>,
}

pub(super) fn parse<'a>(answer: &Answer<'a>) -> Result<Scheduling<'a>, Unreadable> {
    let after = |marker: &str| {
        answer
            .lines()?
            .find_map(|line| line.split_once(marker).map(|(_, rest)| rest.trim()))
            .ok_or_else(|| Unreadable(format!("no line with `{}`", marker.trim())))
    };
    Ok(Scheduling {
        policy: after("scheduling policy: ")?,
        priority: number("priority", after("scheduling priority: ")?)?,
        cpus: cpus::parse(after("affinity list: ")?)?,
    })
}

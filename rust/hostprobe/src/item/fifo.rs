//! `SCHED_FIFO` at the declared priority, on each of the declared CPUs.

use std::io;

use crate::args::Args;
use crate::limits;
use crate::report::{Item, Trouble};
use crate::sys::process;

const ITEM: &str = "fifo";

pub(crate) fn probe(args: &Args) -> Item {
    // On a separate thread, so that nothing else keeps that policy.
    let (cpus, priority) = (args.cpus.clone(), args.priority);
    let tried = std::thread::spawn(move || run_on(&cpus, priority)).join();
    match tried.unwrap_or_else(|_| Err(Trouble::new("the thread panicked"))) {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok(cpus) => {
            let list: Vec<String> = cpus.iter().map(u32::to_string).collect();
            Item::pass(
                ITEM,
                format!(
                    "ran with SCHED_FIFO {} on CPU {}",
                    args.priority,
                    list.join(", ")
                ),
            )
            .value("priority", args.priority)
            .value("cpus", cpus)
            .value("rt_runtime_us", rt_runtime())
        }
    }
}

/// Of each second, what tasks in real time may take; -1 for all of it, nothing where the kernel does not say.
fn rt_runtime() -> Option<i64> {
    limits::word("/proc/sys/kernel/sched_rt_runtime_us")?
        .parse()
        .ok()
}

/// The CPUs that the thread then ran on: `wanted`, or the first that it may use.
fn run_on(wanted: &[u32], priority: i32) -> Result<Vec<u32>, Trouble> {
    let cpus = chosen(wanted)?;
    process::set_fifo(priority).map_err(|error| refused(&error, priority))?;
    for &cpu in &cpus {
        pin(cpu)?;
        if !process::is_fifo() || process::current_cpu() != Some(cpu) {
            return Err(Trouble::new(format!(
                "asked for SCHED_FIFO on CPU {cpu}, and runs otherwise"
            )));
        }
    }
    Ok(cpus)
}

pub(super) fn chosen(wanted: &[u32]) -> Result<Vec<u32>, Trouble> {
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let allowed = process::allowed_cpus()
        .map_err(|error| Trouble::new(format!("allowed CPUs are not known: {error}")))?;
    Ok(allowed.into_iter().take(1).collect())
}

pub(super) fn pin(cpu: u32) -> Result<(), Trouble> {
    process::set_cpus(&[cpu]).map_err(|error| {
        let trouble = Trouble::new(format!("cannot run on CPU {cpu}: {error}"));
        match error.raw_os_error() {
            Some(libc::EINVAL) => trouble.hint(not_ours(
                cpu,
                &limits::word("/sys/devices/system/cpu/online").unwrap_or_default(),
            )),
            _ => trouble,
        }
    })
}

/// `online` as the kernel lists CPUs: `0-3,6`.
fn not_ours(cpu: u32, online: &str) -> String {
    let there = online.split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.trim().parse::<u32>().ok();
        number(first)
            .zip(number(last))
            .is_some_and(|(first, last)| (first..=last).contains(&cpu))
    });
    if there {
        format!(
            "EINVAL: CPU {cpu} is online, and the control group's cpuset leaves it out (`AllowedCPUs=`)"
        )
    } else {
        format!("EINVAL: CPU {cpu} is offline or not there; online: {online}")
    }
}

fn refused(error: &io::Error, priority: i32) -> Trouble {
    let trouble = Trouble::new(format!("SCHED_FIFO {priority}: {error}"));
    if error.raw_os_error() != Some(libc::EPERM) {
        return trouble;
    }
    trouble.hint(why_not_permitted(
        process::effective_user() == 0,
        limits::kernel_option("CONFIG_RT_GROUP_SCHED"),
        limits::soft_limit("Max realtime priority"),
        priority,
    ))
}

/// sched(7): a privileged user is refused only for want of real-time bandwidth, which the cgroups of
/// a kernel with `RT_GROUP_SCHED` do not have.
fn why_not_permitted(
    root: bool,
    group_scheduling: Option<bool>,
    limit: Option<u64>,
    priority: i32,
) -> String {
    if group_scheduling == Some(true) {
        return "EPERM: kernel built with RT_GROUP_SCHED; with cgroup v2 no service may use SCHED_FIFO"
            .to_owned();
    }
    if root {
        return "EPERM for root: the kernel is built with RT_GROUP_SCHED, or this container lacks CAP_SYS_NICE"
            .to_owned();
    }
    let limit = limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    format!(
        "EPERM: RLIMIT_RTPRIO is {limit}, and {priority} is asked for; a unit needs `LimitRTPRIO={priority}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_explained() {
        let told = [
            why_not_permitted(true, Some(true), None, 50),
            why_not_permitted(true, None, None, 50),
            why_not_permitted(false, Some(false), Some(0), 50),
            why_not_permitted(false, None, None, 99),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        EPERM: kernel built with RT_GROUP_SCHED; with cgroup v2 no service may use SCHED_FIFO
        EPERM for root: the kernel is built with RT_GROUP_SCHED, or this container lacks CAP_SYS_NICE
        EPERM: RLIMIT_RTPRIO is 0, and 50 is asked for; a unit needs `LimitRTPRIO=50`
        EPERM: RLIMIT_RTPRIO is unlimited, and 99 is asked for; a unit needs `LimitRTPRIO=99`
        ");
    }

    #[test]
    fn a_cpu_that_is_left_out_is_told_from_one_that_is_not_there() {
        assert!(not_ours(6, "0-3,6").contains("cpuset"));
        assert!(not_ours(2, "0-3,6").contains("cpuset"));
        assert!(not_ours(5, "0-3,6").contains("online: 0-3,6"));
        assert!(not_ours(0, "").contains("offline"));
    }
}

//! How late a thread wakes up, by the method of cyclictest: sleep until an absolute time, look at the
//! clock, and count how far it is past.

use std::time::Duration;

use super::fifo;
use crate::args::Args;
use crate::distribution::{Distribution, Measured, SAMPLES, micros};
use crate::report::{Item, Trouble};
use crate::sys::{clock, memory, process};

const ITEM: &str = "jitter";

/// One CPU's wake-ups.
struct WakeUps {
    cpu: u32,
    fifo: bool,
    late: Vec<Duration>,
}

pub(crate) fn probe(args: &Args) -> Item {
    let locked = memory::lock_all().is_ok();
    let measured = all(args);
    memory::unlock_all();
    match measured {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok(measured) => judge(measured, args, locked),
    }
}

/// All CPUs at once, a thread each.
fn all(args: &Args) -> Result<Vec<WakeUps>, Trouble> {
    let interval = Duration::from_micros(args.interval_us);
    let (priority, cycles) = (args.priority, args.cycles);
    let threads: Vec<_> = fifo::chosen(&args.cpus)?
        .into_iter()
        .map(|cpu| std::thread::spawn(move || measure(cpu, priority, cycles, interval)))
        .collect();
    threads
        .into_iter()
        .map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Trouble::new("a thread panicked")))
        })
        .collect()
}

fn measure(cpu: u32, priority: i32, cycles: u32, interval: Duration) -> Result<WakeUps, Trouble> {
    fifo::pin(cpu)?;
    let fifo = process::set_fifo(priority).is_ok();
    let mut late = Vec::with_capacity(cycles as usize);
    let mut next = clock::now() + interval;
    for _ in 0..cycles {
        clock::sleep_until(next)
            .map_err(|error| Trouble::new(format!("clock_nanosleep: {error}")))?;
        let now = clock::now();
        late.push(now.saturating_sub(next));
        next += interval;
        // Far behind: start over, or every following one would count the same delay again.
        if next < now {
            next = now + interval;
        }
    }
    if fifo {
        let _ = process::set_other();
    }
    Ok(WakeUps { cpu, fifo, late })
}

fn judge(measured: Vec<WakeUps>, args: &Args, locked: bool) -> Item {
    let fifo = measured.iter().all(|m| m.fifo);
    let policy = if fifo {
        format!("SCHED_FIFO {}", args.priority)
    } else {
        "SCHED_OTHER, since SCHED_FIFO was refused".to_owned()
    };
    let worst = measured
        .iter()
        .filter_map(|m| Some((*m.late.iter().max()?, m.cpu)))
        .max();
    // However many CPUs there are, the report stays small.
    let most = SAMPLES.min(4000 / measured.len().max(1)).max(10);
    let each: Vec<Measured> = measured
        .iter()
        .filter_map(|m| Measured::of(format!("wake-up on CPU {}", m.cpu), &m.late, most))
        .collect();
    let all: Vec<Duration> = measured.into_iter().flat_map(|m| m.late).collect();
    let (Some(all), Some((_, cpu))) = (Distribution::new(all), worst) else {
        return Item::fail(ITEM, Trouble::new("nothing was measured"));
    };
    let max = all.max();
    let limit = args.max_jitter_us.map(Duration::from_micros);
    let item = match limit {
        Some(limit) if max > limit => Item::fail(
            ITEM,
            Trouble::new(format!(
                "woke up {} µs late on CPU {cpu} under {policy}; at most {} µs",
                micros(max),
                limit.as_micros()
            ))
            .hint("isolate the CPUs (`realtime.isolated_cpus`), keep interrupts off them, set the performance governor"),
        ),
        _ => Item::pass(
            ITEM,
            format!("{} wake-ups under {policy}, the latest on CPU {cpu}", all.len()),
        ),
    };
    item.measured(each)
        .value("late_p50_us", all.micros(50))
        .value("late_p99_us", all.micros(99))
        .value("late_max_us", all.micros(100))
        .value("fifo", fifo)
        .value("locked", locked)
}

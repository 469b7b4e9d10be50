//! Memory that stays in RAM.

use std::time::Instant;

use crate::args::Args;
use crate::limits;
use crate::report::{Item, Trouble};
use crate::sys::memory::{self, Mapping};

const ITEM: &str = "memlock";
const PAGE: usize = 4096;

pub(crate) fn probe(args: &Args) -> Item {
    let start = Instant::now();
    let result = lock(args.memlock_mib);
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    memory::unlock_all();
    match result {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok(kib) => Item::pass(ITEM, format!("{} MiB locked and touched", args.memlock_mib))
            .value("locked_kib", kib)
            .value("lock_ms", took),
    }
}

fn lock(mib: u64) -> Result<u64, Trouble> {
    let bytes = usize::try_from(mib << 20).unwrap_or(usize::MAX);
    memory::lock_all().map_err(|error| refused("mlockall", &error))?;
    let mut arena =
        Mapping::ordinary(bytes).map_err(|error| refused(&format!("{mib} MiB more"), &error))?;
    for offset in (0..bytes).step_by(PAGE) {
        arena.touch(offset);
    }
    let locked = limits::locked_kib().unwrap_or_default();
    if locked < mib << 10 {
        return Err(Trouble::new(format!(
            "only {locked} KiB of {} KiB are locked (`VmLck`)",
            mib << 10
        )));
    }
    Ok(locked)
}

fn refused(what: &str, error: &std::io::Error) -> Trouble {
    let trouble = Trouble::new(format!("{what}: {error}"));
    match error.raw_os_error() {
        Some(libc::EPERM | libc::ENOMEM | libc::EAGAIN) => {
            let limit = limits::soft_limit("Max locked memory")
                .map_or("unlimited".to_owned(), |bytes| {
                    format!("{} KiB", bytes / 1024)
                });
            trouble.hint(format!(
                "RLIMIT_MEMLOCK is {limit}; a unit needs `LimitMEMLOCK=infinity`"
            ))
        }
        _ => trouble,
    }
}

//! Huge pages, touched one by one. A child does it: a page that was promised and cannot be had ends a
//! process by `SIGBUS`.

use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::args::Args;
use crate::limits;
use crate::report::{Item, Trouble};
use crate::sys::memory::Mapping;

const ITEM: &str = "hugepages";

pub(crate) fn probe(args: &Args) -> Item {
    let Some(count) = args.hugepages else {
        return Item::skip(ITEM, "no `--hugepages` asked for");
    };
    let size_kib = args.hugepage_kib;
    let start = Instant::now();
    let item = match touch_in_child(count, size_kib) {
        Ok(touched) if touched == count => Item::pass(
            ITEM,
            format!("{count} pages of {size_kib} KiB mapped and touched"),
        )
        .value(
            "touch_ms",
            u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        ),
        Ok(touched) => partial(touched, count, size_kib),
        Err(trouble) => Item::fail(ITEM, trouble),
    };
    let pool = |what| limits::hugepages(size_kib, what).unwrap_or_default();
    item.value("pool_pages", pool("nr_hugepages"))
        .value("free_pages", pool("free_hugepages"))
        .value("reserved_pages", pool("resv_hugepages"))
}

fn partial(touched: u64, count: u64, size_kib: u64) -> Item {
    Item::fail(
        ITEM,
        Trouble::new(format!(
            "only {touched} of {count} pages of {size_kib} KiB could be touched"
        ))
        .hint(format!(
            "{}; the command line reserves them before memory is fragmented (`hugepages={count}`)",
            pool_words(size_kib)
        )),
    )
    .value("touched_pages", touched)
}

fn pool_words(size_kib: u64) -> String {
    match limits::hugepages(size_kib, "nr_hugepages") {
        None => format!("the kernel has no pages of {size_kib} KiB"),
        Some(all) => format!(
            "the pool holds {all}, {} of them free, {} of those reserved by others",
            limits::hugepages(size_kib, "free_hugepages").unwrap_or_default(),
            limits::hugepages(size_kib, "resv_hugepages").unwrap_or_default()
        ),
    }
}

/// How many pages a child could touch.
fn touch_in_child(count: u64, size_kib: u64) -> Result<u64, Trouble> {
    let output = Command::new("/proc/self/exe")
        .args(["--touch", "--hugepages", &count.to_string()])
        .args(["--hugepage-kib", &size_kib.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Trouble::new(format!("cannot start a child: {error}")))?;
    // One byte a page.
    let touched = output.stdout.len() as u64;
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) | (_, Some(libc::SIGBUS)) => Ok(touched),
        (Some(3), _) => fewer(count, size_kib),
        _ => Err(Trouble::new(format!(
            "the child ended by {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

/// Not even mapped: the largest number that can be, by halving.
fn fewer(count: u64, size_kib: u64) -> Result<u64, Trouble> {
    let size = bytes(size_kib);
    let can = |pages: u64| Mapping::huge(usize::try_from(pages).unwrap_or(usize::MAX), size);
    if let Err(error) = can(1) {
        let trouble = Trouble::new(format!("no huge page of {size_kib} KiB: {error}"));
        return Err(match error.raw_os_error() {
            Some(libc::ENOMEM | libc::EINVAL) => trouble.hint(pool_words(size_kib)),
            Some(libc::EPERM) => {
                trouble.hint("membership in `vm.hugetlb_shm_group` or CAP_IPC_LOCK is missing")
            }
            _ => trouble,
        });
    }
    let (mut had, mut not) = (1, count);
    while not - had > 1 {
        let middle = u64::midpoint(had, not);
        if can(middle).is_ok() {
            had = middle;
        } else {
            not = middle;
        }
    }
    Ok(had)
}

fn bytes(kib: u64) -> usize {
    usize::try_from(kib.saturating_mul(1024)).unwrap_or(usize::MAX)
}

/// The child: one dot a page, so that the parent knows how far it came. 3 where nothing could be mapped.
pub(crate) fn touch(args: &Args) -> ExitCode {
    let count = usize::try_from(args.hugepages.unwrap_or(1)).unwrap_or(usize::MAX);
    let size = bytes(args.hugepage_kib);
    if !size.is_power_of_two() {
        return ExitCode::from(3);
    }
    let Ok(mut pages) = Mapping::huge(count, size) else {
        return ExitCode::from(3);
    };
    let mut out = io::stdout();
    for page in 0..count {
        if !pages.touch(page * size) || out.write_all(b".").and_then(|()| out.flush()).is_err() {
            return ExitCode::from(4);
        }
    }
    ExitCode::SUCCESS
}

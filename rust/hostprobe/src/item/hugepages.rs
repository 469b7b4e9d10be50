//! Huge pages, touched one by one. A child does it: a page that was promised and cannot be had ends a
//! process by `SIGBUS`.

use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::distribution::{Measured, SAMPLES};
use crate::limits;
use crate::report::{Item, Trouble};
use crate::sys::memory::Mapping;
use crate::sys::process;

const ITEM: &str = "hugepages";
/// Bytes that the child writes for a page: the nanoseconds that it took.
const WORD: usize = size_of::<u64>();

/// What the child did.
struct Touched {
    /// How long each page took that came.
    times: Vec<Duration>,
    /// Why the kernel would not reserve all of them at once.
    refused: Option<io::Error>,
}

pub(crate) fn probe(args: &Args) -> Item {
    let Some(count) = args.hugepages else {
        return Item::skip(ITEM, "no `--hugepages` asked for");
    };
    let size_kib = args.hugepage_kib;
    let item = match touch_in_child(args, count) {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok(touched) => judge(&touched, args, count),
    };
    let pool = |what| limits::hugepages(size_kib, what).unwrap_or_default();
    item.value("pool_pages", pool("nr_hugepages"))
        .value("free_pages", pool("free_hugepages"))
        .value("reserved_pages", pool("resv_hugepages"))
}

fn judge(touched: &Touched, args: &Args, count: u64) -> Item {
    let size_kib = args.hugepage_kib;
    let came = touched.times.len() as u64;
    let whence = args.hugepage_mount.as_ref().map_or_else(
        || "MAP_HUGETLB".to_owned(),
        |mount| format!("`{}`", mount.display()),
    );
    let item = match &touched.refused {
        None if came == count => Item::pass(
            ITEM,
            format!("{count} pages of {size_kib} KiB mapped from {whence} and touched"),
        ),
        refused => Item::fail(ITEM, partial(came, count, size_kib, refused.as_ref())),
    };
    let whole: Duration = touched.times.iter().sum();
    item.value("touched_pages", came)
        .value(
            "touch_ms",
            u64::try_from(whole.as_millis()).unwrap_or(u64::MAX),
        )
        .measured(Measured::of(
            "touch of a huge page",
            &touched.times,
            SAMPLES,
        ))
}

fn partial(came: u64, count: u64, size_kib: u64, refused: Option<&io::Error>) -> Trouble {
    let trouble = match refused {
        Some(error) => Trouble::new(format!(
            "{count} pages of {size_kib} KiB cannot be mapped: {error}; {came} could be touched"
        )),
        None => Trouble::new(format!(
            "{count} pages of {size_kib} KiB were promised, and SIGBUS came after {came}"
        )),
    };
    match refused.and_then(io::Error::raw_os_error) {
        Some(libc::EINVAL) => trouble.hint(format!(
            "EINVAL: this processor has no pages of {size_kib} KiB"
        )),
        Some(libc::ENOSYS) => trouble.hint("ENOSYS: the kernel is built without HUGETLBFS"),
        _ => trouble.hint(format!(
            "{}; the command line reserves them before memory is fragmented (`hugepages={count}`)",
            pool_words(size_kib, refused.is_none())
        )),
    }
}

fn pool_words(size_kib: u64, promised: bool) -> String {
    let Some(all) = limits::hugepages(size_kib, "nr_hugepages") else {
        return format!("the kernel has no pages of {size_kib} KiB");
    };
    let words = format!(
        "the pool holds {all}, {} of them free, {} of those reserved by others",
        limits::hugepages(size_kib, "free_hugepages").unwrap_or_default(),
        limits::hugepages(size_kib, "resv_hugepages").unwrap_or_default()
    );
    if promised {
        format!(
            "{words}; a limit of the control group (`hugetlb.*.max`), or memory of another node"
        )
    } else {
        words
    }
}

/// Has a child touch `count` pages.
fn touch_in_child(args: &Args, count: u64) -> Result<Touched, Trouble> {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--touch", "--hugepages", &count.to_string()])
        .args(["--hugepage-kib", &args.hugepage_kib.to_string()])
        .stdin(Stdio::null());
    if let Some(mount) = &args.hugepage_mount {
        command.arg("--hugepage-mount").arg(mount);
    }
    let output = command
        .output()
        .map_err(|error| Trouble::new(format!("cannot start a child: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let times = output
        .stdout
        .chunks_exact(WORD)
        .map(|word| Duration::from_nanos(u64::from_le_bytes(word.try_into().unwrap_or_default())))
        .collect();
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) | (_, Some(libc::SIGBUS)) => Ok(Touched {
            times,
            refused: said.trim().parse().ok().map(io::Error::from_raw_os_error),
        }),
        (Some(NO_FILE), _) => Err(no_file(args.hugepage_mount.as_deref(), said.trim())),
        _ => Err(Trouble::new(format!(
            "the child ended by {}: {}",
            output.status,
            said.trim()
        ))),
    }
}

fn no_file(mount: Option<&Path>, said: &str) -> Trouble {
    let error = said.parse().map_or_else(
        |_| io::Error::other(said.to_owned()),
        io::Error::from_raw_os_error,
    );
    let mount = mount.unwrap_or(Path::new("")).display();
    let trouble = Trouble::new(format!("no file below `{mount}`: {error}"));
    match error.raw_os_error() {
        Some(libc::EACCES) => {
            trouble.hint("the mount is another group's: `gid=` and `mode=` of its options")
        }
        Some(libc::ENOENT) => trouble.hint("nothing is mounted there"),
        Some(libc::EPERM) => trouble.hint("what is mounted there is no hugetlbfs"),
        Some(libc::ENOSPC) => trouble.hint("the mount has a `size=`, which is used up"),
        _ => trouble,
    }
}

/// The child ends so where there is no file to map.
const NO_FILE: i32 = 3;

/// The child: nanoseconds of each page on standard output, so that the parent knows how far it came; on
/// standard error the number of the kernel's refusal, if any.
///
/// Where not all pages can be reserved at once, they are touched without reservation until no more come.
#[expect(clippy::print_stderr, reason = "that is how the child tells")]
pub(crate) fn touch(args: &Args) -> ExitCode {
    // Gigabytes of pages would be in it.
    process::never_dump();
    let count = usize::try_from(args.hugepages.unwrap_or(1)).unwrap_or(usize::MAX);
    let size = usize::try_from(args.hugepage_kib.saturating_mul(1024)).unwrap_or(usize::MAX);
    let number = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
    let file = match args.hugepage_mount.as_deref().map(Mapping::file_below) {
        None => None,
        Some(Ok(file)) => Some(file),
        Some(Err(error)) => {
            eprintln!("{}", number(&error));
            return ExitCode::from(u8::try_from(NO_FILE).unwrap_or(1));
        }
    };
    if !size.is_power_of_two() {
        eprintln!("{}", libc::EINVAL);
        return ExitCode::SUCCESS;
    }
    let mut pages = match Mapping::huge(count, size, file.as_ref(), true) {
        Ok(pages) => pages,
        Err(error) => {
            eprintln!("{}", number(&error));
            match Mapping::huge(count, size, file.as_ref(), false) {
                Ok(pages) => pages,
                Err(_) => return ExitCode::SUCCESS,
            }
        }
    };
    let mut out = io::stdout();
    for page in 0..count {
        let start = Instant::now();
        let held = pages.touch(page * size);
        let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if !held
            || out
                .write_all(&took.to_le_bytes())
                .and_then(|()| out.flush())
                .is_err()
        {
            return ExitCode::from(4);
        }
    }
    ExitCode::SUCCESS
}

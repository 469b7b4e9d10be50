//! The monotonic clock, and sleep until a point on it.

use std::io;
use std::time::Duration;

/// Time on `CLOCK_MONOTONIC`.
pub(crate) fn now() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec that the call may write.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Sleeps until `time` on that clock, signals notwithstanding: `clock_nanosleep(2)` with `TIMER_ABSTIME`.
pub(crate) fn sleep_until(time: Duration) -> io::Result<()> {
    let until = libc::timespec {
        tv_sec: time.as_secs().cast_signed(),
        tv_nsec: time.subsec_nanos().into(),
    };
    loop {
        // SAFETY: `until` is a timespec; with an absolute time no remainder is written.
        let error = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_MONOTONIC,
                libc::TIMER_ABSTIME,
                &raw const until,
                std::ptr::null_mut(),
            )
        };
        match error {
            0 => return Ok(()),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

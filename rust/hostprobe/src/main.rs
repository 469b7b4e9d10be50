//! Does what a real-time trading engine needs from its host, and times it: `io_uring` with registered
//! buffers, huge pages touched one by one, locked memory, `SCHED_FIFO` on declared CPUs, wake-up
//! jitter, and requests to an inference server.
//!
//! One JSON document on standard output. Runs unprivileged as far as that goes and says what it could
//! not do. Linux only.

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod distribution;
#[cfg(target_os = "linux")]
mod item;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod sys;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::run()
}

#[cfg(not(target_os = "linux"))]
#[expect(
    clippy::print_stderr,
    reason = "there is nothing else it could do here"
)]
fn main() -> std::process::ExitCode {
    eprintln!("hostprobe runs on Linux only");
    std::process::ExitCode::from(2)
}

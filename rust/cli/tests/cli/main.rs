//! The command line as a user meets it: texts, exit codes, and what is left on disk.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and starts the program"
)]

mod bad_input;
mod concern;
mod concern_broken;
mod concern_trial;
#[path = "../../../../tests/lib/demand.rs"]
mod demand;
mod environment;
mod host;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kernel;
mod login;
mod model;
mod python;
mod reference;
mod sandbox;
mod secret;
mod systems;
mod verify;

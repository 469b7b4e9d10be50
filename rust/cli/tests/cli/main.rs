//! The command line as a user meets it: texts, exit codes, and what is left on disk.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and starts the program"
)]

mod bad_input;
mod environment;
mod reference;
mod sandbox;

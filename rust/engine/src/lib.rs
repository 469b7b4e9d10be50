//! Effects of deployctl (layer 4): processes, transports, files, the clock. Never prints; progress
//! is reported as [`event::Event`]s.

pub mod adopt;
pub mod apply;
pub mod archive;
pub mod ask;
mod check_queue;
pub mod clock;
pub mod collect;
pub mod connect;
pub mod event;
pub mod files;
pub mod fleet;
pub mod history;
pub mod interrupt;
pub mod kernel;
pub mod lock;
pub mod modules;
pub mod nix;
pub mod pin;
pub mod prepare;
pub mod process;
pub mod random;
pub mod repository;
pub mod rollout;
pub mod run_context;
pub mod runs;
pub mod secret;
pub mod snapshots;
pub mod stage;
pub mod target_state;
pub mod transport;
pub mod verify;

/// An error with its causes on one line.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

//! Effects of deployctl (layer 4): processes, transports, files, the clock. Never prints; progress
//! is reported as [`event::Event`]s.

pub mod adopt;
pub mod apply;
pub mod archive;
pub mod ask;
mod causes;
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
pub mod tree;
pub mod verify;

//! Effects of deployctl (floor 1): processes, transports, files, the clock. Never prints; what a
//! watcher can learn is an [`event::Event`].

pub mod event;
pub mod files;
pub mod nix;
pub mod process;
pub mod repository;
pub mod transport;

//! What hosts are declared to be (layer 0): no files, processes, clock or environment.
//!
//! ```text
//! modules/ ── concern ─┐
//!                      ├─ inventory ── select ── the hosts of a command
//! hosts/, as JSON ─────┘
//! ```

pub mod concern;
pub mod cpus;
pub mod errors;
pub mod glob;
pub mod inventory;
pub mod name;
pub mod openpgp;
pub mod select;

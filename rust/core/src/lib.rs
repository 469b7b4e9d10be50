//! What may be done to a machine (layer 1): no files, processes, clock or environment.
//!
//! Data flows one way:
//!
//! ```text
//! inventory → render → Rendered ─┐
//!                                ├→ plan → Plan → activation (scripts, state machine)
//! host → query → Observed ───────┘
//! ```

pub mod activation;
pub mod artifact;
pub mod closure;
pub mod kernel;
pub mod observed;
pub mod plan;
pub mod precedence;
pub mod query;
pub mod render;
pub mod rendered;
pub mod secret;

// What it decides about.
pub use deployctl_inventory::{concern, cpus, errors, glob, inventory, name, openpgp, select};

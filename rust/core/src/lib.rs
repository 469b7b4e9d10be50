//! Pure logic of deployctl (layer 0): no files, processes, clock or environment.
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
pub mod concern;
pub mod cpus;
pub mod errors;
pub mod inventory;
pub mod kernel;
pub mod name;
pub mod observed;
pub mod plan;
pub mod precedence;
pub mod query;
pub mod render;
pub mod rendered;
pub mod secret;
pub mod select;

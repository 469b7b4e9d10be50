//! Pure logic of deployctl (floor 0): no files, processes, clock or environment.
//!
//! Data flows one way:
//!
//! ```text
//! inventory → render → Rendered ─┐
//!                                ├→ plan → Plan → activation (scripts, state machine)
//! host → query → Observed ───────┘                         │
//!                check ← query answers ←───────────────────┘ → report
//! ```

pub mod accepted;
pub mod activation;
pub mod check;
pub mod closure;
pub mod elf;
pub mod inventory;
pub mod kernel;
pub mod name;
pub mod observed;
pub mod plan;
pub mod precedence;
pub mod query;
pub mod render;
pub mod rendered;
pub mod report;
pub mod select;
pub mod text;

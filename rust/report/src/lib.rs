//! What is said of a run: outcomes and their verdict, and the words, tables and pages made of them.
//!
//! Pure, like the crates it uses: it prints nothing, and the time is an argument.

mod report;
pub mod text;

pub use report::{ConcernReport, HostReport, LinkReport, Outcome, Problem, Report, Verdict};

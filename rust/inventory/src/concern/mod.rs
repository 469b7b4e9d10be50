//! Concerns: what a host can declare, one folder each. The program contains its own; a repository adds folders
//! or replaces one of ours as a whole.
//!
//! ```text
//! built in ─┐
//!           ├─ Folders ─┬─ Concerns (concern.toml) ── the inventory, the checks
//! modules/ ─┘           └─ TemplateSet (ubuntu/)   ── rendering
//! ```

mod checks;
mod expression;
mod filter;
mod folder;
mod manifest;
mod names;
mod operations;
pub mod product;
mod rules;
mod scaffold;
mod schema;
mod set;

pub use checks::{
    Case, ChecksFile, Deadline, DeclaredCheck, DeclaredQuery, Expectation, Failure, Field,
    FieldKind, JudgeForm, Judgement, Measure, NamedJudge, OverLinks, Reader, Request, Retries,
    Setting, Ships,
};
pub use expression::{Expression, NoValue, Text, number_text};
pub use filter::{FILTERS, json};
pub use folder::{ConcernError, ConcernErrors, Folder, Folders, Origin};
pub use manifest::{KernelDriver, KernelFeature, Listener, Manifest, PlatformUnit};
pub use names::{Names, Scope};
pub use scaffold::{NameTaken, scaffold};
pub use set::{Concern, Concerns, line_at};

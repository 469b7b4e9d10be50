//! Checks: what a host should be, asked of the host as it runs.
//!
//! A [`Check`] is a query, a judge (a pure parser and an expectation in one) and two texts: what was
//! expected and, once judged, what was found. It looks at what is in effect, never at a rendered file.
//!
//! ```text
//! Declared ── checks ──▶ [Check] ── queries ──▶ [Query] ══ host ══▶ Answers
//!                           └────────────── evaluate ◀──────────────┘ ──▶ [CheckResult] ── gate::decide
//! ```
//!
//! One file per concern turns its facts into checks; [`sysctl`], [`package`] and [`unit`] serve all of
//! them. A concern that a host does not declare has no checks; one that is declared but not installed
//! fails. An answer in which nothing could be read is an error, never a pass.

use deployctl_core::name::ConcernName;
use serde::{Deserialize, Serialize};

pub mod accepted;
mod answer;
mod askable;
pub mod case;
mod concern;
mod current;
mod definition;
pub mod elf;
mod evaluate;
pub mod folder;
pub mod gate;
mod host;
mod judge;
pub mod link;
mod measurement;
mod overruled;
mod package;
mod reader;
mod request;
mod selection;
mod span;
mod sysctl;
mod unit;

pub use askable::{FolderScope, Unaskable, askable};
pub use concern::concerns;
pub use definition::{Check, Retry, Shipment, queries};
pub use evaluate::{broken, evaluate, evaluate_all, failed, line, skip, skip_all};
pub use gate::gates;
pub use host::{Declared, checks, checks_of_rendered};
pub use judge::judges;
pub use measurement::{Bound, Limit, Measurement, Statistic};
pub use selection::{Chosen, LeftOut, Offered, Selection, SelectionError};

/// The hint for a user, a group or a file that is declared and missing: a plan sees it, for any cause.
const MADE_BY_APPLY: &str = "an apply makes it: `deployctl plan` shows what else is missing";

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// `concern/what`, e.g. `hugepages/pool`.
    pub check: String,
    /// The concern it belongs to.
    pub concern: ConcernName,
    /// Whether it decides confirm.
    pub gate: bool,
    /// Pass, fail, …
    pub status: CheckStatus,
    /// What was expected, for people: `HugePages_Total is 2048`.
    pub expected: String,
    /// What was found, stripped of control sequences: `HugePages_Total: 1024`.
    pub evidence: String,
    /// How often it was asked; 0 if it was skipped.
    pub attempts: u8,
    /// What was measured.
    pub measurements: Vec<Measurement>,
}

/// Pass, fail, or why neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum CheckStatus {
    /// As expected.
    Pass,
    /// Not as expected.
    Fail {
        /// What to do.
        hint: Option<String>,
    },
    /// Not asked, and why (`sandbox`).
    Skip {
        /// Why.
        reason: String,
    },
    /// Asked, and no answer that could be read.
    Error {
        /// Why.
        reason: String,
    },
    /// Correct on disk; takes effect at the next reboot (pending reboot).
    Stale {
        /// What is pending.
        reason: String,
    },
}

impl CheckStatus {
    /// The word for tables: `pass`, `fail`, `skip`, `error` or `stale`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail { .. } => "fail",
            Self::Skip { .. } => "skip",
            Self::Error { .. } => "error",
            Self::Stale { .. } => "stale",
        }
    }
}

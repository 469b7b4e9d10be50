//! Trials of a concern's folder (layer 3): what our own tests prove of the concerns that the program contains, for any
//! folder.
//!
//! ```text
//! Folders ─ TrialFolders ─┬─ Example hosts (facts: `examples` of the schema) ─┬─ slips, rules ────── [Trial]
//!                         └─ TemplateSet ─────────────────────────────────────┴─ ubuntu, hostile ── [Trial]
//! ```
//!
//! [`answers`] tries the folder's checks. The engine lets Nix evaluate the modules on the same example hosts;
//! [`nix_trials`] judges what they set, and [`parity`] compares it with what Ubuntu gets.

pub mod answers;
mod example;
mod folders;
mod hostile;
mod nix;
pub mod parity;
mod slips;
mod ubuntu;
mod walk;

use deployctl_checks::{CheckResult, CheckStatus, line};
use deployctl_core::name::ConcernName;

pub use example::Example;
pub use folders::TrialFolders;
pub use nix::{Evaluated, nix_trials};

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What, in words joined by `/`: `examples`, `ubuntu/paths`.
    pub what: &'static str,
    /// What has to be true, for people.
    pub expected: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is true; what was seen.
    Proven(String),
    /// It is not.
    Refuted {
        /// What was seen.
        found: String,
        /// What to do.
        hint: Option<String>,
    },
    /// It is not, and no host can use the folder, or no test can rely on it, as it is.
    Invalid {
        /// What is wrong, with its place.
        found: String,
        /// What to do.
        hint: Option<String>,
    },
    /// It was not tried, and why: that proves nothing.
    NotTried(String),
}

impl Outcome {
    /// Refuted, with the next step.
    fn refuted(found: impl Into<String>, hint: &str) -> Self {
        Self::Refuted {
            found: found.into(),
            hint: Some(hint.to_owned()),
        }
    }

    /// Invalid, with the next step.
    fn invalid(found: impl Into<String>, hint: &str) -> Self {
        Self::Invalid {
            found: found.into(),
            hint: Some(hint.to_owned()),
        }
    }
}

impl Trial {
    /// Whether the folder cannot be used, or relied on, as it is.
    pub fn is_invalid(&self) -> bool {
        matches!(self.outcome, Outcome::Invalid { .. })
    }

    fn new(what: &'static str, expected: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            what,
            expected: expected.into(),
            outcome,
        }
    }
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// The result of one trial of `concern`.
pub fn result(concern: &ConcernName, trial: &Trial) -> CheckResult {
    let (status, evidence) = match &trial.outcome {
        Outcome::Proven(found) => (CheckStatus::Pass, line(found)),
        Outcome::Refuted { found, hint } | Outcome::Invalid { found, hint } => {
            let hint = hint.as_deref().map(line);
            (CheckStatus::Fail { hint }, line(found))
        }
        Outcome::NotTried(reason) => {
            let reason = line(reason);
            (CheckStatus::Skip { reason }, String::new())
        }
    };
    CheckResult {
        check: format!("{concern}/{}", trial.what),
        concern: concern.clone(),
        gate: false,
        attempts: u8::from(!matches!(status, CheckStatus::Skip { .. })),
        status,
        expected: trial.expected.clone(),
        evidence,
        measurements: Vec::new(),
    }
}

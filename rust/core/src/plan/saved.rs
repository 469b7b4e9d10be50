//! Plans as a file: what was looked at is what gets applied, or nothing.

use serde::{Deserialize, Serialize};

use super::Plan;
use super::make::id;

/// Plans of one run, version 1. It never contains bytes of files: what is applied is rendered again and
/// must give the same plan, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlans {
    /// Format version, 1.
    pub version: u32,
    /// The repository's commit when they were made, with `-dirty` where it had local changes; empty when unknown.
    pub commit: String,
    /// One plan a host.
    pub plans: Vec<Plan>,
}

/// Why a saved plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// Not our JSON.
    #[error("this is no saved plan")]
    Malformed(#[source] serde_json::Error),
    /// Made by another deployctl.
    #[error("the saved plan has format {found}; this deployctl reads format 1")]
    Version {
        /// The format found.
        found: u64,
    },
    /// Changed after it was saved.
    #[error("the saved plan of `{host}` does not match its id `{id}`")]
    Altered {
        /// The host of the plan.
        host: String,
        /// The id it bears.
        id: String,
    },
}

impl SavedPlans {
    /// Plans to save.
    pub fn new(commit: String, plans: Vec<Plan>) -> Self {
        Self {
            version: 1,
            commit,
            plans,
        }
    }

    /// The file's text.
    #[expect(
        clippy::missing_panics_doc,
        reason = "every key of a plan's maps is text"
    )]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("maps with text keys serialise");
        text.push('\n');
        text
    }

    /// Reads the file's text; every plan must still match its id.
    pub fn from_json(text: &str) -> Result<Self, SavedPlanError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(SavedPlanError::Malformed)?;
        if let Some(found) = value.get("version").and_then(serde_json::Value::as_u64)
            && found != 1
        {
            return Err(SavedPlanError::Version { found });
        }
        let saved: Self = serde_json::from_value(value).map_err(SavedPlanError::Malformed)?;
        for plan in &saved.plans {
            if id(plan) != plan.id {
                return Err(SavedPlanError::Altered {
                    host: plan.host.to_string(),
                    id: crate::query::printable_line(plan.id.as_bytes(), 40),
                });
            }
        }
        Ok(saved)
    }
}

//! Differences between a run and the accepted state.

use deployctl_core::name::HostName;

use super::{Accepted, Entry, RunResults, Status};

/// One check that is not as accepted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Its id.
    pub check: String,
    /// As it was accepted; `None` for a new one.
    pub accepted: Option<Entry>,
    /// As it was found; `None` for a removed one.
    pub found: Option<Entry>,
}

impl Change {
    /// Whether it may be accepted: an unreadable result may not.
    pub fn can_be_accepted(&self) -> bool {
        self.found
            .as_ref()
            .is_none_or(|found| found.status != Status::Error)
    }
}

/// All differences of one host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Which.
    pub host: HostName,
    /// The file with the accepted state, below the repository's top.
    pub file: String,
    /// Whether anything was accepted of it before.
    pub known: bool,
    /// Check by check.
    pub changes: Vec<Change>,
}

/// The differences between `found` and `accepted`, by id. A check that was not asked does not differ.
pub fn diff(accepted: &Accepted, found: &RunResults) -> Vec<Change> {
    let mut changes: Vec<Change> = found
        .entries
        .iter()
        .filter_map(|(check, entry)| {
            let before = accepted.entries.get(check);
            (before != Some(entry)).then(|| Change {
                check: check.clone(),
                accepted: before.cloned(),
                found: Some(entry.clone()),
            })
        })
        .collect();
    if let Some(declared) = &found.declared {
        changes.extend(
            accepted
                .entries
                .iter()
                .filter(|(check, _)| !declared.contains(*check))
                .filter(|(check, _)| !found.entries.contains_key(*check))
                .map(|(check, entry)| Change {
                    check: check.clone(),
                    accepted: Some(entry.clone()),
                    found: None,
                }),
        );
    }
    changes.sort_by(|a, b| a.check.cmp(&b.check));
    changes
}

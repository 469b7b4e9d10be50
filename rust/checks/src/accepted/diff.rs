//! What a run found differently.

use deployctl_core::name::HostName;

use super::{Accepted, Entry, Found, Status};

/// One check that is not as accepted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Its id.
    pub check: String,
    /// As it was accepted; `None` for a new one.
    pub accepted: Option<Entry>,
    /// As it was found; `None` for one that is gone.
    pub found: Option<Entry>,
}

impl Change {
    /// Whether it may be taken as right: what could not be read may not.
    pub fn can_be_accepted(&self) -> bool {
        self.found
            .as_ref()
            .is_none_or(|found| found.status != Status::Error)
    }
}

/// All that is not as accepted of one host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Which.
    pub host: HostName,
    /// The file that says otherwise, below the repository's top.
    pub file: String,
    /// Whether anything was accepted of it before.
    pub known: bool,
    /// Check by check.
    pub changes: Vec<Change>,
}

/// What `found` says differently than `accepted`, by id. What was not asked does not differ.
pub fn diff(accepted: &Accepted, found: &Found) -> Vec<Change> {
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

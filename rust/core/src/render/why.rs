//! Where a managed path comes from: facts → template → file.

use std::collections::BTreeMap;

use crate::name::{ConcernName, ManagedPath};
use crate::rendered::Rendered;

/// Where one managed path comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The path.
    pub path: ManagedPath,
    /// The concern that declares it.
    pub concern: ConcernName,
    /// Its template, relative to the repository.
    pub template: Option<String>,
    /// The facts it was made from.
    pub facts: Vec<FactSource>,
}

/// One fact and the line that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactSource {
    /// Path in the inventory, such as `hosts.cuda.hugepages.count`.
    pub fact: String,
    /// `file:line`, of the fact or of its nearest known parent.
    pub position: Option<String>,
}

/// Explains `path`; `None` when no concern writes it. `positions` is the inventory's table from
/// facts to `file:line`.
pub fn why(
    rendered: &Rendered,
    path: &ManagedPath,
    positions: &BTreeMap<String, String>,
) -> Option<Why> {
    let entry = rendered.entries.get(path)?;
    let facts = entry
        .facts
        .iter()
        .map(|fact| FactSource {
            fact: fact.clone(),
            position: position(fact, positions),
        })
        .collect();
    Some(Why {
        path: path.clone(),
        concern: entry.concern.clone(),
        template: entry.template.clone(),
        facts,
    })
}

fn position(fact: &str, positions: &BTreeMap<String, String>) -> Option<String> {
    let mut fact = fact;
    loop {
        if let Some(position) = positions.get(fact) {
            return Some(position.clone());
        }
        fact = fact.rsplit_once('.')?.0;
    }
}

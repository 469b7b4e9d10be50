//! What a host's checks are made from.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::name::UnitName;
use crate::rendered::Rendered;

/// Everything an expectation may come from: facts first; what was rendered for what has no fact of its
/// own (units, packages with their dependencies).
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// The host's facts after defaults: `hosts.<name>` of the inventory.
    pub host: &'a Value,
    /// `cluster` of the inventory.
    pub cluster: &'a Value,
    /// What the host should hold.
    pub rendered: &'a Rendered,
    /// Units that had failed before, and that nothing touches: they fail the report, never a gate.
    pub failed_before: &'a BTreeSet<UnitName>,
}

impl Declared<'_> {
    /// The facts of `concern`: `None` where the host does not declare it.
    pub(super) fn facts<T: DeserializeOwned>(
        &self,
        concern: &str,
    ) -> Option<Result<T, serde_json::Error>> {
        let facts = self.host.get(concern).filter(|facts| !facts.is_null())?;
        Some(T::deserialize(facts))
    }

    /// The links of the cluster that end at this host.
    pub(super) fn cluster_part<T: DeserializeOwned>(&self, part: &str) -> Option<T> {
        self.cluster
            .get(part)
            .and_then(|value| T::deserialize(value).ok())
    }
}

//! Plans in a file, for a later apply that must do exactly that.

use std::collections::BTreeSet;
use std::path::Path;

use deployctl_core::name::HostName;
use deployctl_core::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What `plan --out` writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    version: u32,
    plans: Vec<Plan>,
}

impl Saved {
    /// The hosts that have a plan here.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.plans
            .iter()
            .map(|plan| plan.host.to_string())
            .collect()
    }

    /// The id of the host's plan.
    pub(crate) fn plan_of(&self, host: &HostName) -> Option<&str> {
        let plan = self.plans.iter().find(|plan| plan.host == *host)?;
        Some(&plan.id)
    }
}

/// Writes `plans` to `path`.
pub(crate) fn write<'a>(path: &Path, plans: impl Iterator<Item = &'a Plan>) -> Result<(), Failure> {
    let saved = serde_json::json!({"version": 1, "plans": plans.collect::<Vec<_>>()});
    let text = serde_json::to_string_pretty(&saved).expect("our types serialise");
    std::fs::write(path, text + "\n").map_err(|error| {
        Failure::usage(format!("cannot write the plan to `{}`", path.display())).cause(&error)
    })
}

/// Reads what [`write`] wrote.
pub(crate) fn read(path: &Path) -> Result<Saved, Failure> {
    let what = || Failure::usage(format!("cannot read the plan `{}`", path.display()));
    let bytes = std::fs::read(path).map_err(|error| what().cause(&error))?;
    let saved: Saved = serde_json::from_slice(&bytes).map_err(|error| {
        what()
            .cause(&error)
            .hint("`deployctl plan --out FILE` writes one")
    })?;
    let mut seen = BTreeSet::new();
    for plan in &saved.plans {
        if !seen.insert(&plan.host) {
            return Err(what().hint(format!("it has two plans for `{}`", plan.host)));
        }
    }
    if saved.version == 1 {
        Ok(saved)
    } else {
        Err(what().hint(format!(
            "it has version {}; this deployctl reads 1",
            saved.version
        )))
    }
}

//! Plans in a file, for a later apply that must do exactly that.

use std::path::Path;

use deployctl_core::plan::{Plan, SavedPlans};

use crate::failure::Failure;

/// Writes `plans` to `path`, with the commit they were made from.
pub(crate) fn write(path: &Path, commit: String, plans: Vec<Plan>) -> Result<(), Failure> {
    std::fs::write(path, SavedPlans::new(commit, plans).to_json()).map_err(|error| {
        Failure::usage(format!("cannot write the plan to `{}`", path.display())).cause(&error)
    })
}

/// Reads what [`write`] wrote.
pub(crate) fn read(path: &Path) -> Result<SavedPlans, Failure> {
    let what = || Failure::usage(format!("cannot use the plan `{}`", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| what().cause(&error))?;
    SavedPlans::from_json(&text).map_err(|error| {
        what()
            .cause(&error)
            .hint("`deployctl plan --out FILE` writes one")
    })
}

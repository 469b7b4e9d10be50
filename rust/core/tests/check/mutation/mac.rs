//! Mutations of what a Mac is checked for.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] =
    &[("extra/check/quarantine", "enabled", "disabled", "fail")];

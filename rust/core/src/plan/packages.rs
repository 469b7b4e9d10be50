//! Which packages change. They go forward only, and none is removed but what is declared to be replaced.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::debian_version::compare;
use super::{Finding, PackageAction, PackageChange};
use crate::observed::Observed;
use crate::rendered::Rendered;

/// Changes to packages in order of name, and findings about what would have to go backwards.
pub(super) fn changes(
    rendered: &Rendered,
    observed: &Observed,
) -> (Vec<PackageChange>, Vec<Finding>) {
    let mut changes = Vec::new();
    let mut findings = Vec::new();
    if observed.unanswered.contains_key("packages") {
        return (changes, findings);
    }
    let was_held = |name| {
        observed
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.packages.get(name))
            .is_some_and(|want| want.hold)
    };
    for (name, want) in &rendered.packages {
        let known = observed.packages.get(name);
        let installed = known.filter(|package| package.installed);
        let change = |action, after: Option<&String>| PackageChange {
            name: name.clone(),
            concern: Some(want.concern.clone()),
            before: installed.map(|package| package.version.clone()),
            after: after.cloned(),
            action,
            replaces: match action {
                PackageAction::Install => want.replaces.clone(),
                PackageAction::Hold | PackageAction::Unhold => BTreeSet::new(),
            },
        };
        match (installed, &want.version) {
            (None, version) => changes.push(change(PackageAction::Install, version.as_ref())),
            (Some(package), Some(version)) => match compare(version, &package.version) {
                Ordering::Greater => changes.push(change(PackageAction::Install, Some(version))),
                Ordering::Less => findings.push(Finding::refuse(
                    "package",
                    format!(
                        "`{name}` is installed in version `{}`, newer than the declared `{version}`; packages only go forward",
                        package.version
                    ),
                    format!(
                        "declare `{}`, or downgrade it by hand on the host",
                        package.version
                    ),
                )),
                Ordering::Equal => {}
            },
            (Some(_), None) => {}
        }
        let held = known.is_some_and(|package| package.held);
        if want.hold && !held {
            changes.push(change(PackageAction::Hold, None));
        } else if !want.hold && held && was_held(name) {
            changes.push(change(PackageAction::Unhold, None));
        }
    }
    for name in observed.manifest.iter().flat_map(|m| m.packages.keys()) {
        let held = observed.packages.get(name).filter(|package| package.held);
        if let Some(package) = held
            && was_held(name)
            && !rendered.packages.contains_key(name)
        {
            changes.push(PackageChange {
                name: name.clone(),
                concern: None,
                before: Some(package.version.clone()),
                after: None,
                action: PackageAction::Unhold,
                replaces: BTreeSet::new(),
            });
        }
    }
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    (changes, findings)
}

//! Which packages change. They go forward only, and none is removed but what is declared to be replaced.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::debian_version::compare;
use super::{Finding, PackageAction, PackageChange};
use crate::name::PackageName;
use crate::observed::Observed;
use crate::rendered::{PackageWant, Rendered};

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
    for (name, want) in &rendered.packages {
        let known = observed.packages.get(name);
        let installed = known.filter(|package| package.installed);
        let change = |action, after: Option<&String>| PackageChange {
            name: name.clone(),
            concern: Some(want.concern.clone()),
            others: want.others.clone(),
            before: installed.map(|package| package.version.clone()),
            after: after.cloned(),
            action,
            replaces: match action {
                PackageAction::Install => want.replaces.clone(),
                PackageAction::Hold | PackageAction::Unhold => BTreeSet::new(),
            },
            file: match (action, &want.file) {
                (PackageAction::Install, Some(file)) => rendered.in_release(file).map(|it| it.1),
                _ => None,
            },
        };
        match (installed, &want.version) {
            (None, version) => changes.push(change(PackageAction::Install, version.as_ref())),
            (Some(package), Some(version)) => match compare(version, &package.version) {
                Ordering::Greater => changes.push(change(PackageAction::Install, Some(version))),
                Ordering::Less => findings.push(newer(name, &package.version, version)),
                Ordering::Equal => findings.extend(other_bytes(name, want, observed)),
            },
            (Some(_), None) => {}
        }
        let held = known.is_some_and(|package| package.held);
        if want.hold && !held {
            changes.push(change(PackageAction::Hold, None));
        } else if !want.hold && held && was_held(observed, name) {
            changes.push(change(PackageAction::Unhold, None));
        }
    }
    changes.extend(let_go(rendered, observed));
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    (changes, findings)
}

/// A file of the installed version that is not the one which was installed: apt would do nothing.
fn other_bytes(name: &PackageName, want: &PackageWant, observed: &Observed) -> Option<Finding> {
    let committed = observed.manifest.as_ref()?.packages.get(name)?;
    let hash = |want: &PackageWant| want.file.as_ref()?.sha256.clone();
    let (before, after) = (hash(committed)?, hash(want)?);
    let version = want.version.as_deref()?;
    let same = committed.version.as_deref() == Some(version);
    (same && before != after).then(|| {
        Finding::refuse(
            "package",
            format!("`{name}` is installed in version `{version}`, and the declared file of that version has other bytes"),
            "raise its version, so that apt installs it".to_owned(),
        )
    })
}

/// Whether the last committed generation holds the package.
fn was_held(observed: &Observed, name: &PackageName) -> bool {
    let manifest = observed.manifest.as_ref();
    manifest
        .and_then(|manifest| manifest.packages.get(name))
        .is_some_and(|want| want.hold)
}

fn newer(name: &PackageName, installed: &str, declared: &str) -> Finding {
    Finding::refuse(
        "package",
        format!(
            "`{name}` is installed in version `{installed}`, newer than the declared `{declared}`; packages only go forward"
        ),
        format!("declare `{installed}`, or downgrade it by hand on the host"),
    )
}

/// The holds of packages that are no longer declared.
fn let_go(rendered: &Rendered, observed: &Observed) -> impl Iterator<Item = PackageChange> {
    let committed = observed.manifest.iter().flat_map(|m| m.packages.keys());
    committed.filter_map(|name| {
        let package = observed.packages.get(name).filter(|package| package.held)?;
        let ours = was_held(observed, name) && !rendered.packages.contains_key(name);
        ours.then(|| PackageChange {
            name: name.clone(),
            concern: None,
            others: BTreeSet::new(),
            before: Some(package.version.clone()),
            after: None,
            action: PackageAction::Unhold,
            replaces: BTreeSet::new(),
            file: None,
        })
    })
}

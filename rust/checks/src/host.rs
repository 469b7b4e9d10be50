//! All checks of a host.

use std::collections::BTreeSet;

use deployctl_core::concern::Concern;
use minijinja::Value;

use crate::concern::CONCERNS;
use crate::{Check, Declared, current, folder, overruled, package, sysctl, unit};

/// All checks of a host: its system where Nix built it, per declared concern those of its platform, then
/// the packages and units of all. A Mac has neither dpkg nor systemd.
pub fn checks(declared: &Declared<'_>) -> Vec<Check> {
    let mut all = current::checks(declared);
    let linux = declared.host.platform.is_linux();
    let facts = folder::facts(declared.host);
    for concern in declared.concerns {
        all.extend(of(&facts, concern, declared));
    }
    if linux {
        all.extend(package::checks(declared.rendered));
        all.extend(unit::checks(declared));
        all.extend(unit::checks_of_facts(declared));
        all.extend(overruled::checks(declared));
    }
    all
}

/// The checks of one concern: those that its folder declares, those of ours in Rust, or its kernel settings.
fn of(facts: &Value, concern: &Concern, declared: &Declared<'_>) -> Vec<Check> {
    let linux = declared.host.platform.is_linux();
    if !concern.is_declared(declared.host) {
        return Vec::new();
    }
    if concern.checks.is_some() {
        return folder::checks(facts, concern, declared);
    }
    match CONCERNS
        .iter()
        .find(|(name, ..)| *name == concern.name.as_str())
    {
        Some((_, on_linux, _)) if linux => on_linux(declared),
        Some((_, _, on_macos)) => on_macos(declared),
        None if linux => sysctl::checks(concern.name.as_str(), [], declared),
        None => Vec::new(),
    }
}

/// The checks that follow from what was rendered alone: live settings, packages, units. For a
/// configuration that the facts no longer describe, such as an earlier generation.
pub fn checks_of_rendered(declared: &Declared<'_>) -> Vec<Check> {
    let rendered = declared.rendered;
    let concerns: BTreeSet<&str> = rendered
        .entries
        .values()
        .map(|managed| managed.concern.as_str())
        .collect();
    let mut all = current::checks(declared);
    all.extend(
        concerns
            .into_iter()
            .flat_map(|concern| sysctl::checks(concern, [], declared)),
    );
    all.extend(package::checks(rendered));
    all.extend(unit::checks(declared));
    all.extend(overruled::checks(declared));
    all
}

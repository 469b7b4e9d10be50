//! All checks of a host, and what they are made of.

use std::collections::BTreeSet;

use deployctl_core::concern::{Concern, Concerns, KernelFeature};
use deployctl_core::inventory::host::Platform;
use deployctl_core::inventory::{Cluster, Host};
use deployctl_core::name::UnitName;
use deployctl_core::rendered::{Rendered, UnitWant};
use minijinja::Value;

use crate::concern::CONCERNS;
use crate::{Check, current, folder, overruled, package, sysctl, unit};

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

/// Everything an expectation may come from: facts first; what was rendered for what has no fact of its
/// own (units, packages with their dependencies).
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// The host's facts.
    pub host: &'a Host,
    /// What hosts can declare.
    pub concerns: &'a Concerns,
    /// The cluster's facts.
    pub cluster: &'a Cluster,
    /// The rendered files of the host.
    pub rendered: &'a Rendered,
    /// Units that had failed before an apply and that it does not touch: they never decide confirm.
    /// Empty for `verify`.
    pub failed_before: &'a BTreeSet<UnitName>,
}

impl<'a> Declared<'a> {
    /// Whether Nix builds its system: then nothing of dpkg, apt and GRUB's own files is there.
    pub(super) fn is_nixos(&self) -> bool {
        self.host.platform == Platform::Nixos
    }

    /// Whether a concern of the host needs the kernel to be able to do that.
    pub(super) fn needs(&self, feature: KernelFeature) -> bool {
        let mut concerns = self.concerns.iter().filter(|it| it.is_declared(self.host));
        concerns.any(|it| it.manifest.kernel_features.contains(&feature))
    }

    /// The paths that we manage on the host.
    pub(super) fn managed_paths(&self) -> BTreeSet<String> {
        self.rendered
            .entries
            .keys()
            .map(ToString::to_string)
            .collect()
    }

    /// The one service of `concern`, as its templates name it; none where there are no templates.
    pub(super) fn service(&self, concern: &str) -> Option<(&'a UnitName, &'a UnitWant)> {
        self.rendered.units.iter().find(|(unit, want)| {
            want.concern.as_str() == concern && unit.as_str().ends_with(".service")
        })
    }
}

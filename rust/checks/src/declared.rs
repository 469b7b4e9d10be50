//! The sources of a host's checks.

use std::collections::BTreeSet;

use deployctl_core::concern::{Concerns, KernelFeature};
use deployctl_core::inventory::host::Platform;
use deployctl_core::inventory::{Cluster, Host};
use deployctl_core::name::UnitName;
use deployctl_core::rendered::{Rendered, UnitWant};

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

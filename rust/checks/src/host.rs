//! All checks of a host.

use std::collections::BTreeSet;

use crate::concern::CONCERNS;
use crate::{Check, Declared, current, next_kernel, overruled, package, sysctl, unit};

/// All checks of a host: its system where Nix built it, per declared concern those of its platform, then
/// the packages and units of all. A Mac has neither dpkg nor systemd.
pub fn checks(declared: &Declared<'_>) -> Vec<Check> {
    let mut all = current::checks(declared);
    let linux = declared.host.platform.is_linux();
    for (_, on_linux, on_macos) in CONCERNS {
        let concern = if linux { on_linux } else { on_macos };
        all.extend(concern(declared));
    }
    if linux {
        all.extend(package::checks(declared.rendered));
        all.extend(unit::checks(declared));
        all.extend(unit::checks_of_facts(declared));
        all.extend(next_kernel::checks(declared));
        all.extend(overruled::checks(declared));
    }
    all
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

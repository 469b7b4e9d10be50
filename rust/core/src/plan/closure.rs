//! Which system a host of a Nix platform runs, which one replaces it, what the switch does, and which packages come, go
//! or change version.

mod boot;
mod rehearsal;

use std::collections::{BTreeMap, BTreeSet};

use super::target::KernelDrivers;
use super::{ClosureChange, ClosurePackage, Finding, PlanOptions};
use crate::closure::{
    Closure, FREES_ROOM, ObservedSystem, Package, StorePath, WantedSystem, packages,
};
use crate::inventory::Platform;
use crate::observed::Observed;
use crate::rendered::Rendered;

/// The oldest Nix that copies closures by `ssh-ng` to and from every later one.
const OLDEST_NIX: (u32, u32) = (2, 8);
/// What a store must have left, in KiB: the profile's links, gc-roots and the database grow with it.
const STORE_MARGIN_KIB: u64 = 256 * 1024;
/// A kernel and an initrd that a boot loader copies, in KiB.
const BOOT_KIB: u64 = 96 * 1024;

/// A system's change, and why a reboot belongs to it.
#[derive(Default)]
pub(super) struct Made {
    pub(super) change: Option<ClosureChange>,
    pub(super) reboot: Vec<String>,
    pub(super) findings: Vec<Finding>,
}

/// Compares what is wanted with what runs and what the next boot starts.
pub(super) fn made(
    drivers: &KernelDrivers,
    rendered: &Rendered,
    observed: &Observed,
    options: PlanOptions,
) -> Made {
    let mut made = Made::default();
    let Some(wanted) = &rendered.closure else {
        return made;
    };
    if options.sandbox {
        made.findings.push(Finding::note(
            "sandbox",
            format!(
                "`{}` is not looked at: a sandbox has files only",
                wanted.toplevel
            ),
            None,
        ));
        return made;
    }
    // Another finding reports the missing answer.
    let Some(system) = &observed.system else {
        return made;
    };
    made.findings.extend(nix(rendered, system));
    let runs = system.current.as_ref() == Some(&wanted.toplevel);
    if runs && system.boots(&wanted.toplevel) {
        made.findings.extend(boot::waiting(system));
        return made;
    }
    let mut change = ClosureChange {
        before: system.current.clone(),
        after: wanted.clone(),
        packages: Vec::new(),
        bytes: None,
        units: std::collections::BTreeMap::new(),
    };
    match &system.wanted {
        None => made.findings.push(absent(rendered, wanted, options)),
        Some(there) => {
            made.reboot = boot::reasons(system, there);
            if runs {
                made.findings.push(Finding::note(
                    "closure",
                    format!(
                        "`{}` runs already; the next boot would start another system",
                        wanted.toplevel
                    ),
                    None,
                ));
            } else {
                compare(&mut change, &mut made, observed, system, there);
                let driver = driver(&change.packages, drivers);
                made.reboot.extend(driver);
            }
        }
    }
    let found = room(observed, system, &made.reboot);
    made.findings.extend(found);
    made.change = Some(change);
    made
}

/// Fills in what differs between two systems; the new one is on the host already.
fn compare(
    change: &mut ClosureChange,
    made: &mut Made,
    observed: &Observed,
    system: &ObservedSystem,
    there: &WantedSystem,
) {
    match observed.unanswered.get("closures") {
        None => {
            change.packages = difference(&system.closure, &there.closure);
            change.bytes = Some((total(&system.closure), total(&there.closure)));
        }
        Some(why) => made.findings.push(Finding::warn(
            "closure",
            format!("which packages change is not known: {why}"),
            None,
        )),
    }
    if change.after.platform == Platform::Nixos {
        if let Some(why) = observed.unanswered.get("inhibitors") {
            made.findings.push(Finding::warn(
                "inhibitor",
                format!("what forbids to switch while it runs is not known: {why}"),
                None,
            ));
        }
        made.findings
            .extend(rehearsal::inhibitors(&change.after, there));
        let (units, findings) = rehearsal::read(&change.after, there);
        change.units = units;
        made.findings.extend(findings);
    }
}

/// Something to copy to and to switch with.
fn nix(rendered: &Rendered, system: &ObservedSystem) -> Option<Finding> {
    let host = &rendered.host;
    let Some(version) = &system.nix_version else {
        return Some(Finding::refuse(
            "nix",
            format!("there is no Nix on `{host}`"),
            "install it there, or install the host from its image: `deployctl image`",
        ));
    };
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST_NIX => Some(Finding::refuse(
            "nix",
            format!("the Nix of `{host}` is {version}"),
            format!(
                "it must be {}.{} or newer: upgrade it there first",
                OLDEST_NIX.0, OLDEST_NIX.1
            ),
        )),
        (Some(_), Some(_)) => None,
        _ => Some(Finding::warn(
            "nix",
            format!("the Nix of `{host}` says that it is `{version}`, which is no version"),
            None,
        )),
    }
}

/// The wanted system is not in the host's store.
fn absent(rendered: &Rendered, wanted: &Closure, options: PlanOptions) -> Finding {
    let (host, toplevel) = (&rendered.host, &wanted.toplevel);
    if options.present {
        Finding::refuse(
            "closure",
            format!("`{toplevel}` is not in the store of `{host}`, or not all of it"),
            "it was collected as garbage; check out the commit that it was built from and `deployctl apply`",
        )
    } else {
        Finding::note(
            "closure",
            format!("the changes are known once `{toplevel}` is built and copied to `{host}`"),
            None,
        )
    }
}

/// Room in the store, and beside the boot loader for another kernel.
fn room(observed: &Observed, system: &ObservedSystem, reboot: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    match system.store_free_kib {
        Some(free) if free < STORE_MARGIN_KIB => findings.push(Finding::refuse(
            "disk",
            format!(
                "`/nix/store` has {} MiB free; {} MiB are needed",
                free / 1024,
                STORE_MARGIN_KIB / 1024
            ),
            FREES_ROOM,
        )),
        Some(_) => {}
        None => findings.push(Finding::refuse(
            "observe",
            "the host did not say how much room `/nix/store` has".to_owned(),
            "nothing is planned on a guess: try `df /nix/store` on the host",
        )),
    }
    if let Some(free) = observed.free_kib.get("/boot")
        && !reboot.is_empty()
        && *free < BOOT_KIB
    {
        findings.push(Finding::warn(
            "disk",
            format!(
                "`/boot` has {} MiB free, and gets another kernel or initrd",
                free / 1024
            ),
            Some(
                "where that is too little, the commit fails and everything is put back: remove old generations first"
                    .to_owned(),
            ),
        ));
    }
    findings
}

/// Sum of the sizes, in bytes.
fn total(closure: &BTreeMap<StorePath, u64>) -> u64 {
    closure
        .values()
        .fold(0, |sum, bytes| sum.saturating_add(*bytes))
}

/// By name, those whose versions differ. What was only built anew is not told: it would be everything.
fn difference(
    before: &BTreeMap<StorePath, u64>,
    after: &BTreeMap<StorePath, u64>,
) -> Vec<ClosurePackage> {
    let (before, after) = (packages(before), packages(after));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let none = Package::default();
    names
        .into_iter()
        .filter_map(|name| {
            let old = before.get(name).unwrap_or(&none);
            let new = after.get(name).unwrap_or(&none);
            (old.versions != new.versions).then(|| ClosurePackage {
                name: name.to_owned(),
                before: old.versions.difference(&new.versions).cloned().collect(),
                after: new.versions.difference(&old.versions).cloned().collect(),
                bytes: size_change(old.bytes, new.bytes),
            })
        })
        .collect()
}

fn size_change(before: u64, after: u64) -> i64 {
    let difference = i64::try_from(before.abs_diff(after)).unwrap_or(i64::MAX);
    if after >= before {
        difference
    } else {
        -difference
    }
}

/// The reason for a reboot that another driver gives: what runs is the loaded module.
fn driver(packages: &[ClosurePackage], drivers: &KernelDrivers) -> Option<String> {
    let change = packages.iter().find(|change| {
        drivers.nixos.contains(&change.name)
            && !change.before.is_empty()
            && !change.after.is_empty()
    })?;
    let list = |versions: &BTreeSet<String>| {
        versions
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Some(format!(
        "`{}` goes from `{}` to `{}`; the loaded driver stays until then",
        change.name,
        list(&change.before),
        list(&change.after)
    ))
}

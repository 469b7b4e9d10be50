//! Packages that come, go or change version between two closures.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ClosurePackage;
use super::super::target::KernelDrivers;
use crate::closure::{Package, StorePath, packages};

/// Sum of the sizes, in bytes.
pub(super) fn total(closure: &BTreeMap<StorePath, u64>) -> u64 {
    closure
        .values()
        .fold(0, |sum, bytes| sum.saturating_add(*bytes))
}

/// By name, those whose versions differ. What was only built anew is not told: it would be everything.
pub(super) fn difference(
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
                bytes: change(old.bytes, new.bytes),
            })
        })
        .collect()
}

fn change(before: u64, after: u64) -> i64 {
    let difference = i64::try_from(before.abs_diff(after)).unwrap_or(i64::MAX);
    if after >= before {
        difference
    } else {
        -difference
    }
}

/// The reason for a reboot that another driver gives: what runs is the loaded module.
pub(super) fn driver(packages: &[ClosurePackage], drivers: &KernelDrivers) -> Option<String> {
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

//! Which packages change. They go forward only, and none is removed but what is declared to be replaced.
//!
//! The order of versions, `[epoch:]upstream[-revision]`, is that of deb-version(7).

use std::cmp::Ordering;
use std::collections::BTreeSet;

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
            (Some(package), Some(version)) => match compare_versions(version, &package.version) {
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

/// Compares two versions as dpkg does.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a), (b_epoch, b)) = (epoch(a), epoch(b));
    let ((a_upstream, a_revision), (b_upstream, b_revision)) = (revision(a), revision(b));
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| compare_part(a_upstream.as_bytes(), b_upstream.as_bytes()))
        .then_with(|| compare_part(a_revision.as_bytes(), b_revision.as_bytes()))
}

fn epoch(version: &str) -> (u64, &str) {
    version
        .split_once(':')
        .and_then(|(epoch, rest)| Some((epoch.parse().ok()?, rest)))
        .unwrap_or((0, version))
}

fn revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Parts without digits and with digits in turn; the former by [`weight`], the latter by number.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (first, second) = (weight(a.first()), weight(b.first()));
            if first == 0 && second == 0 {
                break;
            }
            if first != second {
                return first.cmp(&second);
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (first, second) = (digits(&mut a), digits(&mut b));
        let order = first.len().cmp(&second.len()).then(first.cmp(second));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// `~` before the end, the end before letters, letters before the rest. Digits count as an end.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

/// Takes the leading number off, without its leading zeros.
fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().take_while(|&&b| b == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        let ascending = [
            "1.0~rc1-1",
            "1.0-1~bpo12",
            "1.0-1",
            "1.0-1ubuntu1",
            "1.0-2",
            "1.0-10",
            "1.0+cuda12.6-1",
            "1.0.1-1",
            "1.2",
            "1.10",
            "580.173.02-0ubuntu0.24.04.1",
            "1:0.1",
            "2:0.1~",
            "2:0.1",
        ];
        for (n, a) in ascending.iter().enumerate() {
            for (m, b) in ascending.iter().enumerate() {
                assert_eq!(compare_versions(a, b), n.cmp(&m), "{a} {b}");
            }
        }
        assert_eq!(compare_versions("1.0", "1.00"), Ordering::Equal);
        assert_eq!(compare_versions("0:1", "1"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn it_is_an_order_over_any_text(a in "[0-9a-z~+.:-]{0,12}", b in "[0-9a-z~+.:-]{0,12}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            prop_assert_eq!(compare_versions(&a, &a), Ordering::Equal);
        }
    }
}

//! What only a boot puts into effect: kernel, initrd, modules and command line.

use std::collections::BTreeMap;

use super::super::Finding;
use super::super::words::list;
use crate::closure::{ObservedSystem, StorePath, WantedSystem};

/// Why `there` is not all in effect before a reboot.
pub(super) fn reasons(system: &ObservedSystem, there: &WantedSystem) -> Vec<String> {
    let (booted, wanted) = (&system.booted, &there.boot);
    let differs = |what: &str| Some((booted.get(what)?, wanted.get(what)?)).filter(|(a, b)| a != b);
    let mut reasons = Vec::new();
    if let Some((old, new)) = differs("kernel") {
        let (old, new) = (package(old), package(new));
        reasons.push(if old == new {
            format!("the kernel `{new}` is another build; the old one runs until then")
        } else {
            format!("the kernel goes from `{old}` to `{new}`; the old one runs until then")
        });
    } else {
        // Both come with every other kernel.
        if differs("kernel-modules").is_some() {
            reasons.push("the kernel's modules differ; those loaded stay until then".to_owned());
        }
        if differs("initrd").is_some() {
            reasons.push("the initrd differs".to_owned());
        }
    }
    reasons.extend(command_line(booted, wanted));
    reasons
}

/// What already waits for a reboot where the wanted system runs.
pub(super) fn waiting(system: &ObservedSystem) -> Vec<Finding> {
    let reasons = system
        .wanted
        .as_ref()
        .map(|there| reasons(system, there))
        .unwrap_or_default();
    reasons
        .into_iter()
        .map(|reason| Finding::note("reboot", format!("a reboot is waited for: {reason}"), None))
        .collect()
}

fn command_line(
    booted: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Option<String> {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let old = words(booted.get("kernel-params")?);
    let new = words(wanted.get("kernel-params")?);
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|word| !those.contains(word))
            .cloned()
            .collect()
    };
    let (gets, loses) = (without(&new, &old), without(&old, &new));
    let parts: Vec<_> = [("gets", gets), ("loses", loses)]
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(verb, words)| format!("{verb} {}", list(&words)))
        .collect();
    (!parts.is_empty()).then(|| format!("the kernel command line {}", parts.join(" and ")))
}

/// The package that a file of the store belongs to, by its name.
fn package(file: &str) -> String {
    // The store's own directory, then the path's.
    let end = file
        .match_indices('/')
        .nth(3)
        .map_or(file.len(), |(at, _)| at);
    StorePath::new(&file[..end]).map_or_else(|_| file.to_owned(), |path| path.name().to_owned())
}

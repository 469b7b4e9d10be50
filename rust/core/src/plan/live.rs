//! Which live kernel settings and modules change.

use super::{Finding, SysctlChange};
use crate::name::{ModuleName, SysctlKey};
use crate::observed::{Observed, normalise};
use crate::rendered::Rendered;

/// Live settings that differ, and those to put back. A key that the kernel does not have is waited
/// for when this plan loads modules or installs something, and otherwise only reported: writing it
/// would fail, for ever.
pub(super) fn sysctls(
    rendered: &Rendered,
    observed: &Observed,
    may_appear: bool,
) -> (Vec<SysctlChange>, Vec<Finding>) {
    let mut changes = Vec::new();
    let mut findings = Vec::new();
    if observed.unanswered.contains_key("sysctls") {
        return (changes, findings);
    }
    for (key, want) in &rendered.sysctls {
        let value = normalise(&want.value);
        let before = observed.sysctls.get(key);
        if before.is_some_and(|before| normalise(before) == value) {
            continue;
        }
        if let Some(finding) = obstacle(key, observed, may_appear) {
            findings.push(finding);
            continue;
        }
        changes.push(SysctlChange {
            key: key.clone(),
            before: before.cloned(),
            after: Some(value),
        });
    }
    for key in observed.manifest.iter().flat_map(|m| m.sysctls.keys()) {
        if let Some(before) = observed.sysctls.get(key)
            && !rendered.sysctls.contains_key(key)
            // What cannot be written now was not written by us.
            && read_only(key, observed).is_none()
        {
            changes.push(SysctlChange {
                key: key.clone(),
                before: Some(before.clone()),
                after: None,
            });
        }
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    (changes, findings)
}

/// Why a setting cannot be written now.
fn obstacle(key: &SysctlKey, observed: &Observed, may_appear: bool) -> Option<Finding> {
    let missing = !observed.sysctls.contains_key(key);
    if missing
        && let Some(interface) = key.interface()
        && !observed.interfaces.contains(&interface)
    {
        return Some(waits_for_interface(key, &interface, observed.udev));
    }
    if missing && !may_appear {
        return Some(Finding::warn(
            "sysctl",
            format!("the running kernel has no `{key}`, so it stays unset"),
            Some("load the module that brings it, or remove it from the facts".to_owned()),
        ));
    }
    let point = read_only(key, observed)?;
    Some(Finding::refuse(
        "sysctl",
        format!("`{key}` cannot be set: `{point}` is mounted read-only there, as in a container"),
        "set it on the machine that runs the container, or take it out of the facts",
    ))
}

/// The read-only mount that holds the setting: containers are given such.
fn read_only(key: &SysctlKey, observed: &Observed) -> Option<String> {
    let path = format!("/proc/sys/{}", key.below_proc_sys());
    let point = observed.places.as_ref()?.read_only(&path)?;
    Some(point.to_owned())
}

/// udev runs systemd-sysctl for an interface that appears (99-systemd.rules).
fn waits_for_interface(key: &SysctlKey, interface: &str, udev: bool) -> Finding {
    let hint = if udev {
        format!("udev sets it when `{interface}` appears")
    } else {
        format!("udev does not run there: apply again once `{interface}` is there")
    };
    Finding::note(
        "sysctl",
        format!("`{key}` waits for the interface `{interface}`, which is not there"),
        Some(hint),
    )
}

/// Declared modules that are not loaded. None is ever unloaded.
pub(super) fn modules(rendered: &Rendered, observed: &Observed) -> Vec<ModuleName> {
    if observed.unanswered.contains_key("modules") {
        return Vec::new();
    }
    rendered
        .modules
        .keys()
        .filter(|module| !observed.modules.contains(*module))
        .cloned()
        .collect()
}

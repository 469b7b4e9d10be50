//! Why a reboot is needed before everything is in effect.

use std::collections::BTreeSet;

use super::{Finding, PackageAction, PackageChange, PathChange, PathTarget};
use crate::kernel::{LOCAL_VERSION, ON_HOST};
use crate::name::ManagedPath;
use crate::observed::Observed;
use crate::rendered::{Entry, FollowUp, Rendered};

/// The concern whose packages hold a kernel driver: what runs is the loaded module, whatever is installed.
pub(super) const DRIVER_CONCERN: &str = "nvidia";

/// Reasons that this plan brings.
pub(super) fn reasons(
    rendered: &Rendered,
    observed: &Observed,
    paths: &[PathChange],
    packages: &[PackageChange],
) -> Vec<String> {
    let mut reasons = Vec::new();
    for change in paths {
        let path = &change.path;
        if is_boot_loader_file(path) {
            reasons.extend(command_line(path, change, rendered, observed));
            continue;
        }
        let follow_ups = match &change.after {
            PathTarget::Entry { .. } => rendered.entries.get(path).map(|e| &e.follow_ups),
            PathTarget::Original => observed
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.follow_ups.get(path)),
        };
        if follow_ups.is_some_and(|f| f.contains(&FollowUp::Reboot)) {
            reasons.push(format!("`{path}` is read at boot"));
        } else if path.as_str().starts_with("/etc/modprobe.d/") {
            for module in options(&text(rendered, path)) {
                if observed
                    .modules
                    .iter()
                    .any(|m| m.as_str().replace('-', "_") == module.replace('-', "_"))
                {
                    reasons.push(format!(
                        "`{path}` changes options of the loaded module `{module}`"
                    ));
                }
            }
        }
    }
    for change in packages
        .iter()
        .filter(|c| c.action == PackageAction::Install)
    {
        let name = change.name.as_str();
        let driver = change
            .concern
            .as_ref()
            .is_some_and(|concern| concern.as_str() == DRIVER_CONCERN);
        if name.starts_with("linux-image-") {
            reasons.push(format!(
                "`{name}` is a kernel; `{}` runs until then",
                observed.kernel
            ));
        } else if let (true, Some(before)) = (driver, &change.before) {
            reasons.push(format!(
                "`{name}` goes from `{before}` to `{}`; the loaded driver stays until then",
                change.after.as_deref().unwrap_or("what the archive offers")
            ));
        }
    }
    reasons
}

/// What already waits for a reboot, whatever this plan does.
pub(super) fn waiting(
    rendered: &Rendered,
    observed: &Observed,
    paths: &[PathChange],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(own_kernel(rendered, observed));
    if observed.reboot_required {
        findings.push(Finding::note(
            "reboot",
            "the host itself asks for a reboot (`/run/reboot-required`)".to_owned(),
            None,
        ));
    }
    for path in rendered.entries.keys().filter(|p| is_boot_loader_file(p)) {
        if paths.iter().any(|change| change.path == *path) {
            continue;
        }
        let missing = missing(&text(rendered, path), &observed.command_line);
        if !missing.is_empty() {
            findings.push(Finding::note(
                "reboot",
                format!(
                    "{} of `{path}` {} for a reboot",
                    list(&missing),
                    if missing.len() == 1 { "waits" } else { "wait" }
                ),
                None,
            ));
        }
    }
    findings
}

/// A kernel that is built from the facts comes by no apply: somebody has to build, install and boot it.
fn own_kernel(rendered: &Rendered, observed: &Observed) -> Option<Finding> {
    let wanted = rendered.entries.keys().any(|path| path.as_str() == ON_HOST);
    let running = &observed.kernel;
    if !wanted || running.is_empty() || running.ends_with(LOCAL_VERSION) {
        return None;
    }
    let host = &rendered.host;
    Some(Finding::warn(
        "kernel",
        format!(
            "`{running}` runs; the facts ask for a kernel of their own, `…{LOCAL_VERSION}`, and an apply does not bring it"
        ),
        Some(format!(
            "`deployctl kernel build {host} --source …` makes its packages; on the host: `apt-get install ./linux-image-*{LOCAL_VERSION}_*.deb ./linux-headers-*{LOCAL_VERSION}_*.deb`, then boot it"
        )),
    ))
}

fn is_boot_loader_file(path: &ManagedPath) -> bool {
    path.as_str().starts_with("/etc/default/grub.d/")
}

/// The reason that a changed command line gives: what is not in effect, or still is.
fn command_line(
    path: &ManagedPath,
    change: &PathChange,
    rendered: &Rendered,
    observed: &Observed,
) -> Option<String> {
    let text = text(rendered, path);
    if change.after == PathTarget::Original {
        return Some(format!("the kernel command line loses what `{path}` added"));
    }
    let missing = missing(&text, &observed.command_line);
    if !missing.is_empty() {
        return Some(format!("the kernel command line gets {}", list(&missing)));
    }
    let now: BTreeSet<_> = parameters(&text).into_iter().collect();
    let dropped: Vec<_> = observed
        .contents
        .get(path)
        .map(|before| parameters(before))
        .unwrap_or_default()
        .into_iter()
        .filter(|p| !now.contains(p))
        .filter(|p| observed.command_line.split_whitespace().any(|w| w == p))
        .collect();
    (!dropped.is_empty()).then(|| format!("the kernel command line loses {}", list(&dropped)))
}

fn text(rendered: &Rendered, path: &ManagedPath) -> String {
    match rendered.entries.get(path).map(|managed| &managed.entry) {
        Some(Entry::File { content, .. }) => content.clone(),
        _ => String::new(),
    }
}

fn missing(text: &str, command_line: &str) -> Vec<String> {
    let in_effect: BTreeSet<_> = command_line.split_whitespace().collect();
    parameters(text)
        .into_iter()
        .filter(|parameter| !in_effect.contains(parameter.as_str()))
        .collect()
}

/// Words of `GRUB_CMDLINE_LINUX…="…"` assignments, without references to the variable's old value.
fn parameters(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("GRUB_CMDLINE_LINUX"))
        .filter_map(|rest| rest.split_once('='))
        .flat_map(|(_, value)| {
            value
                .split([' ', '"', '\''])
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|word| !word.is_empty() && !word.starts_with('$'))
        .collect()
}

/// Modules of `options MODULE …` lines.
fn options(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("options "))
        .filter_map(|rest| rest.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The first three words, quoted, and how many more.
pub(super) fn list(words: &[String]) -> String {
    let shown: Vec<_> = words.iter().take(3).map(|w| format!("`{w}`")).collect();
    match words.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

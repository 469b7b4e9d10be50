//! Why a reboot is needed before everything is in effect; and interfaces to which it gives the name by which their
//! addresses are declared.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::target::KernelDrivers;
use super::words::list;
use super::{Finding, PackageAction, PathChange, PathTarget, Plan, overruled};
use crate::kernel::{LOCAL_VERSION, ON_HOST};
use crate::name::{ManagedPath, PackageName};
use crate::observed::Observed;
use crate::rendered::{Entry, FollowUp, Ownership, PathState, Rendered};

/// How the host writes down that a path was not there.
const ABSENT: &str = "a - - - -";

/// Why a reboot is needed before all of a plan is in effect. Written as its words alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RebootReason {
    /// What is not in effect before.
    pub words: String,
    /// The path whose change is the reason: with the path as it was at boot, the reason is gone. `None` where something
    /// else is, and after reading a saved plan.
    pub path: Option<ManagedPath>,
}

impl RebootReason {
    fn of(path: &ManagedPath, words: String) -> Self {
        let path = Some(path.clone());
        Self { words, path }
    }
}

impl From<String> for RebootReason {
    fn from(words: String) -> Self {
        Self { words, path: None }
    }
}

impl From<RebootReason> for String {
    fn from(reason: RebootReason) -> Self {
        reason.words
    }
}

/// Reasons that this plan adds.
pub(super) fn reasons(
    plan: &Plan,
    drivers: &KernelDrivers,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<RebootReason> {
    let mut reasons = Vec::new();
    for change in &plan.paths {
        let path = &change.path;
        if is_boot_loader_file(path) {
            let words = command_line(change, plan, rendered, observed);
            reasons.extend(words.map(|words| RebootReason::of(path, words)));
            continue;
        }
        let follow_ups = match &change.after {
            PathTarget::Entry { .. } => rendered.entries.get(path).map(|e| &e.follow_ups),
            PathTarget::Original => observed
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.follow_ups.get(path)),
        };
        if as_at_boot(change, observed) {
            continue;
        }
        if follow_ups.is_some_and(|f| f.contains(&FollowUp::Reboot)) {
            reasons.push(RebootReason::of(path, format!("`{path}` is read at boot")));
        } else if path.as_str().starts_with("/etc/modprobe.d/") {
            for module in options(&text(rendered, path)) {
                if observed
                    .modules
                    .iter()
                    .any(|m| m.as_str().replace('-', "_") == module.replace('-', "_"))
                {
                    let words = format!("`{path}` changes options of the loaded module `{module}`");
                    reasons.push(RebootReason::of(path, words));
                }
            }
        }
    }
    for change in plan
        .packages
        .iter()
        .filter(|c| c.action == PackageAction::Install)
    {
        let name = change.name.as_str();
        let driver = drivers.has(change);
        if name.starts_with("linux-image-") {
            reasons.push(RebootReason::from(format!(
                "`{name}` is a kernel; `{}` runs until then",
                observed.kernel
            )));
        } else if let (true, Some(before)) = (driver, &change.before) {
            reasons.push(RebootReason::from(format!(
                "`{name}` goes from `{before}` to `{}`; the loaded driver stays until then",
                change.after.as_deref().unwrap_or("what the archive offers")
            )));
        }
    }
    reasons
}

/// Whether the path waits for a reboot, and this change takes it back to what it was at boot.
fn as_at_boot(change: &PathChange, observed: &Observed) -> bool {
    let Some(found) = observed.at_boot.get(&change.path) else {
        return false;
    };
    let owned = |kind: &str, hash: &str, ownership: &Ownership| {
        let of_root = ownership.owner.as_str() == "root" && ownership.group.as_str() == "root";
        let mode = ownership.mode.to_string();
        of_root.then(|| format!("{kind} {hash} {} 0 0", mode.trim_start_matches('0')))
    };
    let after = match &change.after {
        PathTarget::Entry { state } => match state {
            PathState::File { sha256, ownership } => owned("f", sha256.as_str(), ownership),
            PathState::Directory { ownership } => owned("d", "-", ownership),
            PathState::Symlink { target } => Some(format!("l - - - - {target}")),
            PathState::Absent => Some(ABSENT.to_owned()),
            PathState::Other { .. } => None,
        },
        // What else stood there before deployctl is not known here.
        PathTarget::Original => {
            let places = observed.places.as_ref();
            let nothing = places.is_some_and(|places| !places.originals.contains(&change.path));
            nothing.then(|| ABSENT.to_owned())
        }
    };
    after.as_ref() == Some(found)
}

/// What already waits for a reboot, independently of this plan.
pub(super) fn waiting(plan: &Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
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
        if plan.paths.iter().any(|change| change.path == *path) {
            continue;
        }
        let mut missing = missing(&text(rendered, path), &observed.command_line);
        // The plan reports these as overruled: no reboot sets them.
        let lost = lost(path, plan, rendered, observed);
        missing.retain(|parameter| !lost.contains(parameter));
        let (pending, absent): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|parameter| has(&observed.next_command_line, parameter));
        if !pending.is_empty() {
            let waits = if pending.len() == 1 { "waits" } else { "wait" };
            findings.push(Finding::note(
                "reboot",
                format!("{} of `{path}` {waits} for a reboot", list(&pending)),
                None,
            ));
        }
        if !absent.is_empty() {
            findings.push(not_in_boot_loader(path, &absent, observed));
        }
    }
    findings
}

/// What neither the running kernel nor the next one has.
fn not_in_boot_loader(path: &ManagedPath, absent: &[String], observed: &Observed) -> Finding {
    let is = if absent.len() == 1 { "is" } else { "are" };
    let absent = list(absent);
    let (where_not, hint) = if observed.next_command_line.is_empty() {
        (
            "there is no `/boot/grub/grub.cfg` that would bring it at the next boot",
            "set it where this host's boot loader reads it",
        )
    } else {
        (
            "`/boot/grub/grub.cfg` does not have it either: no reboot brings it",
            "`update-grub` on the host",
        )
    };
    Finding::warn(
        "reboot",
        format!("{absent} of `{path}` {is} not in effect, and {where_not}"),
        Some(hint.to_owned()),
    )
}

/// Parameters of the file at `path` that other files take off the command line.
fn lost(
    path: &ManagedPath,
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
) -> BTreeSet<String> {
    let files = overruled::after(plan, rendered, observed);
    let found = overruled::overruled(path.as_str(), &files, rendered);
    found.into_iter().map(|found| found.ours.key).collect()
}

fn has(command_line: &str, parameter: &str) -> bool {
    command_line
        .split_whitespace()
        .any(|word| word == parameter)
}

/// A kernel that is built from the facts: a person has to build and boot it, and an apply installs it only where its packages
/// are declared.
fn own_kernel(rendered: &Rendered, observed: &Observed) -> Option<Finding> {
    let wanted = rendered.entries.keys().any(|path| path.as_str() == ON_HOST);
    let running = &observed.kernel;
    if !wanted || running.is_empty() || running.ends_with(LOCAL_VERSION) {
        return None;
    }
    let host = &rendered.host;
    let image = |name: &&PackageName| {
        name.as_str().starts_with("linux-image-") && name.as_str().ends_with(LOCAL_VERSION)
    };
    if let Some(image) = rendered.packages.keys().find(image) {
        let known = observed.packages.get(image);
        return known.filter(|package| package.installed).map(|_| {
            Finding::note(
                "kernel",
                format!(
                    "`{running}` runs, and `{image}` is installed: it runs only after a reboot"
                ),
                None,
            )
        });
    }
    Some(Finding::warn(
        "kernel",
        format!(
            "`{running}` runs; the facts ask for a kernel of their own, `…{LOCAL_VERSION}`, and declare no package of it"
        ),
        Some(format!(
            "`deployctl kernel build {host} --source …` makes its packages and a `packages.json` to declare them with; then apply, and boot it"
        )),
    ))
}

fn is_boot_loader_file(path: &ManagedPath) -> bool {
    path.as_str().starts_with("/etc/default/grub.d/")
}

/// The reason that a changed command line gives: what a reboot adds or removes.
fn command_line(
    change: &PathChange,
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
) -> Option<String> {
    let path = &change.path;
    let before = observed.contents.get(path).cloned().unwrap_or_else(|| {
        let lines = observed.config.lines(path.as_str());
        lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    });
    let text = text(rendered, path);
    if change.after == PathTarget::Original && before.is_empty() {
        return Some(format!("the kernel command line loses what `{path}` added"));
    }
    let mut missing = missing(&text, &observed.command_line);
    if change.after != PathTarget::Original {
        let lost = lost(path, plan, rendered, observed);
        missing.retain(|parameter| !lost.contains(parameter));
        if !missing.is_empty() {
            return Some(format!("the kernel command line gets {}", list(&missing)));
        }
    }
    let stays: BTreeSet<_> = match change.after {
        PathTarget::Original => BTreeSet::new(),
        PathTarget::Entry { .. } => parameters(&text).into_iter().collect(),
    };
    let dropped: Vec<_> = parameters(&before)
        .into_iter()
        .filter(|parameter| !stays.contains(parameter))
        .filter(|parameter| has(&observed.command_line, parameter))
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

/// One note for each name that a changed `.link` file gives and no interface has yet: what is declared for that
/// name is in effect on none until the reboot, also where it was in effect under another name before.
pub(super) fn renamed_interfaces(
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
    addresses: &[String],
) -> Vec<Finding> {
    // A host without an answer was not asked.
    if observed.interfaces.is_empty() {
        return Vec::new();
    }
    let changed = plan.paths.iter().filter(|change| {
        let ending = change.path.as_str().rsplit_once('.');
        matches!(change.after, PathTarget::Entry { .. })
            && ending.is_some_and(|(_, ending)| ending == "link")
    });
    let names = changed.filter_map(|change| {
        let text = text_of(&rendered.entries.get(&change.path)?.entry)?;
        text.lines().find_map(|line| line.strip_prefix("Name="))
    });
    names
        .filter(|name| !observed.interfaces.contains(*name))
        .filter_map(|name| {
            let of_it = declared_in(rendered, name, addresses);
            if of_it.is_empty() {
                return None;
            }
            let (is, they) = if of_it.len() == 1 {
                ("is", "it")
            } else {
                ("are", "they")
            };
            Some(Finding::warn(
                "network",
                format!(
                    "no interface is called `{name}` before the reboot: {} {is} away until then",
                    list(&of_it)
                ),
                Some(format!(
                    "where {they} must not be, reboot right after the apply"
                )),
            ))
        })
        .collect()
}

/// Those of `addresses` that a file puts on the interface `name`.
fn declared_in(rendered: &Rendered, name: &str, addresses: &[String]) -> Vec<String> {
    let (networkd, netplan) = (format!("Name={name}"), format!("set-name: \"{name}\""));
    let texts: Vec<&str> = rendered
        .entries
        .values()
        .filter_map(|managed| text_of(&managed.entry))
        .filter(|text| {
            let mut lines = text.lines().map(str::trim);
            lines.any(|line| line == networkd || line == netplan)
        })
        .collect();
    let mut found = addresses.to_vec();
    found.retain(|address| {
        let words = texts.iter().flat_map(|text| text.split(['=', '"', '\n']));
        words.into_iter().any(|word| word == address)
    });
    found
}

fn text_of(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::File { content, .. } => Some(content),
        _ => None,
    }
}

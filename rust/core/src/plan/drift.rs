//! What was changed on the host behind our back: observed against what was last committed. Where the declared state has
//! caught up with the host, only the record changes.

use super::{Drift, LiveChange, Plan};
use crate::observed::{Observed, normalise};
use crate::precedence;
use crate::rendered::{Manifest, Ownership, PathState, Rendered};

/// Differences between the committed manifest and what is there.
pub(super) fn drift(observed: &Observed) -> Vec<Drift> {
    let Some(manifest) = &observed.manifest else {
        return Vec::new();
    };
    let mut drift = system(observed, manifest);
    paths(observed, manifest, &mut drift);
    sysctls(observed, manifest, &mut drift);
    if !observed.unanswered.contains_key("packages") {
        packages(observed, manifest, &mut drift);
    }
    units(observed, manifest, &mut drift);
    drift
}

fn paths(observed: &Observed, manifest: &Manifest, drift: &mut Vec<Drift>) {
    for (path, committed) in &manifest.paths {
        if let Some(found) = observed.paths.get(path)
            && found != committed
        {
            let (committed, found) = difference(committed, found);
            drift.push(Drift {
                subject: path.to_string(),
                committed,
                found,
            });
        }
    }
    let lists = observed.places.iter().flat_map(|places| &places.lists);
    for path in lists.filter(|path| manifest.paths.keys().any(|ours| ours.as_str() == *path)) {
        drift.push(Drift {
            subject: path.clone(),
            committed: "open as its mode says".to_owned(),
            found: format!(
                "an access control list (`getfacl {path}`; `setfacl -b {path}` removes it)"
            ),
        });
    }
}

fn sysctls(observed: &Observed, manifest: &Manifest, drift: &mut Vec<Drift>) {
    for (key, committed) in &manifest.sysctls {
        if let Some(found) = observed.sysctls.get(key)
            && normalise(found) != normalise(committed)
        {
            // The file still has the committed value, so the live value was changed since.
            let at_boot = precedence::sysctl_at_boot(&observed.config, key.as_str());
            let written = at_boot.filter(|setting| setting.value == normalise(committed));
            let found = match written {
                Some(setting) => format!(
                    "{}, which `{}` does not say: a program wrote it",
                    normalise(found),
                    setting.place
                ),
                None => normalise(found),
            };
            drift.push(Drift {
                subject: key.to_string(),
                committed: normalise(committed),
                found,
            });
        }
    }
}

fn units(observed: &Observed, manifest: &Manifest, drift: &mut Vec<Drift>) {
    for (unit, want) in &manifest.units {
        let Some(state) = observed.units.get(unit) else {
            continue;
        };
        let active = state.is_active();
        if want.running.is_some_and(|running| running != active) && !state.passed_over {
            drift.push(Drift {
                subject: unit.to_string(),
                committed: if active { "not running" } else { "running" }.to_owned(),
                found: state.active.clone(),
            });
        }
        let enabled = state.file == "enabled";
        if matches!(state.file.as_str(), "enabled" | "disabled" | "masked")
            && want.enabled.is_some_and(|wanted| wanted != enabled)
        {
            drift.push(Drift {
                subject: unit.to_string(),
                committed: if enabled { "disabled" } else { "enabled" }.to_owned(),
                found: state.file.clone(),
            });
        }
    }
}

/// Another system than the committed one, running or at the next boot.
fn system(observed: &Observed, manifest: &Manifest) -> Vec<Drift> {
    let (Some(system), Some(committed)) = (&observed.system, &manifest.closure) else {
        return Vec::new();
    };
    let mut found = vec![
        ("/run/current-system", &system.current),
        ("/nix/var/nix/profiles/system", &system.profile),
    ];
    // Not every boot loader tells.
    if system.boot_default.is_some() {
        found.push(("the boot loader starts", &system.boot_default));
    }
    found.retain(|(_, found)| found.as_ref() != Some(&committed.toplevel));
    found
        .into_iter()
        .map(|(subject, found)| Drift {
            subject: subject.to_owned(),
            committed: committed.toplevel.to_string(),
            found: found
                .as_ref()
                .map_or_else(|| "no system".to_owned(), ToString::to_string),
        })
        .collect()
}

fn packages(observed: &Observed, manifest: &Manifest, drift: &mut Vec<Drift>) {
    for (name, want) in &manifest.packages {
        let installed = observed.packages.get(name).filter(|p| p.installed);
        let found = installed.map_or("not installed", |package| package.version.as_str());
        let as_committed = match (&want.version, installed) {
            (Some(version), Some(package)) => *version == package.version,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if !as_committed {
            drift.push(Drift {
                subject: name.to_string(),
                committed: want
                    .version
                    .clone()
                    .unwrap_or_else(|| "installed".to_owned()),
                found: found.to_owned(),
            });
        }
        if let Some(package) = installed
            && want.hold
            && !package.held
        {
            drift.push(Drift {
                subject: name.to_string(),
                committed: "held".to_owned(),
                found: "not held".to_owned(),
            });
        }
    }
}

/// Both sides in words, of what differs alone.
fn difference(committed: &PathState, found: &PathState) -> (String, String) {
    match (committed, found) {
        (
            PathState::File {
                sha256: a,
                ownership: old,
            },
            PathState::File {
                sha256: b,
                ownership: new,
            },
        ) => {
            let mut sides = owners(old, new);
            if a != b {
                sides.0.insert(0, format!("content {}", a.short()));
                sides.1.insert(0, format!("content {}", b.short()));
            }
            (sides.0.join(", "), sides.1.join(", "))
        }
        (PathState::Directory { ownership: old }, PathState::Directory { ownership: new }) => {
            let sides = owners(old, new);
            (sides.0.join(", "), sides.1.join(", "))
        }
        (committed, found) => (committed.to_string(), found.to_string()),
    }
}

fn owners(old: &Ownership, new: &Ownership) -> (Vec<String>, Vec<String>) {
    let mut sides = (Vec::new(), Vec::new());
    if old.mode != new.mode {
        sides.0.push(format!("mode {}", old.mode));
        sides.1.push(format!("mode {}", new.mode));
    }
    if (&old.owner, &old.group) != (&new.owner, &new.group) {
        sides.0.push(format!("owner {}:{}", old.owner, old.group));
        sides.1.push(format!("owner {}:{}", new.owner, new.group));
    }
    sides
}

/// The change of the record alone: there is nothing else to change, and what was changed on the host is
/// what is declared now. Without it, it would be told as changed for ever.
pub(super) fn change_of_record(
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
) -> Option<LiveChange> {
    if !plan.is_empty() || plan.drift.is_empty() {
        return None;
    }
    let committed = Observed {
        manifest: Some(rendered.manifest()),
        ..observed.clone()
    };
    drift(&committed).is_empty().then(|| LiveChange {
        subject: format!("the record of generation {}", plan.base_generation),
        found: "says otherwise than the facts and the host, which agree".to_owned(),
        lines: Vec::new(),
        follow_up: None,
    })
}

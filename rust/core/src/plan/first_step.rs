//! The first step of an apply to a host that lacks what staging needs: everything but the artifacts that wait for it.
//!
//! A new host has no token, no interpreter and no disk for models until an apply brings them, and that apply could not stage
//! before it. So it goes in two steps, each a generation of its own: one without those artifacts, and then all of it.

use std::collections::BTreeSet;

use super::{ArtifactChange, PackageAction, Plan, PlanOptions, Target, UnitAction, plan};
use crate::artifact::{Artifact, Need};
use crate::name::{ConcernName, ManagedPath};
use crate::observed::Observed;
use crate::render::mount_unit;
use crate::rendered::{Entry, Rendered, UnitWant};

/// A first step, and what it leaves out.
#[derive(Debug, Clone)]
pub struct FirstStep {
    /// What the host should hold after it.
    pub rendered: Rendered,
    /// How it becomes that.
    pub plan: Plan,
    /// Concerns whose checks say nothing before the second step: those of the artifacts, and of the units that read them.
    pub later: BTreeSet<ConcernName>,
}

/// Notes on each artifact of `plan` what it waits for, if the rest of the plan brings all of that.
pub(super) fn awaited(plan: &mut Plan, rendered: &Rendered, observed: &Observed) {
    let mut artifacts = std::mem::take(&mut plan.artifacts);
    for change in artifacts.iter_mut().filter(|change| !change.staged) {
        let Some(artifact) = rendered.artifacts.get(&change.base) else {
            continue;
        };
        let lacking = observed.lacking.get(&change.base).cloned();
        let lacking = lacking.unwrap_or_default();
        // Where the token itself is not there, that says it all.
        let secret = |need: &Need| matches!(need, Need::Secret(_));
        let renewed = !lacking.iter().any(secret);
        let changed = artifact.after.iter();
        let changed = changed.filter(|path| renewed && changes(plan, path));
        let changed = changed.cloned().map(Need::Changed);
        if lacking.iter().all(|need| brings(plan, rendered, need))
            && can_wait(plan, rendered, observed, change)
        {
            change.awaits = lacking.iter().cloned().chain(changed).collect();
        }
    }
    plan.artifacts = artifacts;
}

fn changes(plan: &Plan, path: &ManagedPath) -> bool {
    plan.paths.iter().any(|change| change.path == *path)
}

/// Whether the host can go on with the release that it has, or with none, while all else changes. Units that read it must not
/// get another configuration before they get what that is for.
fn can_wait(
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
    change: &ArtifactChange,
) -> bool {
    // Units of a system of Nix are started by its switch, and the second step would have none.
    if rendered.closure.is_some() {
        return false;
    }
    if change.before.is_none() {
        return true;
    }
    let Ok(link) = Artifact::link(&change.base) else {
        return false;
    };
    let committed = observed.manifest.as_ref();
    let committed = committed.and_then(|manifest| manifest.paths.get(&link));
    let readers = rendered.units.values();
    let mut readers = readers.filter(|unit| unit.watch.contains(&link));
    let reconfigured = |unit: &UnitWant| {
        let mut others = unit.watch.iter().filter(|path| **path != link);
        others.any(|path| changes(plan, path))
    };
    committed == observed.paths.get(&link) && !readers.any(reconfigured)
}

/// Whether `plan` may bring what is needed. Which package has a program is not known before it is there.
fn brings(plan: &Plan, rendered: &Rendered, need: &Need) -> bool {
    match need {
        Need::Secret(path) | Need::Changed(path) => {
            changes(plan, path) && rendered.entries.contains_key(path)
        }
        Need::Installed(_) => {
            let mut packages = plan.packages.iter();
            packages.any(|change| change.action == PackageAction::Install)
        }
        Need::Mounted(mount) => mount_unit(mount).is_ok_and(|unit| {
            let starts =
                |action: &UnitAction| matches!(action, UnitAction::Start | UnitAction::Restart);
            let mut units = plan
                .units
                .iter()
                .filter(|change| change.unit.as_str() == unit);
            units.any(|change| change.actions.iter().any(starts))
        }),
    }
}

/// The first step towards `rendered` where `whole`, the plan for it, has artifacts that wait; `None` where none does.
///
/// Their links stay as they are. Units that watch one are not started where there is none. `observed` and `options` are those
/// of `whole`.
pub fn first_step(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    options: PlanOptions,
    whole: &Plan,
) -> Option<FirstStep> {
    let waiting = whole.artifacts.iter();
    let waiting = waiting.filter(|change| !change.awaits.is_empty());
    let mut before = rendered.clone();
    let mut later = BTreeSet::new();
    for change in waiting {
        later.insert(change.concern.clone());
        before.artifacts.remove(&change.base);
        let Ok(link) = Artifact::link(&change.base) else {
            continue;
        };
        if let Some(digest) = &change.before {
            if let Some(managed) = before.entries.get_mut(&link) {
                let target = Artifact::target_of(digest);
                managed.entry = Entry::Symlink { target };
            }
            continue;
        }
        before.entries.remove(&link);
        let units = before.units.values_mut();
        for unit in units.filter(|unit| unit.watch.contains(&link)) {
            unit.running = unit.running.filter(|runs| !runs);
            later.insert(unit.concern.clone());
        }
    }
    if later.is_empty() {
        return None;
    }
    let plan = plan(target, &before, observed, options);
    Some(FirstStep {
        rendered: before,
        plan,
        later,
    })
}

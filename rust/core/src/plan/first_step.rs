//! The first step of an apply to a host that lacks what staging needs: everything but the artifacts that wait for it.
//!
//! A new host has no token, no interpreter and no disk for models until an apply brings them, and that apply could not stage
//! before it. So it goes in two steps, each a generation of its own: one without those artifacts, and then all of it.

use std::collections::BTreeSet;

use super::units::changed_for;
use super::{ArtifactChange, Finding, PackageAction, Plan, PlanOptions, Target, UnitAction, plan};
use crate::artifact::{Artifact, Need};
use crate::name::{ConcernName, ManagedPath, UnitName};
use crate::observed::Observed;
use crate::render::mount_unit;
use crate::rendered::{Entry, OnChange, PathState, Rendered, UnitWant};

/// A first step, and what it leaves out.
#[derive(Debug, Clone)]
pub struct FirstStep {
    /// What the host should hold after it.
    pub rendered: Rendered,
    /// How it becomes that.
    pub plan: Plan,
    /// What checks found amiss before, those of these concerns may still find before the second step.
    pub later: Later,
}

/// Concerns that need the artifacts of a second step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// Those of the artifacts, and of the units that watch them.
    Of(BTreeSet<ConcernName>),
    /// It may be any of them: which units of a system of Nix read an artifact is not known.
    Any,
}

impl Later {
    /// Whether `concern` is one of them.
    pub fn contains(&self, concern: &ConcernName) -> bool {
        match self {
            Self::Of(concerns) => concerns.contains(concern),
            Self::Any => true,
        }
    }
}

/// What `second` changes and `shown` does not, the plan of both steps that a person has agreed to.
pub fn not_shown(shown: &Plan, second: &Plan) -> Vec<String> {
    let shown = subjects(shown);
    let changes = subjects(second).into_iter();
    changes.filter(|it| !shown.contains(it)).collect()
}

/// What a plan changes, by name.
fn subjects(plan: &Plan) -> BTreeSet<String> {
    let paths = plan.paths.iter().map(|it| format!("`{}`", it.path));
    let packages = plan.packages.iter();
    let packages = packages.map(|it| format!("package `{}`", it.name));
    let units = plan.units.iter().map(|it| format!("`{}`", it.unit));
    let sysctls = plan.sysctls.iter().map(|it| format!("`{}`", it.key));
    let modules = plan.modules.iter().map(|it| format!("module `{it}`"));
    let live = plan.live.iter().map(|it| it.subject.clone());
    let system = plan.closure.iter().map(|_| "the system".to_owned());
    let files = paths.chain(packages).chain(units);
    let running = sysctls.chain(modules).chain(live).chain(system);
    files.chain(running).collect()
}

/// Notes on each artifact of `plan` what it waits for, if the rest of the plan brings all of that. Refuses where the rest of the
/// plan would bring it, but must not come before the artifact.
pub(super) fn awaited(plan: &mut Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut artifacts = std::mem::take(&mut plan.artifacts);
    for change in artifacts.iter_mut().filter(|change| !change.staged) {
        let Some(artifact) = rendered.artifacts.get(&change.base) else {
            continue;
        };
        let lacking = observed.lacking.get(&change.base).cloned();
        let mut lacking = lacking.unwrap_or_default();
        lacking.extend(mounts_above(plan, &change.base));
        // Where the token itself is not there, that says it all.
        let secret = |need: &Need| matches!(need, Need::Secret(_));
        let renewed = !lacking.iter().any(secret);
        let after = artifact.after.iter().filter(|_| renewed);
        let changed = after.cloned().map(Need::Changed);
        let changed = changed.filter(|need| brings(plan, rendered, need));
        let needs: BTreeSet<Need> = lacking.iter().cloned().chain(changed).collect();
        if needs.is_empty() || !lacking.iter().all(|need| brings(plan, rendered, need)) {
            continue;
        }
        match obstacle(plan, rendered, observed, change) {
            None => change.awaits = needs,
            // It can be staged with the token that is there.
            Some(_) if lacking.is_empty() => {}
            Some(why) => findings.push(stuck(change, &lacking, &why)),
        }
    }
    plan.artifacts = artifacts;
    findings
}

/// What staging needs comes by this plan, and the plan cannot go before it.
fn stuck(change: &ArtifactChange, lacking: &BTreeSet<Need>, why: &str) -> Finding {
    let ArtifactChange { kind, name, .. } = change;
    let needs: Vec<String> = lacking.iter().map(ToString::to_string).collect();
    let needs = needs.join(", ");
    Finding::refuse(
        "artifact",
        format!("{kind} `{name}` needs {needs} before it is staged, and {why}"),
        format!("apply what brings {needs} first, without the rest"),
    )
}

fn changes(plan: &Plan, path: &ManagedPath) -> bool {
    plan.paths.iter().any(|change| change.path == *path)
}

/// Why the host cannot go on with the release that it has, or with none, while all else changes. Units that read it must not
/// get another configuration before they get what that is for.
fn obstacle(
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
    change: &ArtifactChange,
) -> Option<String> {
    // They would read the former release, and the second step has no switch that starts them anew.
    if rendered.closure.is_some() && change.before.is_some() {
        return Some("the units of a system start anew with its switch".to_owned());
    }
    let link = Artifact::link(&change.base).ok()?;
    let found = observed.paths.get(&link);
    let committed = observed.manifest.as_ref();
    let committed = committed.and_then(|manifest| manifest.paths.get(&link));
    // A step without the artifact would take away what was put there by hand.
    let by_hand = match (&change.before, committed) {
        (None, None) => false,
        (None, Some(_)) => found != Some(&PathState::Absent) && found != committed,
        (Some(_), committed) => found != committed,
    };
    if by_hand {
        return Some(format!("`{link}` is not as it was last committed"));
    }
    let readers = rendered.units.iter();
    let mut readers = readers.filter(|(_, want)| want.watch.contains(&link));
    let (unit, _) = readers.find(|(unit, want)| {
        let mut changed = changed_for(unit, want, observed, &plan.paths);
        changed.remove(&link);
        !changed.is_empty() && is_touched(unit, want, observed, change)
    })?;
    Some(format!(
        "`{unit}` would get another configuration before that"
    ))
}

/// Whether a first step would start or restart a reader whose files change.
fn is_touched(
    unit: &UnitName,
    want: &UnitWant,
    observed: &Observed,
    change: &ArtifactChange,
) -> bool {
    if is_active(unit, observed) {
        want.on_change != OnChange::Nothing || want.running == Some(false)
    } else {
        // Without any release, it is not started.
        change.before.is_some() && want.running == Some(true)
    }
}

fn is_active(unit: &UnitName, observed: &Observed) -> bool {
    let state = observed.units.get(unit);
    state.is_some_and(crate::observed::ObservedUnit::is_active)
}

/// Mount points at or above `base` that `plan` mounts: what is put there before is hidden below them.
fn mounts_above(plan: &Plan, base: &ManagedPath) -> BTreeSet<Need> {
    let base = base.as_str();
    let parents = base.rmatch_indices('/').map(|(at, _)| &base[..at]);
    let places = std::iter::once(base).chain(parents);
    let mounted = places.filter(|place| mounts(plan, place, &[UnitAction::Start]));
    mounted
        .map(|place| Need::Mounted(place.to_owned()))
        .collect()
}

fn mounts(plan: &Plan, place: &str, actions: &[UnitAction]) -> bool {
    mount_unit(place).is_ok_and(|unit| {
        let mut units = plan.units.iter();
        units.any(|change| {
            change.unit.as_str() == unit && change.actions.iter().any(|it| actions.contains(it))
        })
    })
}

/// Whether `plan` may bring what is needed. Which package has a program is not known before it is there, and neither is what a
/// system of Nix brings.
fn brings(plan: &Plan, rendered: &Rendered, need: &Need) -> bool {
    match need {
        Need::Changed(_) if plan.closure.is_some() => false,
        _ if plan.closure.is_some() => true,
        Need::Gnu => false,
        Need::Secret(path) | Need::Changed(path) => {
            changes(plan, path) && rendered.entries.contains_key(path)
        }
        Need::Installed(_) => {
            let mut packages = plan.packages.iter();
            packages.any(|it| it.action == PackageAction::Install && it.file.is_none())
        }
        Need::Mounted(place) => mounts(plan, place, &[UnitAction::Start, UnitAction::Restart]),
    }
}

/// The first step towards `rendered` where `whole`, the plan for it, has artifacts that wait; `None` where none does.
///
/// Their links stay as they are. Units that watch one are not started where there is none, now or at boot. `observed` and
/// `options` are those of `whole`.
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
        // Their files come with it. Those that are installed stay as they are.
        before.packages.retain(|name, want| {
            let file = want.file.as_ref();
            let holder = file.and_then(|file| rendered.in_release(file));
            if holder.is_none_or(|(base, _)| *base != change.base) {
                return true;
            }
            let known = observed.packages.get(name);
            let installed = known.filter(|package| package.installed);
            want.version = installed.map(|package| package.version.clone());
            want.file = None;
            installed.is_some()
        });
        before.artifacts.remove(&change.base);
        let Ok(link) = Artifact::link(&change.base) else {
            continue;
        };
        let readers = before.units.values();
        let readers = readers.filter(|unit| unit.watch.contains(&link));
        later.extend(readers.map(|unit| unit.concern.clone()));
        if let Some(digest) = &change.before {
            if let Some(managed) = before.entries.get_mut(&link) {
                let target = Artifact::target_of(digest);
                managed.entry = Entry::Symlink { target };
            }
        } else {
            without(&mut before, &link, observed);
        }
    }
    if later.is_empty() {
        return None;
    }
    let later = match rendered.closure {
        None => Later::Of(later),
        Some(_) => Later::Any,
    };
    let plan = plan(target, &before, observed, options);
    Some(FirstStep {
        rendered: before,
        plan,
        later,
    })
}

/// Takes out the link of an artifact that the host has no release of. What reads it stays as it is, and a rollback to this step
/// stops it.
fn without(before: &mut Rendered, link: &ManagedPath, observed: &Observed) {
    if observed.paths.get(link) == Some(&PathState::Absent) {
        if let Some(managed) = before.entries.get_mut(link) {
            managed.entry = Entry::Absent;
        }
    } else {
        before.entries.remove(link);
    }
    let units = before.units.iter_mut();
    for (unit, want) in units.filter(|(_, want)| want.watch.contains(link)) {
        want.enabled = want.enabled.filter(|enabled| !enabled);
        want.running = if is_active(unit, observed) {
            want.running.filter(|running| !running)
        } else {
            want.running.map(|_| false)
        };
    }
}

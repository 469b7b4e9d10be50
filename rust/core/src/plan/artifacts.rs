//! Which artifacts are fetched, which are switched to, and what becomes of the units of a Nix host that read them.

use std::collections::BTreeSet;

use super::{ArtifactChange, Finding, Plan, UnitAction, UnitChange};
use crate::artifact::{Artifact, digest_in};
use crate::inventory::Platform;
use crate::name::UnitName;
use crate::observed::{HeldRelease, Observed};
use crate::rendered::{PathState, Rendered};

/// Artifacts that are not on the host, or whose link leads to another release; and those that cannot be brought there.
pub(super) fn changes(
    rendered: &Rendered,
    observed: &Observed,
) -> (Vec<ArtifactChange>, Vec<Finding>) {
    let mut changes = Vec::new();
    let mut findings = Vec::new();
    for (base, artifact) in &rendered.artifacts {
        let link = Artifact::link(base).ok();
        let before = match link.and_then(|link| observed.paths.get(&link)) {
            Some(PathState::Symlink { target }) => digest_in(target),
            _ => None,
        };
        let whole = matches!(observed.artifacts.get(base), Some(HeldRelease::Whole));
        if whole && before.as_ref() == Some(&artifact.digest) {
            continue;
        }
        let held = match observed.artifacts.get(base) {
            Some(HeldRelease::Whole) => artifact.bytes(),
            // A release that is half made says nothing of its files.
            Some(HeldRelease::Part(_)) if artifact.made => 0,
            // What is there may be more, of files that will be removed.
            Some(HeldRelease::Part(bytes)) => (*bytes).min(artifact.bytes()),
            None => 0,
        };
        let build = artifact.build.as_ref();
        if artifact.made && build.is_none() && !whole {
            findings.push(unmakeable(artifact));
        }
        let inputs = build.map(|build| build.inputs.keys().cloned().collect());
        changes.push(ArtifactChange {
            concern: artifact.concern.clone(),
            kind: artifact.kind.clone(),
            name: artifact.name.clone(),
            base: base.clone(),
            before,
            after: artifact.digest.clone(),
            source: artifact.source.clone(),
            made: artifact.made,
            inputs: inputs.unwrap_or_default(),
            files: artifact.files.len(),
            bytes: artifact.bytes(),
            held,
            staged: whole,
            awaits: BTreeSet::new(),
        });
    }
    (changes, findings)
}

/// A generation does not keep what its release was made of.
fn unmakeable(artifact: &Artifact) -> Finding {
    let Artifact { kind, name, .. } = artifact;
    Finding::refuse(
        "artifact",
        format!(
            "the release of {kind} `{name}` is not on the host any more, and a generation does not keep what it was made of"
        ),
        format!("declare {kind} `{name}` as it was then, and run `deployctl apply`"),
    )
}

/// What `NixOS` starts at boot: with it start the units that are wanted and do not run.
const ALL_UNITS: &str = "multi-user.target";
/// Longest time that the units of a `NixOS` may take until they have read an artifact, in seconds: as long as a switch may take.
const READERS_SECONDS: u32 = 900;

/// Starts what waits for an artifact on a `NixOS`, where no switch does: units whose conditions ask for a release that comes
/// with this plan. launchd starts by itself what waits for a path.
pub(super) fn start_readers(plan: &mut Plan, rendered: &Rendered) {
    if rendered.closure.is_none() || rendered.platform() != Platform::Nixos {
        return;
    }
    let artifacts = plan.artifacts.iter();
    let comes = |change: &&ArtifactChange| {
        change.before.is_none() && (plan.closure.is_none() || !change.awaits.is_empty())
    };
    let coming = artifacts.filter(comes);
    let names = coming.map(|it| format!("{} `{}`", it.kind, it.name));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return;
    }
    let change = UnitChange {
        unit: UnitName::new(ALL_UNITS).expect("it is a name"),
        // Units of any concern may start with it.
        concern: None,
        actions: vec![UnitAction::Start],
        reason: format!("units that wait for {}", names.join(", ")),
        start_timeout_seconds: READERS_SECONDS,
    };
    plan.units.push(change);
}

/// Links that lead to another release while the system of a Nix host stays: nothing starts anew what reads them.
pub(super) fn readers_that_stay(plan: &Plan, rendered: &Rendered) -> Option<Finding> {
    if rendered.closure.is_none() || plan.closure.is_some() {
        return None;
    }
    let artifacts = plan.artifacts.iter();
    let other = artifacts.filter(|it| it.before.as_ref().is_some_and(|before| *before != it.after));
    let names: Vec<String> = other
        .map(|it| format!("{} `{}`", it.kind, it.name))
        .collect();
    (!names.is_empty()).then(|| {
        Finding::warn(
            "artifact",
            format!(
                "{}: the link leads to another release, and the system stays: what has read the former one goes on with it",
                names.join(", ")
            ),
            Some("restart what reads it, after the apply".to_owned()),
        )
    })
}

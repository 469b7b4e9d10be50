//! Which artifacts are fetched, and which are switched to.

use std::collections::BTreeSet;

use super::{ArtifactChange, Finding};
use crate::artifact::{Artifact, digest_in};
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

//! A host that is to hold a model.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::artifact::{Artifact, ArtifactFile, Source};
use deployctl_core::name::{ArtifactName, ArtifactPath};
use deployctl_core::observed::HeldRelease;
use deployctl_core::rendered::{Entry, OnChange, PathState, Sha256Hex};

use super::fixture::{Case, concern, path};

pub(crate) const BASE: &str = "/srv/models/tiny";
pub(crate) const LINK: &str = "/srv/models/tiny/current";

/// Declares a model, and what of it the host holds; `link` is where `current` leads.
pub(crate) fn model(case: &mut Case, held: HeldRelease, link: Option<&str>) {
    let files = [("config.json", 700), ("model.safetensors", 4_000_000_000)];
    let files = files.map(|(at, size)| {
        let sha256 = Sha256Hex::of(at.as_bytes());
        (
            ArtifactPath::new(at).unwrap(),
            ArtifactFile { size, sha256 },
        )
    });
    let files = files.into_iter().collect();
    let artifact = Artifact {
        concern: concern("models"),
        kind: ArtifactName::new("model").unwrap(),
        name: ArtifactName::new("tiny").unwrap(),
        digest: Artifact::digest_of(&files, None),
        source: Source::try_from("https://hub.example/lab/tiny/resolve/0123".to_owned()).unwrap(),
        credential: None,
        programs: BTreeSet::new(),
        after: BTreeSet::new(),
        min_free_gib: BTreeMap::new(),
        keep: 2,
        files,
        made: false,
        build: None,
    };
    let target = artifact.target();
    let link = link.map(|link| {
        if link == "declared" {
            target.clone()
        } else {
            link.to_owned()
        }
    });
    case.declare(LINK, "models", Entry::Symlink { target }, &[]);
    if let Some(target) = link {
        case.observed
            .paths
            .insert(path(LINK), PathState::Symlink { target });
    }
    case.rendered.artifacts.insert(path(BASE), artifact);
    case.observed.artifacts.insert(path(BASE), held);
    case.unit("reader.service", "app", OnChange::Restart, &[LINK]);
}

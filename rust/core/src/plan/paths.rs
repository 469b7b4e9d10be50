//! Which managed paths change, and what in them.

use similar::TextDiff;

use super::{Finding, PathChange, PathTarget};
use crate::name::ManagedPath;
use crate::observed::Observed;
use crate::rendered::{Entry, PathState, Rendered};

/// Lines kept around each change.
const CONTEXT_LINES: usize = 3;

/// Changes to paths in their order, and findings about what cannot be changed.
pub(super) fn changes(rendered: &Rendered, observed: &Observed) -> (Vec<PathChange>, Vec<Finding>) {
    let mut changes = Vec::new();
    let mut findings = Vec::new();
    for (path, managed) in &rendered.entries {
        let after = PathState::of(&managed.entry);
        // The `observe` finding reports a path that was not looked at.
        let Some(before) = observed.paths.get(path) else {
            continue;
        };
        if *before == after {
            continue;
        }
        if let Some(finding) = obstacle(path, before, &after) {
            findings.push(finding);
            continue;
        }
        changes.push(PathChange {
            path: path.clone(),
            concern: Some(managed.concern.clone()),
            before: before.clone(),
            diff: diff(path, before, &managed.entry, observed),
            after: PathTarget::Entry { state: after },
            gone: false,
        });
    }
    let committed = observed.manifest.iter().flat_map(|m| m.paths.keys());
    for path in committed.filter(|path| !rendered.entries.contains_key(*path)) {
        let Some(before) = observed.paths.get(path) else {
            continue;
        };
        changes.push(PathChange {
            path: path.clone(),
            concern: None,
            before: before.clone(),
            after: PathTarget::Original,
            diff: None,
            gone: *before == PathState::Absent
                && observed
                    .places
                    .as_ref()
                    .is_some_and(|places| !places.originals.contains(path)),
        });
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    (changes, findings)
}

/// What prevents the change. A directory may hold undeclared files, and a device or socket belongs to another
/// program: neither is replaced.
fn obstacle(path: &ManagedPath, before: &PathState, after: &PathState) -> Option<Finding> {
    let found = match (before, after) {
        (PathState::Other { letter }, _) => match letter {
            'p' => "a named pipe",
            's' => "a socket",
            'b' | 'c' => "a device",
            _ => "neither file, directory nor link",
        },
        (PathState::Directory { .. }, PathState::Directory { .. }) => return None,
        (PathState::Directory { .. }, _) => "a directory",
        (_, PathState::Directory { .. }) if *before != PathState::Absent => {
            "not a directory, and one is declared there"
        }
        _ => return None,
    };
    Some(Finding::refuse(
        "path",
        format!("`{path}` is {found}"),
        format!("look at `{path}` on the host and move it out of the way"),
    ))
}

/// Unified diff without header. Only what everybody may read before and after is shown.
fn diff(
    path: &ManagedPath,
    before: &PathState,
    after: &Entry,
    observed: &Observed,
) -> Option<String> {
    let Entry::File { content, ownership } = after else {
        return None;
    };
    if !ownership.mode.world_readable() {
        return None;
    }
    let old = match before {
        PathState::File { .. } => observed.contents.get(path)?,
        PathState::Absent => "",
        _ => return None,
    };
    let diff = TextDiff::from_lines(old, content.as_str());
    let text = diff
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .to_string();
    (!text.is_empty()).then_some(text)
}

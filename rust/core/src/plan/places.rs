//! Places where nothing can be put: known by looking, before anything is started.

use std::collections::BTreeSet;

use super::{Finding, PathChange, Plan};
use crate::name::ManagedPath;
use crate::observed::{Above, Observed, Places};
use crate::rendered::{Entry, PathState, Rendered};

/// Directories above the paths that change, `/` left out. What is gone and should be needs none.
fn parents(plan: &Plan) -> BTreeSet<&str> {
    let mut parents = BTreeSet::new();
    for change in plan.paths.iter().filter(|change| !change.gone) {
        let mut path = change.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/')
            && !parent.is_empty()
        {
            parents.insert(parent);
            path = parent;
        }
    }
    parents
}

/// What refuses the changes of this plan because of where they are.
pub(super) fn findings(rendered: &Rendered, observed: &Observed, plan: &Plan) -> Vec<Finding> {
    let Some(places) = &observed.places else {
        return Vec::new();
    };
    let mut findings: Vec<_> = parents(plan)
        .into_iter()
        .filter_map(|path| unfit(path, places.above.get(path)?))
        .collect();
    for change in plan.paths.iter().filter(|change| !change.gone) {
        findings.extend(closed(change, rendered, observed, places));
    }
    findings
}

/// Why nothing below this directory can be managed: whoever may rename in it decides what is there.
fn unfit(path: &str, above: &Above) -> Option<Finding> {
    let Above {
        kind,
        uid,
        gid,
        mode,
    } = above;
    let (problem, mended) = if kind != "directory" {
        (
            format!("is no directory but a {kind}"),
            format!("move `{path}` out of the way on the host"),
        )
    } else if *uid != 0 {
        (
            format!("belongs to the user with number {uid}, not to root"),
            format!("`chown root {path}` on the host"),
        )
    } else if mode & 0o002 != 0 {
        (
            "is writable by everybody".to_owned(),
            format!("`chmod o-w {path}` on the host"),
        )
    } else if mode & 0o020 != 0 && *gid != 0 {
        (
            format!("is writable by its group, the one with number {gid}"),
            format!("`chmod g-w {path}` on the host"),
        )
    } else {
        return None;
    };
    Some(Finding::refuse(
        "path",
        format!("`{path}` {problem}, so nothing below it can be managed"),
        mended,
    ))
}

/// Mount points, read-only mounts, and files that chattr closed.
fn closed(
    change: &PathChange,
    rendered: &Rendered,
    observed: &Observed,
    places: &Places,
) -> Option<Finding> {
    let path = &change.path;
    let text = path.as_str();
    // The owner and mode of a directory change in place.
    let in_place = matches!(
        rendered.entries.get(path).map(|managed| &managed.entry),
        Some(Entry::Directory { .. })
    ) && matches!(change.before, PathState::Directory { .. });
    if places.mounts.contains_key(text) && !in_place {
        return Some(Finding::refuse(
            "path",
            format!("`{path}` is a mount point, and what is mounted cannot be replaced by a file"),
            format!(
                "see what mounts it: `findmnt {path}`; unmount it, or take the file out of the facts"
            ),
        ));
    }
    if let Some(point) = places.read_only(text)
        && !observed.read_only.contains(point)
    {
        return Some(Finding::refuse(
            "read-only",
            format!("`{path}` lies on `{point}`, which is mounted read-only"),
            format!("see why: `findmnt {point}`"),
        ));
    }
    locked(path, places)
}

/// The path itself, or the directory in which it would be made or replaced.
fn locked(path: &ManagedPath, places: &Places) -> Option<Finding> {
    let mut directory = path.as_str().rsplit_once('/')?.0;
    while !directory.is_empty() && !places.above.contains_key(directory) {
        directory = directory.rsplit_once('/')?.0;
    }
    let (at, flag) = [path.as_str(), directory]
        .into_iter()
        .find_map(|at| Some((at, places.locked.get(at)?)))?;
    let word = if *flag == 'i' {
        "immutable"
    } else {
        "append-only"
    };
    Some(Finding::refuse(
        "path",
        format!("`{at}` is {word} (`chattr +{flag}`)"),
        format!("`chattr -{flag} {at}` on the host, or take `{path}` out of the facts"),
    ))
}

//! Places where nothing can be put: known by looking, before anything is started.

use std::collections::BTreeSet;

use super::{Finding, PathChange, Plan};
use crate::name::ManagedPath;
use crate::observed::{Above, Observed, Places};
use crate::rendered::{Entry, PathState, Rendered};

/// Directories above `paths`, `/` left out.
fn parents<'a>(paths: impl Iterator<Item = &'a ManagedPath>) -> BTreeSet<&'a str> {
    let mut parents = BTreeSet::new();
    for path in paths {
        parents.extend(above(path.as_str()));
    }
    parents
}

fn above(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/')
        .map(|(at, _)| &path[..at])
        .filter(|parent| !parent.is_empty())
}

/// What refuses the changes of this plan because of where they are.
pub(super) fn findings(rendered: &Rendered, observed: &Observed, plan: &Plan) -> Vec<Finding> {
    let Some(places) = &observed.places else {
        return Vec::new();
    };
    // What is gone and should be needs no directory.
    let changed = plan.paths.iter().filter(|change| !change.gone);
    let mut parents = parents(changed.map(|change| &change.path));
    let behind: BTreeSet<&str> = parents
        .iter()
        .filter_map(|path| places.links.get(*path))
        .flat_map(|to| std::iter::once(to.as_str()).chain(above(to)))
        .collect();
    parents.extend(behind);
    let mut findings: Vec<_> = parents
        .into_iter()
        .filter_map(|path| unfit(path, places.above.get(path)?))
        .collect();
    findings.extend(elsewhere(rendered, observed, places));
    for change in plan.paths.iter().filter(|change| !change.gone) {
        findings.extend(closed(change, rendered, observed, places));
    }
    findings
}

/// Directories of managed paths that are links: the managed files are at their targets. Links that we manage
/// and those of the distribution (`/lib`, `/var/run`) are expected.
fn elsewhere(rendered: &Rendered, observed: &Observed, places: &Places) -> Vec<Finding> {
    let committed = observed.manifest.iter().flat_map(|m| m.paths.keys());
    let parents = parents(rendered.entries.keys().chain(committed));
    let of_distribution = |path: &str, to: &str| {
        to.strip_prefix("/usr") == Some(path)
            || (path.starts_with("/var/") && to.starts_with("/run"))
    };
    let managed = |path: &str| rendered.entries.keys().any(|ours| ours.as_str() == path);
    let links = parents.into_iter().filter_map(|path| {
        let to = places.links.get(path)?;
        (!of_distribution(path, to) && !managed(path)).then_some((path, to))
    });
    let found = links.map(|(path, to)| {
        Finding::warn(
            "path",
            format!("`{path}` is a link to `{to}`: the files below it are managed there"),
            Some(format!(
                "where that is not meant, put a directory in its place, or manage it below `{to}`"
            )),
        )
    });
    found.collect()
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
            format!("`{path}` is on `{point}`, which is mounted read-only"),
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

//! Which state of the repository a plan or a system was made from.

use std::path::Path;
use std::time::Duration;

use deployctl_checks::accepted;

use crate::process::Program;

/// The state of a git work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryState {
    /// The commit that is checked out; `None` before the first one.
    pub commit: Option<String>,
    /// Whether files differ from it, new ones included.
    pub dirty: bool,
}

/// The state of the repository that contains `folder`; `None` if there is none, or no git.
pub async fn state(folder: &Path) -> Option<RepositoryState> {
    let arguments = ["status", "--porcelain=v2", "--branch"];
    let text = said(git(folder).arguments(arguments)).await?;
    let commit = text
        .lines()
        .find_map(|line| line.strip_prefix("# branch.oid "))
        .filter(|oid| *oid != "(initial)")
        .map(ToOwned::to_owned);
    let dirty = text.lines().any(|line| !line.starts_with("# "));
    Some(RepositoryState { commit, dirty })
}

/// A hash of all tracked files as they are in the work tree, and of `folder`'s place among them:
/// what a flake sees. `None` if `folder` is in no repository, or there is no git.
///
/// The work tree is added to a copy of the index, and new objects go into a temporary directory: the
/// repository is not changed.
pub async fn tracked_tree(folder: &Path) -> Option<String> {
    let places = ["rev-parse", "--show-prefix", "--git-path", "index"];
    let more = ["--git-path", "objects", "--show-toplevel"];
    let text = said(git(folder).arguments(places).arguments(more)).await?;
    let mut places = text.lines();
    let (prefix, index) = (places.next()?, folder.join(places.next()?));
    let (objects, top) = (folder.join(places.next()?), Path::new(places.next()?));
    let scratch = tempfile::tempdir().ok()?;
    let copy = scratch.path().join("index");
    // There is no index before the first `git add`.
    if index.exists() {
        std::fs::copy(&index, &copy).ok()?;
        // A change within the second in which the index was written cannot be seen by its time: git reads files that
        // are no older than their index. The copy must not look younger.
        let written = std::fs::metadata(&index).ok()?.modified().ok()?;
        let file = std::fs::File::options().write(true).open(&copy).ok()?;
        file.set_modified(written).ok()?;
    }
    let own = scratch.path().join("objects");
    std::fs::create_dir(&own).ok()?;
    let aside = |arguments: &[&str]| {
        git(top)
            .variable("GIT_INDEX_FILE", &copy)
            .variable("GIT_OBJECT_DIRECTORY", &own)
            .variable(
                "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                objects.canonicalize().unwrap_or_else(|_| objects.clone()),
            )
            .arguments(arguments)
    };
    said(aside(&["add", "--update"])).await?;
    // Results of verification do not change a system.
    let found = format!(":(glob)**/{}", accepted::FILE);
    let forget = [
        "rm",
        "--cached",
        "--quiet",
        "--ignore-unmatch",
        "--",
        &found,
    ];
    said(aside(&forget)).await?;
    let tree = said(aside(&["write-tree"])).await?;
    Some(format!("{}:{prefix}", tree.trim()))
}

/// Files in `folders` below `top` that git neither tracks nor ignores: a flake does not see them.
pub async fn untracked(top: &Path, folders: &[&str]) -> Vec<String> {
    let list = ["ls-files", "--others", "--exclude-standard", "-z", "--"];
    let text = said(git(top).arguments(list).arguments(folders)).await;
    let text = text.unwrap_or_default();
    text.split_terminator('\0')
        .filter(|file| Path::new(file).file_name() != Some(accepted::FILE.as_ref()))
        .map(str::to_owned)
        .collect()
}

fn git(folder: &Path) -> Program {
    Program::new("git")
        .arguments(["--no-optional-locks"])
        .folder(folder)
        .variable("LC_ALL", "C")
        .deadline(Duration::from_secs(20))
}

/// Its output, if it succeeds.
async fn said(program: Program) -> Option<String> {
    let finished = program.run().await.ok()?;
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    finished.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn git(folder: &Path, arguments: &[&str]) {
        let finished = Program::new("git")
            .arguments(["-c", "user.name=a", "-c", "user.email=a@b"])
            .arguments(arguments)
            .folder(folder)
            .run()
            .await
            .unwrap();
        assert!(finished.status.success(), "{finished:?}");
    }

    #[tokio::test]
    async fn a_commit_and_what_differs_from_it_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(state(folder).await, None);

        git(folder, &["init", "--quiet"]).await;
        let fresh = state(folder).await.unwrap();
        assert_eq!((fresh.commit, fresh.dirty), (None, false));

        git(folder, &["commit", "--quiet", "--allow-empty", "-m", "a"]).await;
        let clean = state(folder).await.unwrap();
        assert_eq!(clean.commit.as_ref().map(String::len), Some(40));
        assert!(!clean.dirty);

        std::fs::write(folder.join("new"), "").unwrap();
        let dirty = state(folder).await.unwrap();
        assert_eq!((dirty.commit, dirty.dirty), (clean.commit, true));
    }

    #[tokio::test]
    async fn the_tracked_tree_is_what_a_flake_sees() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        assert_eq!(tracked_tree(top).await, None);
        git(top, &["init", "--quiet"]).await;
        let nothing = tracked_tree(top).await.unwrap();

        std::fs::create_dir(top.join("hosts")).unwrap();
        std::fs::write(top.join("hosts/a.nix"), "1").unwrap();
        assert_eq!(
            tracked_tree(top).await.unwrap(),
            nothing,
            "it is not tracked"
        );
        assert_eq!(untracked(top, &["hosts", "modules"]).await, ["hosts/a.nix"]);
        git(top, &["add", "hosts"]).await;
        let staged = tracked_tree(top).await.unwrap();
        assert_ne!(staged, nothing);
        assert!(untracked(top, &["hosts"]).await.is_empty());
        git(top, &["commit", "--quiet", "-m", "a"]).await;
        assert_eq!(tracked_tree(top).await.unwrap(), staged, "committed or not");

        std::fs::write(top.join("hosts/a.nix"), "2").unwrap();
        std::fs::write(top.join("hosts/accepted.snap"), "1").unwrap();
        assert!(untracked(top, &["hosts"]).await.is_empty());
        git(top, &["add", "hosts/accepted.snap"]).await;
        std::fs::write(top.join("hosts/accepted.snap"), "2").unwrap();
        let dirty = tracked_tree(top).await.unwrap();
        assert_ne!(dirty, staged);
        assert!(state(top).await.unwrap().dirty, "the index is as it was");
        let objects = |top: &Path| {
            let folders = std::fs::read_dir(top.join(".git/objects")).unwrap();
            folders.count()
        };
        let before = objects(top);
        std::fs::write(top.join("hosts/a.nix"), "3").unwrap();
        assert_ne!(tracked_tree(top).await.unwrap(), dirty);
        assert_eq!(objects(top), before, "nothing is left in the repository");
        std::fs::write(top.join("hosts/a.nix"), "1").unwrap();
        assert_eq!(tracked_tree(top).await.unwrap(), staged, "as it was before");

        // Sets all times to long ago.
        let then = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let back = |name: &str| {
            let file = std::fs::File::options().write(true).open(top.join(name));
            file.unwrap().set_modified(then).unwrap();
        };
        back("hosts/a.nix");
        git(top, &["add", "--update"]).await;
        back(".git/index");
        std::fs::write(top.join("hosts/a.nix"), "2").unwrap();
        back("hosts/a.nix");
        assert_eq!(
            tracked_tree(top).await.unwrap(),
            dirty,
            "changed in the second in which it was added"
        );
        std::fs::write(top.join("hosts/a.nix"), "1").unwrap();

        let below = tracked_tree(&top.join("hosts")).await.unwrap();
        assert_eq!(below, staged + "hosts/", "another flake of the same tree");
        std::fs::remove_file(top.join("hosts/a.nix")).unwrap();
        assert_eq!(tracked_tree(top).await.unwrap(), nothing, "it is gone");
    }
}

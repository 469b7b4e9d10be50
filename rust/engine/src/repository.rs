//! Which state of the repository a plan was made from.

use std::path::Path;
use std::time::Duration;

use crate::process::Program;

/// The state of a git work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryState {
    /// The commit that is checked out; `None` before the first one.
    pub commit: Option<String>,
    /// Whether files differ from it, new ones included.
    pub dirty: bool,
}

/// The state of the repository that holds `folder`; `None` when it is in none, or there is no git.
pub async fn state(folder: &Path) -> Option<RepositoryState> {
    let finished = Program::new("git")
        .arguments([
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch",
        ])
        .folder(folder)
        .variable("LC_ALL", "C")
        .deadline(Duration::from_secs(20))
        .run()
        .await
        .ok()
        .filter(|finished| finished.status.success())?;
    let text = String::from_utf8_lossy(&finished.stdout);
    let commit = text
        .lines()
        .find_map(|line| line.strip_prefix("# branch.oid "))
        .filter(|oid| *oid != "(initial)")
        .map(ToOwned::to_owned);
    let dirty = text.lines().any(|line| !line.starts_with("# "));
    Some(RepositoryState { commit, dirty })
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
}

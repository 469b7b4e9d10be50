//! Locks of Python projects, which uv makes where the repository is.
//!
//! A project is a folder `hosts/HOST/NAME` with a `pyproject.toml`: the place is what counts, since a repository whose lock is
//! not there yet cannot be evaluated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deployctl_core::query::printable_line;

use crate::interrupt::Interrupt;
use crate::process::{ProcessError, Program};

/// uv resolves over the network, and builds metadata of packages that have none.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What became of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// There was none.
    Made,
    /// It says something else now.
    Renewed,
    /// It is what it was.
    Unchanged,
}

/// Errors of locking a project.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// uv could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// uv made no lock.
    #[error("uv made no lock of `{}`: {words}", project.display())]
    Failed {
        /// The folder of the project.
        project: PathBuf,
        /// What uv said, in one line.
        words: String,
    },
    /// The lock cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The lock.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Folders `hosts/HOST/NAME` below `top` that hold a `pyproject.toml`, in order; with `None`, those of every name.
pub fn projects(top: &Path, name: Option<&str>) -> Vec<PathBuf> {
    let folders = |of: &Path| {
        let entries = std::fs::read_dir(of).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let all = folders(&top.join("hosts"));
    let mut found: Vec<PathBuf> = all
        .iter()
        .flat_map(|host| folders(host))
        .filter(|folder| name.is_none_or(|name| folder.ends_with(name)))
        .filter(|folder| folder.join("pyproject.toml").is_file())
        .collect();
    found.sort();
    found
}

/// Has `uv` make or renew the lock of `project`; with `upgrade`, at the newest versions that the project allows.
///
/// # Errors
/// uv is not installed, was interrupted, or makes no lock: the one that was there stays.
pub async fn lock(
    uv: &Path,
    project: &Path,
    upgrade: bool,
    interrupt: &Interrupt,
) -> Result<Locked, LockError> {
    let file = project.join("uv.lock");
    let read = || match std::fs::read(&file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LockError::Unreadable {
            path: file.clone(),
            source,
        }),
    };
    let before = read()?;
    let program = Program::new(uv)
        .arguments(["lock", "--no-progress", "--color", "never", "--project"])
        .arguments([project])
        .arguments(upgrade.then_some("--upgrade"))
        .deadline(DEADLINE);
    let mut said = Vec::new();
    let finished = program
        .watch(interrupt, &mut |line| said.push(line.to_owned()))
        .await?;
    if !finished.status.success() {
        return Err(LockError::Failed {
            project: project.to_owned(),
            words: words(&said),
        });
    }
    Ok(match (before, read()?) {
        (None, _) => Locked::Made,
        (before, after) if before == after => Locked::Unchanged,
        _ => Locked::Renewed,
    })
}

/// What uv gives as the error and as its causes, in one line; all that it said where it gives none.
fn words(said: &[String]) -> String {
    let parts = said.iter().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("error: ")
            .or_else(|| line.strip_prefix("cause: "))
    });
    let parts: Vec<&str> = parts.collect();
    let words = if parts.is_empty() {
        said.join(" ")
    } else {
        parts.join(": ")
    };
    printable_line(words.as_bytes(), 1000)
}

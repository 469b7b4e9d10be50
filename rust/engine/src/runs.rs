//! Earlier runs of `verify`, on this machine's disk: one file each, named by its time.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use deployctl_report::Report;
use deployctl_report::text::Run;
use serde::{Deserialize, Serialize};

use crate::files;

/// How many are kept.
pub const KEPT: usize = 200;
/// Longest file that is read.
const SIZE_CAP: u64 = 64 << 20;

/// Why runs could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// The folder or a file in it.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `keep this run in`, `read`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Files that hold no run of this version.
    #[error("{count} of the earlier runs in `{}` cannot be read; the first is `{first}`: {cause}", folder.display())]
    Broken {
        /// How many.
        count: usize,
        /// Where.
        folder: PathBuf,
        /// The name of one.
        first: String,
        /// What is wrong with that.
        cause: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    at: String,
    report: Report,
}

/// Stores `report`, finished `at` (RFC 3339, in UTC), readable only by this user, and removes what is
/// older than the newest [`KEPT`].
///
/// # Errors
/// What prevents it.
///
/// # Panics
/// Never: reports serialise.
pub fn keep(folder: &Path, at: &str, report: &Report) -> Result<(), RunsError> {
    let failed = |source| RunsError::File {
        action: "keep this run in",
        path: folder.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let file = File {
        version: 1,
        at: at.to_owned(),
        report: report.clone(),
    };
    let bytes = serde_json::to_vec(&file).expect("reports serialise");
    let stem = at.replace(['-', ':'], "");
    // Two runs may end within a second.
    let name = (0..KEPT)
        .map(|nth| match nth {
            0 => format!("{stem}.json"),
            nth => format!("{stem}-{nth:03}.json"),
        })
        .find(|name| !folder.join(name).exists())
        .unwrap_or_else(|| format!("{stem}.json"));
    files::replace(&folder.join(name), &bytes, 0o600).map_err(failed)?;
    let names = names(folder).map_err(failed)?;
    for old in names.iter().rev().skip(KEPT) {
        std::fs::remove_file(folder.join(old)).map_err(failed)?;
    }
    Ok(())
}

/// All runs that can be read, oldest first, and notes about the others.
pub fn read(folder: &Path) -> (Vec<Run>, Option<RunsError>) {
    let names = match names(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Vec::new(), None),
        Err(source) => {
            let trouble = RunsError::File {
                action: "read",
                path: folder.to_owned(),
                source,
            };
            return (Vec::new(), Some(trouble));
        }
    };
    let mut runs = Vec::new();
    let mut broken: Option<(usize, String, String)> = None;
    for name in names {
        match one(&folder.join(&name)) {
            Ok(run) => runs.push(run),
            Err(cause) => {
                let (count, ..) = broken.get_or_insert((0, name, cause));
                *count += 1;
            }
        }
    }
    let trouble = broken.map(|(count, first, cause)| RunsError::Broken {
        count,
        folder: folder.to_owned(),
        first,
        cause,
    });
    (runs, trouble)
}

fn one(path: &Path) -> Result<Run, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() || found.len() > SIZE_CAP {
        return Err("it is no regular file of a sane size".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let file: File = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if file.version != 1 {
        return Err(format!("it has version {}", file.version));
    }
    Ok(Run {
        at: file.at,
        report: file.report,
    })
}

/// The file names of runs, oldest first.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            name.strip_suffix(".json")
                .is_some_and(|stem| stem.starts_with(|c: char| c.is_ascii_digit()))
        })
        .collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn report() -> Report {
        Report::new("verify", Vec::new())
    }

    #[test]
    fn the_newest_are_kept_and_read_in_order() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("state/home/verify");
        for nth in 0..=KEPT {
            let at = format!("2026-11-23T{:02}:{:02}:00Z", nth / 60, nth % 60);
            keep(&folder, &at, &report()).unwrap();
        }
        keep(&folder, "2026-11-23T00:01:00Z", &report()).unwrap();
        let (runs, trouble) = read(&folder);
        assert!(trouble.is_none());
        assert_eq!(runs.len(), KEPT);
        // The one that was named like an earlier one is there, too, and the two oldest are gone.
        let first: Vec<&str> = runs.iter().take(2).map(|run| run.at.as_str()).collect();
        assert_eq!(first, ["2026-11-23T00:01:00Z", "2026-11-23T00:02:00Z"]);
        let file = folder.join("20261123T000200Z.json");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
    }

    #[test]
    fn a_broken_file_is_told_and_passed_over() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("verify");
        assert!(read(&folder).1.is_none());
        keep(&folder, "2026-11-23T00:01:00Z", &report()).unwrap();
        for (name, text) in [
            ("20261122T000000Z.json", "{"),
            ("20261123T000000Z.json", "[]"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::write(folder.join("notes.txt"), "mine").unwrap();
        let (runs, trouble) = read(&folder);
        assert_eq!(runs.len(), 1);
        let told = trouble.unwrap().to_string();
        let told = told.replace(top.path().to_str().unwrap(), "TOP");
        assert_eq!(
            told,
            "2 of the earlier runs in `TOP/verify` cannot be read; the first is `20261122T000000Z.json`: EOF while parsing an object at line 1 column 1"
        );
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("verify");
        std::fs::write(&folder, "a file").unwrap();
        let error = keep(&folder, "2026-11-23T00:01:00Z", &report()).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot keep this run in `"),
            "{error}"
        );
        assert!(matches!(read(&folder).1, Some(RunsError::File { .. })));
    }
}

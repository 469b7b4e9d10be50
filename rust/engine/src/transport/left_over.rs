//! Removes private directories of killed runs.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// The prefix of every such directory's name.
pub(super) const PREFIX: &str = "deployctl-";
/// The socket that the directory's run listens on; a connection fails once that run has ended.
const MARK: &str = "run";
/// The name of the mark until its run listens.
const BEGINS: &str = "run.new";

/// Marks `directory` as that of a living run, for as long as the listener is there.
pub(super) fn mark(directory: &Path) -> io::Result<UnixListener> {
    // A socket has its name before it listens, and would refuse another run meanwhile like that of a dead one.
    let unheard = directory.join(BEGINS);
    let listener = UnixListener::bind(&unheard)?;
    fs::rename(unheard, directory.join(MARK))?;
    Ok(listener)
}

/// Removes what killed runs of this user left in `parent`. What cannot be read stays.
pub(super) fn sweep(parent: &Path, own: &Path) {
    let (Ok(entries), Ok(ours)) = (fs::read_dir(parent), fs::metadata(own)) else {
        return;
    };
    for entry in entries.flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let Ok(found) = entry.metadata() else {
            continue;
        };
        if named && found.is_dir() && found.uid() == ours.uid() && is_dead(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether its run has ended. Without a mark it is not ours, or has only just begun.
fn is_dead(directory: &Path) -> bool {
    UnixStream::connect(directory.join(MARK))
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_run_left_goes() {
        let top = tempfile::tempdir().unwrap();
        let names = [
            "deployctl-dead",
            "deployctl-alive",
            "deployctl-begins",
            "deployctl-new",
            "other-dead",
        ];
        for name in names {
            fs::create_dir(top.path().join(name)).unwrap();
            fs::write(top.path().join(name).join("config"), "x").unwrap();
        }
        for dead in ["deployctl-dead", "other-dead"] {
            drop(mark(&top.path().join(dead)).unwrap());
        }
        drop(UnixListener::bind(top.path().join("deployctl-begins").join(BEGINS)).unwrap());
        let alive = mark(&top.path().join("deployctl-alive")).unwrap();
        fs::write(top.path().join("deployctl-file"), "x").unwrap();
        sweep(top.path(), &top.path().join("deployctl-alive"));
        let mut left: Vec<String> = fs::read_dir(top.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "deployctl-alive",
                "deployctl-begins",
                "deployctl-file",
                "deployctl-new",
                "other-dead"
            ]
        );
        drop(alive);
    }
}

//! A value in an editor: a private folder in memory, which is overwritten and removed.

use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{LONGEST, Plaintext};
use crate::files::read_up_to;
use crate::process::{ProcessError, Program};

/// Editors of vi's family keep swap, backup and undo files, and a history of what was typed, elsewhere.
const FORGETFUL: &str = r#"
for word in $EDITOR_COMMAND; do break; done
case ${word##*/} in
vi | vim | nvim | vim.*) exec $EDITOR_COMMAND -n -i NONE --cmd 'set nobackup nowritebackup noundofile' -- "$1" ;;
*) exec $EDITOR_COMMAND "$1" ;;
esac"#;

/// Why a value could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No folder in memory is at hand.
    #[error("there is no folder in memory for the value: {0}")]
    NoMemory(String),
    /// The file for the editor.
    #[error("cannot use a file in `{}`", folder.display())]
    File {
        /// Where.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The editor.
    #[error(transparent)]
    Editor(#[from] ProcessError),
    /// What the editor left.
    #[error("the editor left nothing that can be read as a value, so nothing was changed")]
    Unreadable(#[source] io::Error),
    /// The editor did not end with 0.
    #[error("the editor ended with {0}, so nothing was changed")]
    Gave(String),
}

/// A folder of which nothing reaches a disk.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    /// Makes one in the first of `places` that is in memory.
    ///
    /// # Errors
    /// None of them is.
    pub fn new(places: &[PathBuf]) -> Result<Self, EditError> {
        let shown = || -> Vec<String> {
            let places = places.iter().map(|place| format!("`{}`", place.display()));
            places.collect()
        };
        let Some(place) = places.iter().find(|place| is_in_memory(place)) else {
            let all = format!("none of {} is a tmpfs", shown().join(", "));
            return Err(EditError::NoMemory(all));
        };
        let folder = tempfile::Builder::new()
            .prefix("deployctl-secret-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(place)
            .map_err(|source| EditError::File {
                folder: place.clone(),
                source,
            })?;
        Ok(Self { folder })
    }

    /// Lets `editor`, a command line, change `value` in a file called `name`.
    ///
    /// # Errors
    /// It cannot be started, fails, or leaves nothing that can be read.
    pub async fn edit(
        &self,
        editor: &str,
        name: &str,
        value: &Plaintext,
    ) -> Result<Plaintext, EditError> {
        let path = self.folder.path().join(name);
        let at = |source| EditError::File {
            folder: self.folder.path().to_owned(),
            source,
        };
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(value))
            .map_err(at)?;
        let program = Program::new("/bin/sh")
            .arguments(["-c", FORGETFUL, "edit"])
            .arguments([&path])
            .variable("EDITOR_COMMAND", editor);
        let status = program.attended().await?;
        if !status.success() {
            return Err(EditError::Gave(status.to_string()));
        }
        let left = read_up_to(&path, LONGEST).map(Plaintext::new);
        left.map_err(EditError::Unreadable)
    }
}

impl Drop for Workplace {
    /// Overwrites whatever the editor left; the folder itself is removed right after.
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let size = entry.metadata().map_or(0, |found| found.len());
            let zeros = vec![0; usize::try_from(size).unwrap_or_default()];
            let file = std::fs::OpenOptions::new().write(true).open(entry.path());
            // What cannot be overwritten is removed all the same.
            let _ = file.and_then(|mut file| file.write_all(&zeros));
        }
    }
}

/// Whether files in `folder` are kept in memory; nothing on macOS is.
#[cfg(target_os = "linux")]
fn is_in_memory(folder: &Path) -> bool {
    /// Of statfs(2).
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    let found = rustix::fs::statfs(folder);
    found.is_ok_and(|found| [TMPFS, RAMFS].contains(&found.f_type))
}

/// Whether files in `folder` are kept in memory; nothing on macOS is.
#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

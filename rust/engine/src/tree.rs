//! A rendered host as files below a directory of this machine, to look at.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use deployctl_core::rendered::{Entry, Rendered};

/// Writes every managed path below `folder`. Owners are left out; modes of files are kept. An existing
/// file is replaced, never followed where it is a link.
pub fn write(folder: &Path, rendered: &Rendered) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (path, managed) in &rendered.entries {
        let place = folder.join(path.as_str().trim_start_matches('/'));
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if let Entry::Directory { .. } = managed.entry {
            std::fs::create_dir_all(&place)?;
            continue;
        }
        match std::fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match &managed.entry {
            Entry::File { content, ownership } => {
                std::fs::write(&place, content)?;
                let mode = u32::from(ownership.mode.bits());
                std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode))?;
            }
            Entry::Symlink { target } => symlink(target, &place)?,
            Entry::Directory { .. } | Entry::Absent => {}
        }
    }
    Ok(())
}

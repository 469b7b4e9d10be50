//! Writes a rendered host as files below a local directory, for inspection.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use deployctl_core::rendered::{Entry, Rendered};

/// Writes every managed path below `folder`. Owners are left out; modes of files are kept. An existing
/// file is replaced, and never followed if it is a link; a parent folder that is a link is rejected.
/// `folder` itself may be reached by links.
pub fn write(folder: &Path, rendered: &Rendered) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (path, managed) in &rendered.entries {
        let place = folder.join(path.as_str().trim_start_matches('/'));
        if let Entry::Directory { .. } = managed.entry {
            refuse_links(folder, &place)?;
            std::fs::create_dir_all(&place)?;
            continue;
        }
        if let Some(parent) = place.parent() {
            refuse_links(folder, parent)?;
            std::fs::create_dir_all(parent)?;
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

/// Rejects a link in the path from below `folder` to `place`, with `place` itself.
fn refuse_links(folder: &Path, place: &Path) -> io::Result<()> {
    let below = place.ancestors().take_while(|at| *at != folder);
    for at in below {
        if std::fs::symlink_metadata(at).is_ok_and(|found| found.file_type().is_symlink()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "`{}` is a symbolic link, and may lead elsewhere; remove it",
                    at.display()
                ),
            ));
        }
    }
    Ok(())
}

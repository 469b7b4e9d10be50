//! Files on the controller, and a rendered host as files below a local directory, for inspection.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use deployctl_core::rendered::{Entry, Rendered};

/// Writes `bytes` to `path` atomically: the earlier file stays until everything is on the disk. `mode` is for
/// a new file and is subject to the umask.
///
/// # Errors
/// What the system reported. A path that ends in nothing, such as `/`, is invalid input.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".deployctl-")
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(without_path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

/// Whether [`replace`] would succeed: tries it, and leaves nothing behind.
///
/// # Errors
/// What prevents it.
pub fn replaceable(path: &Path) -> io::Result<()> {
    if let Ok(found) = std::fs::metadata(path)
        && !found.is_file()
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is there and no regular file",
        ));
    }
    let folder = folder_of(path)?;
    tempfile::Builder::new()
        .prefix(".deployctl-")
        .tempfile_in(folder)
        .map(|_| ())
        .map_err(without_path)
}

/// The system's own words: the name of a temporary file would not help the user.
fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path \"") {
        Some((words, _)) => io::Error::new(error.kind(), words),
        None => error,
    }
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(folder) => Ok(folder),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// The bytes of the regular file at `path`, at most `cap` of them.
pub fn read_up_to(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    if !std::fs::metadata(path)?.is_file() {
        return Err(invalid("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(invalid(format!("it is longer than {cap} bytes")));
    }
    Ok(bytes)
}

/// Writes every managed path below `folder`. Owners are left out; modes of files are kept. An existing
/// file is replaced, and never followed if it is a link; a parent folder that is a link is rejected.
/// `folder` itself may be reached by links.
pub fn write_tree(folder: &Path, rendered: &Rendered) -> io::Result<()> {
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

//! The files of an image that Nix built.

use std::io;
use std::path::{Path, PathBuf};

/// Every file below `path` to install from, or `path` itself. Nix's own files beside them (`nix-support`) are
/// left out.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if !path.ends_with("nix-support") {
                    folders.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies `files` into `folder`, and returns their new paths.
pub fn copy(files: &[PathBuf], folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    files
        .iter()
        .map(|file| {
            let name = file.file_name().unwrap_or(file.as_os_str());
            let place = folder.join(name);
            // Files of the store are read-only, and so would be their copies: they are written under a
            // temporary name, then renamed.
            let whole = tempfile::NamedTempFile::new_in(folder)?;
            io::copy(&mut std::fs::File::open(file)?, &mut whole.as_file())?;
            whole.persist(&place)?;
            Ok(place)
        })
        .collect()
}

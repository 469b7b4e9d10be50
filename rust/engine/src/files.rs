//! Files of the repository on the controller.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use deployctl_core::render::{RenderErrors, TemplateSet};

/// Where the Ubuntu platform's modules are, below the repository's top.
const MODULES: &str = "modules/ubuntu";

/// Why the modules could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// A folder or file that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file whose name or bytes are no UTF-8: no template can be.
    #[error("`{}` is not UTF-8 text", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
    /// Modules that contradict themselves.
    #[error(transparent)]
    Invalid(#[from] RenderErrors),
}

/// Reads and compiles `modules/ubuntu` of the repository at `top`. Hidden files and editors'
/// backups (`~`) are passed over.
pub fn read_modules(top: &Path) -> Result<TemplateSet, ModulesError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    let root = top.join(MODULES);
    while let Some(below) = folders.pop() {
        let folder = root.join(&below);
        let at = |source| ModulesError::Read {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(ModulesError::NotText { path });
            };
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let below = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            if path.is_dir() {
                folders.push(below);
                continue;
            }
            let bytes = std::fs::read(&path).map_err(|source| ModulesError::Read {
                path: path.clone(),
                source,
            })?;
            let text = String::from_utf8(bytes).map_err(|_| ModulesError::NotText { path })?;
            files.insert(below, text);
        }
    }
    Ok(TemplateSet::new(MODULES, files)?)
}

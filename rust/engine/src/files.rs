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
    let root = top.join(MODULES);
    let mut folders = vec![(root, String::new())];
    while let Some((folder, below)) = folders.pop() {
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
                folders.push((path, below));
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_repository_s_modules_read() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let set = read_modules(&top).expect("the modules are sound");
        let concerns: Vec<&str> = set.concerns().map(AsRef::as_ref).collect();
        assert!(
            concerns.contains(&"hugepages") && concerns.contains(&"extra"),
            "{concerns:?}"
        );
    }

    #[test]
    fn backups_are_passed_over_and_errors_name_the_file() {
        let top = tempfile::tempdir().expect("a folder");
        let missing = read_modules(top.path()).expect_err("there are no modules");
        assert!(
            missing.to_string().ends_with("/modules/ubuntu`"),
            "{missing}"
        );

        let time = top.path().join("modules/ubuntu/time");
        fs::create_dir_all(time.join("etc")).expect("a folder");
        fs::write(time.join("module.toml"), "").expect("a file");
        for passed_over in ["module.toml~", ".module.toml.swp"] {
            fs::write(time.join(passed_over), "not TOML").expect("a file");
        }
        read_modules(top.path()).expect("nothing but a module");

        fs::write(time.join("etc/binary"), [0xff]).expect("a file");
        let binary = read_modules(top.path()).expect_err("templates are text");
        assert!(
            binary
                .to_string()
                .ends_with("/etc/binary` is not UTF-8 text"),
            "{binary}"
        );

        fs::write(time.join("etc/binary"), "x").expect("a file");
        let unused = read_modules(top.path()).expect_err("a file that nothing uses");
        assert!(matches!(unused, ModulesError::Invalid(_)), "{unused}");
    }
}

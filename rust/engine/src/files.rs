//! Files of the repository on the controller.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use deployctl_core::render::{RenderErrors, TemplateSet};

/// Where the Ubuntu platform's modules are, below the repository's top.
const MODULES: &str = "modules/ubuntu";

/// Longest template.
const SIZE_CAP: u64 = 1 << 20;

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
    /// Something that is no template: read, it could hang or lead elsewhere.
    #[error("`{}` is {what}; modules are regular files in folders", path.display())]
    NotRegular {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file too long to be a template.
    #[error("`{}` is longer than {SIZE_CAP} bytes", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// Modules that contradict themselves.
    #[error(transparent)]
    Invalid(#[from] RenderErrors),
}

/// Reads and compiles `modules/ubuntu` of the repository at `top`. Hidden files and editors'
/// backups (`~`) are passed over. `modules` and `modules/ubuntu` may be links to folders, nothing below
/// them may; a link to a file is as good as the file.
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
            if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                folders.push((path, below));
                continue;
            }
            let bytes = read_template(&path)?;
            let text = String::from_utf8(bytes).map_err(|_| ModulesError::NotText { path })?;
            files.insert(below, text);
        }
    }
    Ok(TemplateSet::new(MODULES, files)?)
}

/// Writes `bytes` to `path` as a whole or not at all: what stood there before stays until everything is on the
/// disk. `mode` is for a new file and is subject to the umask.
///
/// # Errors
/// What the system said. A path that ends in nothing, such as `/`, is invalid input.
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

/// Whether [`replace`] would get through: tried, and nothing left behind.
///
/// # Errors
/// What stands in the way.
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

/// The system's own words: the name of a temporary file tells nobody anything.
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

/// Reads a regular file of a sane size.
fn read_template(path: &Path) -> Result<Vec<u8>, ModulesError> {
    let at = |source| ModulesError::Read {
        path: path.to_owned(),
        source,
    };
    // Looked at before it is opened: opening a FIFO waits for its other end.
    let kind = std::fs::metadata(path).map_err(at)?.file_type();
    if !kind.is_file() {
        return Err(ModulesError::NotRegular {
            path: path.to_owned(),
            what: if kind.is_dir() {
                "a symbolic link to a folder"
            } else if kind.is_fifo() {
                "a FIFO"
            } else if kind.is_socket() {
                "a socket"
            } else {
                "a device"
            },
        });
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SIZE_CAP + 1).read_to_end(&mut bytes))
        .map_err(at)?;
    if bytes.len() as u64 > SIZE_CAP {
        return Err(ModulesError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
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

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        use std::os::unix::fs::symlink;

        let top = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        symlink(elsewhere.path(), top.path().join("modules")).expect("a link");
        let time = top.path().join("modules/ubuntu/time");
        fs::create_dir_all(time.join("etc")).expect("a folder");
        fs::write(time.join("module.toml"), "").expect("a file");
        read_modules(top.path()).expect("`modules` may be a link");

        let odd = time.join("etc/odd");
        let refused = |why: &str| {
            let error = read_modules(top.path()).expect_err(why).to_string();
            assert!(error.contains("/time/etc/odd` is "), "{error}");
            assert!(error.contains(why), "{error}");
            fs::remove_file(&odd).expect("it is there");
        };
        symlink(elsewhere.path(), &odd).expect("a link");
        refused("a symbolic link to a folder");
        symlink("/dev/zero", &odd).expect("a link");
        refused("a device");
        let _socket = std::os::unix::net::UnixListener::bind(&odd).expect("a socket");
        refused("a socket");
        #[expect(clippy::disallowed_methods, reason = "std makes no FIFO")]
        let made = std::process::Command::new("mkfifo").arg(&odd).status();
        assert!(made.expect("mkfifo runs").success());
        refused("a FIFO");
        let file = fs::File::create(&odd).expect("a file");
        file.set_len(SIZE_CAP + 1).expect("it is sparse");
        refused("longer than 1048576 bytes");
    }
}

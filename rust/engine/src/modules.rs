//! The folders of concerns: those that the program contains, and those of the repository at hand.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use deployctl_core::concern::Folders;

/// Where a repository's own concerns are, below its top.
const MODULES: &str = "modules";

/// What a concern's folder holds; a folder without any of it is none, and may hold anything.
const SIGNS: &[&str] = &[
    "concern.toml",
    "facts.schema.json",
    "rules.toml",
    "checks.toml",
    "ubuntu/module.toml",
];

/// What only Nix reads.
const UNREAD: &[&str] = &["nixos", "darwin"];

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
    /// A file whose name or bytes are not UTF-8: it cannot be a template.
    #[error("`{}` is not UTF-8 text", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
    /// Something that is not a template: reading it could hang or lead elsewhere.
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
    /// A folder as earlier versions had it: what it replaces would be taken from the program without a word.
    #[error("`{}` is where earlier versions had the concern `{concern}`", path.display())]
    Moved {
        /// The folder.
        path: PathBuf,
        /// The concern.
        concern: String,
    },
}

impl ModulesError {
    /// What to do about it; `None` where the message says it.
    pub fn hint(&self) -> Option<String> {
        let Self::Moved { concern, .. } = self else {
            return None;
        };
        Some(format!(
            "move it to `{MODULES}/{concern}/ubuntu` and put a `concern.toml` beside that, as `deployctl concern list` has them"
        ))
    }
}

/// The folders of concerns for the repository at `top`: those that the program contains, and those of its `modules/`,
/// which replace folders of the same name as a whole.
///
/// Hidden files and editors' backups (`~`) are passed over. `modules` may be a link to a folder, nothing below it may;
/// a link to a file of the same concern is as good as the file.
pub fn read(top: &Path) -> Result<Folders, ModulesError> {
    let carried = Folders::built_in().clone();
    let modules = top.join(MODULES);
    if is_absent(&modules) {
        return Ok(carried);
    }
    reject_earlier_layout(&modules)?;
    let at = |source| ModulesError::Read {
        path: modules.clone(),
        source,
    };
    let mut own = BTreeMap::new();
    for entry in std::fs::read_dir(&modules).map_err(at)? {
        let folder = entry.map_err(at)?.path();
        let is_concern = SIGNS.iter().any(|sign| !is_absent(&folder.join(sign)));
        if let Some(name) = folder.file_name().and_then(|name| name.to_str())
            && !name.starts_with('.')
            && is_concern
        {
            if std::fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
                let what = "a symbolic link to a folder";
                return Err(ModulesError::NotRegular { path: folder, what });
            }
            read_folder(&folder, name, &mut own)?;
        }
    }
    Ok(carried.with(MODULES, own))
}

/// Writes the folder of a new concern into the `modules/` of the repository at `top`: all of its files, or none.
///
/// # Errors
/// When there is something of that name, or the disk does not take it.
pub fn add(top: &Path, name: &str, files: &BTreeMap<String, String>) -> Result<(), AddError> {
    let modules = top.join(MODULES);
    let path = modules.join(name);
    if !is_absent(&path) {
        return Err(AddError::Exists { path });
    }
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(&modules)?;
        let beside = tempfile::Builder::new()
            .prefix(".deployctl-")
            .permissions(std::fs::Permissions::from_mode(0o777))
            .tempdir_in(&modules)?;
        for (below, text) in files {
            let file = beside.path().join(below);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(file, text)?;
        }
        std::fs::rename(beside.path(), &path)?;
        // It has its name now, and is no longer temporary.
        let _ = beside.keep();
        Ok(())
    };
    write().map_err(|source| AddError::Write {
        path: path.clone(),
        source,
    })
}

/// Why a new concern could not be written.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// There is something already.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The disk did not take it.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Rejects `modules/ubuntu/CONCERN/module.toml`, which nothing would read.
fn reject_earlier_layout(modules: &Path) -> Result<(), ModulesError> {
    let mut moved: Vec<PathBuf> = std::fs::read_dir(modules.join("ubuntu"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("module.toml").exists())
        .collect();
    moved.sort();
    let Some(path) = moved.into_iter().next() else {
        return Ok(());
    };
    let concern = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Err(ModulesError::Moved { path, concern })
}

/// Whether there is nothing at `path`. A link that leads nowhere is something.
fn is_absent(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    })
}

/// Adds the text of every file of the concern `name` that deployctl itself reads, by its path below `modules`.
fn read_folder(
    root: &Path,
    name: &str,
    files: &mut BTreeMap<String, String>,
) -> Result<(), ModulesError> {
    let mut folders = vec![(root.to_owned(), name.to_owned())];
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
            let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
            let is_nix = !is_folder && path.extension().is_some_and(|it| it == "nix");
            if folder == root && (UNREAD.contains(&name) || is_nix) {
                continue;
            }
            let below = format!("{below}/{name}");
            if is_folder {
                folders.push((path, below));
                continue;
            }
            let bytes = read_template(root, &path)?;
            let text = String::from_utf8(bytes).map_err(|_| ModulesError::NotText { path })?;
            files.insert(below, text);
        }
    }
    Ok(())
}

/// Reads a regular file of a sane size, which is in the folder `root` itself: Nix and whoever gets the folder have
/// nothing else.
fn read_template(root: &Path, path: &Path) -> Result<Vec<u8>, ModulesError> {
    let at = |source| ModulesError::Read {
        path: path.to_owned(),
        source,
    };
    // Its type is checked first: opening a FIFO waits for its other end.
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
    let is_link = std::fs::symlink_metadata(path).map_err(at)?.is_symlink();
    let canonical = |path: &Path| path.canonicalize().map_err(at);
    if is_link && !canonical(path)?.starts_with(canonical(root)?) {
        return Err(ModulesError::NotRegular {
            path: path.to_owned(),
            what: "a symbolic link out of its concern's folder",
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

#[cfg(test)]
mod tests {
    use std::fs;

    use deployctl_core::concern::Concerns;
    use deployctl_core::render::TemplateSet;

    use super::*;

    /// What a concern without files needs.
    const NOTHING: &str = "summary = \"x\"\nplatforms = [\"ubuntu\", \"nixos\", \"darwin\"]\n";

    fn concern(top: &Path, name: &str) -> PathBuf {
        let folder = top.join(MODULES).join(name);
        fs::create_dir_all(folder.join("ubuntu/etc")).expect("a folder");
        fs::write(folder.join("concern.toml"), NOTHING).expect("a file");
        folder
    }

    #[test]
    fn the_program_carries_what_the_repository_has() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut own = read(&top).expect("the modules are sound");
        let carried = Folders::built_in();
        assert_eq!(own.iter().count(), carried.iter().count());
        for (name, folder) in own.iter() {
            let (_, same) = carried.iter().find(|(it, _)| *it == name).expect(name);
            // Recorded answers are for trials of the repository's folders alone.
            let mut files = folder.files.clone();
            files.retain(|path, _| !path.starts_with("cases/"));
            assert_eq!(files, same.files, "{name}");
        }
        own = own.with(MODULES, BTreeMap::new());
        Concerns::read(&own, &deployctl_checks::judges()).expect("the concerns are sound");
        TemplateSet::of(&own).expect("the templates are sound");
    }

    #[test]
    fn a_repository_s_folder_replaces_the_program_s_as_a_whole() {
        let top = tempfile::tempdir().expect("a folder");
        let places = || -> Vec<String> {
            let folders = read(top.path()).expect("the folders are sound");
            folders
                .iter()
                .map(|(_, folder)| folder.place.clone())
                .collect()
        };
        let all = places();
        assert!(all.contains(&"deployctl:modules/ssh".to_owned()), "{all:?}");
        fs::create_dir_all(top.path().join("modules/nixos-things")).expect("a folder");
        assert_eq!(places(), all, "a folder for something else");
        concern(top.path(), "ssh");
        let own: Vec<String> = places();
        assert!(own.contains(&"modules/ssh".to_owned()), "{own:?}");
        assert_eq!(own.len(), all.len());
    }

    #[test]
    fn a_concern_is_no_link_out_of_the_repository() {
        let top = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        let folder = concern(elsewhere.path(), "web");
        fs::create_dir(top.path().join(MODULES)).expect("a folder");
        std::os::unix::fs::symlink(folder, top.path().join("modules/web")).expect("a link");
        let error = read(top.path()).expect_err("it is a link").to_string();
        assert!(error.contains("modules/web` is a symbolic link"), "{error}");
    }

    #[test]
    fn the_layout_of_earlier_versions_is_rejected() {
        let top = tempfile::tempdir().expect("a folder");
        let earlier = top.path().join("modules/ubuntu/time");
        fs::create_dir_all(&earlier).expect("a folder");
        fs::write(earlier.join("module.toml"), "").expect("a file");
        let error = read(top.path())
            .expect_err("nothing would read it")
            .to_string();
        assert!(
            error.ends_with("is where earlier versions had the concern `time`"),
            "{error}"
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_repository_without_modules() {
        use std::os::unix::fs::symlink;

        let top = tempfile::tempdir().expect("a folder");
        symlink("/nowhere", top.path().join(MODULES)).expect("a link");
        let error = read(top.path()).expect_err("the modules are not there");
        assert!(matches!(error, ModulesError::Read { .. }), "{error}");
    }

    #[test]
    fn backups_are_passed_over_and_errors_name_the_file() {
        let top = tempfile::tempdir().expect("a folder");
        let time = concern(top.path(), "time").join("ubuntu");
        fs::write(time.join("module.toml"), "").expect("a file");
        for passed_over in ["module.toml~", ".module.toml.swp"] {
            fs::write(time.join(passed_over), "not TOML").expect("a file");
        }
        read(top.path()).expect("nothing but a module");

        fs::write(time.join("etc/binary"), [0xff]).expect("a file");
        let binary = read(top.path()).expect_err("templates are text");
        assert!(
            binary
                .to_string()
                .ends_with("/etc/binary` is not UTF-8 text"),
            "{binary}"
        );

        fs::write(time.join("etc/binary"), "x").expect("a file");
        let folders = read(top.path()).expect("the files are text");
        TemplateSet::of(&folders).expect_err("a file that nothing uses");
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        use std::os::unix::fs::symlink;

        let top = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        symlink(elsewhere.path(), top.path().join("modules")).expect("a link");
        let time = concern(top.path(), "time").join("ubuntu");
        fs::write(time.join("module.toml"), "").expect("a file");
        read(top.path()).expect("`modules` may be a link");

        let odd = time.join("etc/odd");
        let refused = |why: &str| {
            let error = read(top.path()).expect_err(why).to_string();
            assert!(error.contains("/time/ubuntu/etc/odd` is "), "{error}");
            assert!(error.contains(why), "{error}");
            fs::remove_file(&odd).expect("it is there");
        };
        symlink(elsewhere.path(), &odd).expect("a link");
        refused("a symbolic link to a folder");
        fs::write(elsewhere.path().join("secret"), "x").expect("a file");
        symlink(elsewhere.path().join("secret"), &odd).expect("a link");
        refused("a symbolic link out of its concern's folder");
        symlink("../module.toml", &odd).expect("a link");
        read(top.path()).expect("a link to a file of the folder is as good as the file");
        fs::remove_file(&odd).expect("it is there");
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

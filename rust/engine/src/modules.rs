//! The Ubuntu platform's modules: those that the program embeds, and those of the current repository.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
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
    /// Modules that contradict themselves.
    #[error(transparent)]
    Invalid(#[from] RenderErrors),
}

/// The name of the embedded folder in errors and in `why`; no repository has it.
const CARRIED: &str = "deployctl:modules/ubuntu";

/// Every file that the program embeds, by its path below [`MODULES`].
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Compiles the modules for the repository at `top`: each folder of its `modules/ubuntu`, if there
/// is one, replaces the one that the program embeds.
///
/// Hidden files and editors' backups (`~`) are skipped. `modules` and `modules/ubuntu` may be links to folders,
/// nothing below them may; a link to a file is read as the file.
pub fn read(top: &Path) -> Result<TemplateSet, ModulesError> {
    let own = if is_absent(top) {
        BTreeMap::new()
    } else {
        read_folder(&top.join(MODULES))?
    };
    Ok(TemplateSet::layered(&[
        (CARRIED, carried()),
        (MODULES, own),
    ])?)
}

fn carried() -> BTreeMap<String, String> {
    let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    FILES.iter().map(own).collect()
}

/// Whether there is no `modules/ubuntu` at `top`. A dangling link counts as present.
fn is_absent(top: &Path) -> bool {
    let absent = |path: &Path| {
        std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let modules = top.join("modules");
    absent(&modules) || modules.is_dir() && absent(&top.join(MODULES))
}

/// The text of every file below `root`, by its path below it.
fn read_folder(root: &Path) -> Result<BTreeMap<String, String>, ModulesError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(root.to_owned(), String::new())];
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
    Ok(files)
}

/// Reads a regular file of a sane size.
fn read_template(path: &Path) -> Result<Vec<u8>, ModulesError> {
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

    use super::*;

    #[test]
    fn the_repository_s_modules_read() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let set = read(&top).expect("the modules are sound");
        let concerns: Vec<&str> = set.concerns().map(AsRef::as_ref).collect();
        assert!(
            concerns.contains(&"hugepages") && concerns.contains(&"extra"),
            "{concerns:?}"
        );
    }

    #[test]
    fn the_program_carries_what_the_repository_has() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let own = read_folder(&top.join(MODULES)).expect("the modules are sound");
        assert_eq!(carried(), own);
    }

    #[test]
    fn a_repository_without_modules_takes_those_of_the_program() {
        let top = tempfile::tempdir().expect("a folder");
        let concerns = |why: &str| -> Vec<String> {
            let set = read(top.path()).expect(why);
            set.concerns().map(ToString::to_string).collect()
        };
        let all = concerns("there is nothing");
        assert!(all.iter().any(|concern| concern == "ssh"), "{all:?}");
        fs::create_dir(top.path().join("modules")).expect("a folder");
        assert_eq!(concerns("a folder for something else"), all);
        fs::create_dir(top.path().join(MODULES)).expect("a folder");
        assert_eq!(concerns("nothing in it"), all);
        let own = top.path().join(MODULES).join("ssh");
        fs::create_dir(&own).expect("a folder");
        fs::write(own.join("module.toml"), "").expect("a file");
        assert_eq!(concerns("one of its own"), all);
        // A folder is replaced as a whole, so no embedded template of that concern is left over.
        fs::write(own.join("module.toml"), "[[file]]\n").expect("a file");
        let error = read(top.path()).expect_err("a module without sense");
        assert!(
            error
                .to_string()
                .starts_with("modules/ubuntu/ssh/module.toml:"),
            "{error}"
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_repository_without_modules() {
        use std::os::unix::fs::symlink;

        for link in ["modules", MODULES] {
            let top = tempfile::tempdir().expect("a folder");
            let link = top.path().join(link);
            fs::create_dir_all(link.parent().expect("it has one")).expect("a folder");
            symlink("/nowhere", &link).expect("a link");
            let error = read(top.path()).expect_err("the modules are not there");
            assert!(matches!(error, ModulesError::Read { .. }), "{error}");
        }
    }

    #[test]
    fn backups_are_passed_over_and_errors_name_the_file() {
        let top = tempfile::tempdir().expect("a folder");
        let time = top.path().join("modules/ubuntu/time");
        fs::create_dir_all(time.join("etc")).expect("a folder");
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
        let unused = read(top.path()).expect_err("a file that nothing uses");
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
        read(top.path()).expect("`modules` may be a link");

        let odd = time.join("etc/odd");
        let refused = |why: &str| {
            let error = read(top.path()).expect_err(why).to_string();
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

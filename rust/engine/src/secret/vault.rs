//! The files below `secrets/`, and when their values were changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use age::armor::{ArmoredWriter, Format};

use crate::files;

/// Longest file: a value of the greatest length, encrypted and in base64.
const CAP: u64 = 2 << 20;

/// Days on which values were changed. Git's own times are those of commits, and of a rebase.
const CHANGED: &str = "changed.json";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The days are not what we wrote.
    #[error("`{}` is not what deployctl writes there", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl VaultError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Changed { path, .. } => Some(format!(
                "`git checkout -- {}` takes the committed one",
                path.display()
            )),
            Self::Read { .. } | Self::Write { .. } => None,
        }
    }
}

/// The folder `secrets/` of a repository.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
}

impl Vault {
    /// Of the repository at `top`.
    pub fn of(top: &Path) -> Self {
        Self {
            folder: top.join("secrets"),
        }
    }

    /// The file of the secret `name`, whether or not it is there.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.age"))
    }

    /// The encrypted bytes of `name`; `None` where there is no such file.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        read(&self.path(name))
    }

    /// Those of `names` that are there, as text, whichever form a file has.
    ///
    /// # Errors
    /// One is there and cannot be read.
    pub fn armored(&self, names: &[&str]) -> Result<BTreeMap<String, String>, VaultError> {
        let mut files = BTreeMap::new();
        for name in names {
            if let Some(bytes) = self.read(name)? {
                let text = armor(&bytes).map_err(|source| VaultError::Read {
                    path: self.path(name),
                    source,
                })?;
                files.insert((*name).to_owned(), text);
            }
        }
        Ok(files)
    }

    /// The names of all files.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> Result<BTreeSet<String>, VaultError> {
        let at = |source| VaultError::Read {
            path: self.folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(at)?,
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(at)?.file_name();
            let name = name.to_string_lossy();
            names.extend(name.strip_suffix(".age").map(ToOwned::to_owned));
        }
        Ok(names)
    }

    /// Writes `files`, by name; each is either the earlier one or the new one, whatever happens. Where the values
    /// changed, `on` is the day.
    ///
    /// # Errors
    /// One cannot be written; those before it are.
    pub fn write(
        &self,
        files: &BTreeMap<String, String>,
        on: Option<&str>,
    ) -> Result<(), VaultError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| VaultError::Write { path, source }
        };
        // What cannot be read is told before anything is written.
        let mut changed = self.changed()?;
        std::fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        for (name, sealed) in files {
            let path = self.path(name);
            files::replace(&path, sealed.as_bytes(), 0o644).map_err(at(&path))?;
        }
        let Some(day) = on else {
            return Ok(());
        };
        changed.extend(files.keys().map(|name| (name.clone(), day.to_owned())));
        let there = self.names()?;
        changed.retain(|name, _| there.contains(name));
        let path = self.folder.join(CHANGED);
        let text = serde_json::to_string_pretty(&changed);
        let text = text.map_err(|source| VaultError::Changed {
            path: path.clone(),
            source,
        })? + "\n";
        files::replace(&path, text.as_bytes(), 0o644).map_err(at(&path))
    }

    /// The day on which each value was changed, as `2026-11-27`.
    ///
    /// # Errors
    /// The file cannot be read, or is not ours.
    pub fn changed(&self) -> Result<BTreeMap<String, String>, VaultError> {
        let path = self.folder.join(CHANGED);
        let Some(bytes) = read(&path)? else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_slice(&bytes).map_err(|source| VaultError::Changed { path, source })
    }
}

/// The armored form of a file of age; what is text is left as it is.
fn armor(bytes: &[u8]) -> io::Result<String> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.trim_start().starts_with("-----BEGIN ")
    {
        return Ok(text.to_owned());
    }
    let mut armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    armored.write_all(bytes)?;
    let armored = armored.finish()?;
    Ok(String::from_utf8_lossy(&armored).into_owned())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    match files::read_up_to(path, CAP) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VaultError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

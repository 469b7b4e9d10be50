//! A cache of evaluations: the same files give the same system.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use deployctl_core::rendered::Sha256Hex;
use serde::{Deserialize, Serialize};

use super::derivation::{Derivation, Installable};
use crate::repository;

/// The version of the format; it changes with the content or with how it is made.
const FORMAT: u32 = 1;
/// The most entries that are kept.
const MANY: usize = 512;

/// The cached evaluations of one state of a repository.
///
/// The key of an entry is made of the bytes of all files that git tracks (`flake.lock` is one of them), the
/// attribute and the kind of computer. A damaged entry counts as absent; an entry that cannot be written is
/// dropped.
#[derive(Debug, Clone, Default)]
pub struct EvaluationCache {
    at: Option<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    folder: PathBuf,
    top: PathBuf,
    tree: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    format: u32,
    attribute: String,
    derivation: Derivation,
}

impl EvaluationCache {
    /// A cache that stores nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Evaluations of the flake at `top` as it is now, below `directory`. Without git it stores nothing, since
    /// the state of the files has no key. The same goes for a flake with unlocked inputs: they may change.
    pub async fn open(directory: &Path, top: &Path) -> Self {
        if !is_locked(top) {
            return Self::none();
        }
        let tree = repository::tracked_tree(top).await;
        Self {
            at: tree.map(|tree| Place {
                folder: directory.join("evaluations"),
                top: top.to_owned(),
                tree,
            }),
        }
    }

    fn file(&self, of: &Installable) -> Option<PathBuf> {
        let Place { folder, tree, .. } = self.at.as_ref()?;
        let key = format!("{FORMAT}\n{tree}\n{}\n{}\n", of.attribute, of.system);
        let name = Sha256Hex::of(key.as_bytes());
        Some(folder.join(format!("{}.json", name.as_str())))
    }

    /// The cached evaluation.
    pub(super) fn get(&self, of: &Installable) -> Option<Derivation> {
        let bytes = std::fs::read(self.file(of)?).ok()?;
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let fits = entry.format == FORMAT && entry.attribute == of.attribute;
        fits.then_some(entry.derivation)
    }

    /// Stores an evaluation, unless files have changed since this was opened: Nix may have read either version.
    pub(super) async fn put(&self, of: &Installable, derivation: &Derivation) {
        let (Some(file), Some(at)) = (self.file(of), &self.at) else {
            return;
        };
        if repository::tracked_tree(&at.top).await.as_ref() != Some(&at.tree) {
            return;
        }
        let entry = Entry {
            format: FORMAT,
            attribute: of.attribute.clone(),
            derivation: derivation.clone(),
        };
        let _ = write(&file, &entry);
    }
}

/// Whether the lock pins all inputs. Nix itself rejects a lock that lacks one of them.
fn is_locked(top: &Path) -> bool {
    let flake = std::fs::read_to_string(top.join("flake.nix")).unwrap_or_default();
    let code = flake
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let has_inputs = code.into_iter().any(|line| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .any(|word| word == "inputs")
    });
    !has_inputs || top.join("flake.lock").is_file()
}

fn write(file: &Path, entry: &Entry) -> std::io::Result<()> {
    let folder = file.parent().expect("it is in a folder");
    std::fs::create_dir_all(folder)?;
    make_room(folder)?;
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    whole.write_all(&serde_json::to_vec(entry)?)?;
    whole.persist(file)?;
    Ok(())
}

/// Removes the older half of the entries if there are too many.
fn make_room(folder: &Path) -> std::io::Result<()> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    if files.len() > MANY {
        files.sort();
        for (_, path) in &files[..files.len() - MANY / 2] {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_without_a_lock_are_never_the_same_for_sure() {
        let top = tempfile::tempdir().unwrap();
        let flake = top.path().join("flake.nix");
        for (text, locked) in [
            ("{ outputs = _: { }; }", true),
            ("# no inputs here\n{ outputs = _: { }; }", true),
            (
                "{ inputs.shared.url = \"path:../shared\"; outputs = _: { }; }",
                false,
            ),
            ("{\n  inputs = { nixpkgs.url = \"nixpkgs\"; };\n}", false),
        ] {
            std::fs::write(&flake, text).unwrap();
            assert_eq!(is_locked(top.path()), locked, "{text}");
        }
        std::fs::write(top.path().join("flake.lock"), "{}").unwrap();
        assert!(is_locked(top.path()));
    }
}

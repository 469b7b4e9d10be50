//! What evaluations gave: the same files give the same system, so nobody has to ask twice.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use deployctl_core::rendered::Sha256Hex;
use serde::{Deserialize, Serialize};

use super::derivation::{Derivation, Installable};
use crate::repository;

/// Changes when what is kept, or how it comes about, does.
const FORMAT: u32 = 1;
/// More entries than that make room for new ones.
const MANY: usize = 512;

/// Where evaluations are kept, for the state of one repository.
///
/// An entry stands for the bytes of all files that git tracks (`flake.lock` is one of them), the
/// attribute and the kind of computer. What is damaged counts as absent; what cannot be written is not kept.
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
    /// One that keeps nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Evaluations of the flake at `top` as it is now, below `directory`. Without git it keeps nothing, since the
    /// state of the files has no name.
    /// So does a flake with inputs that no lock pins: they may be others the next time.
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

    /// What was evaluated before.
    pub(super) fn get(&self, of: &Installable) -> Option<Derivation> {
        let bytes = std::fs::read(self.file(of)?).ok()?;
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let fits = entry.format == FORMAT && entry.attribute == of.attribute;
        fits.then_some(entry.derivation)
    }

    /// Keeps what was evaluated, unless files have changed since this was opened: which of them Nix saw, nobody knows.
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

/// Whether the same files always mean the same inputs. Nix itself refuses a lock that lacks one of them.
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

/// Removes the older half of too many.
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

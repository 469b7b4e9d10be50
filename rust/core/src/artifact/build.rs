//! A release that the host makes by itself: of texts that it is sent, by a program of the concern's folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{ArtifactFile, artifact_lines};
use crate::name::{ArtifactPath, ManagedPath};
use crate::query::quote;
use crate::rendered::Sha256Hex;

/// What makes a release, and of what. The artifact's files are what it takes beside: they are fetched first, and are not
/// part of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Texts of the program by file name; it starts with `build.sh`.
    pub program: BTreeMap<ArtifactPath, String>,
    /// Texts that it works on, by file name.
    pub inputs: BTreeMap<ArtifactPath, String>,
    /// Variables of its shell.
    pub variables: BTreeMap<String, String>,
    /// Files on the host that hold secrets, by what the program takes them for. They do not change what is made.
    pub secrets: BTreeMap<String, ManagedPath>,
}

/// The file that a build starts with.
pub(crate) const BUILD_START: &str = "build.sh";

impl Build {
    /// The digest of what it makes: of everything that goes into it.
    pub(super) fn digest(&self, files: &BTreeMap<ArtifactPath, ArtifactFile>) -> Sha256Hex {
        let mut text = artifact_lines(files);
        for (word, texts) in [("program", &self.program), ("input", &self.inputs)] {
            for (name, content) in texts {
                let _ = writeln!(text, "{word} {} {name}", Sha256Hex::of(content.as_bytes()));
            }
        }
        text.push_str(&self.assignments());
        Sha256Hex::of(text.as_bytes())
    }

    /// Its variables as a shell reads them.
    pub(super) fn assignments(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            let _ = writeln!(text, "{name}={}", quote(value));
        }
        text
    }

    /// Its files below the job's folder, with their texts.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &str)> {
        let folders = [("program", &self.program), ("inputs", &self.inputs)];
        folders.into_iter().flat_map(|(folder, texts)| {
            let texts = texts.iter();
            texts.map(move |(name, text)| (format!("{folder}/{name}"), text.as_str()))
        })
    }
}

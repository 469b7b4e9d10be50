//! What is too large for a plan: models, environments of Python, packages of one's own.
//!
//! ```text
//! [[artifact]] ── render ──▶ Artifact ── Job ──▶ host: stage.sh ── releases/<digest>
//!                               │ `current`, an entry like others      │ StageStatus
//!                               ▼                                      ▼
//!                              plan ─────────── apply switches ─────────
//! ```
//!
//! An artifact is a set of files whose sizes and hashes are known when the plan is made; its digest is made of these. Or
//! the host makes it, of texts that it is sent and of such files ([`Build`]). The host brings it into
//! `<base>/releases/<digest>` before anything is changed, and a folder bears that name only once every file in it is whole.
//! `<base>/current` is a link among the managed paths: an apply switches it, a rollback puts it back, and units that watch
//! it restart.

mod job;
mod needs;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::name::{ArtifactName, ArtifactPath, ConcernName, ManagedPath, NameError};
use crate::query::quote;
use crate::rendered::Sha256Hex;

pub use job::{Collection, Freed, FreedError, Job, STAGE_PROGRAM, read_freed};
pub use needs::Need;
pub use status::{
    Send, StageFailure, StagePhase, StageStatus, StageStatusError, parse_stage_status,
};

/// An artifact that a host should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The concern that declares it.
    pub concern: ConcernName,
    /// What it is, in one word: `model`.
    pub kind: ArtifactName,
    /// Which; the same kind has each name once on a host.
    pub name: ArtifactName,
    /// Hash of its files' paths, sizes and hashes, and of all that a build is made of.
    pub digest: Sha256Hex,
    /// Where the files come from.
    pub source: Source,
    /// The file on the host that holds the token for the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<ManagedPath>,
    /// What else staging needs of packages: paths, or names on the search path. Generations on hosts do not keep it.
    #[serde(skip)]
    pub programs: BTreeSet<String>,
    /// Managed paths whose changes have to be in effect before it is staged: what a token is opened from. Not kept either.
    #[serde(skip)]
    pub after: BTreeSet<ManagedPath>,
    /// GiB that must stay free, by mount point.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub min_free_gib: BTreeMap<String, u32>,
    /// How many releases stay on the host when others are freed.
    pub keep: u8,
    /// Its files, by their paths below the release.
    pub files: BTreeMap<ArtifactPath, ArtifactFile>,
    /// Whether the host makes it of its files. Else these are all of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// How the host makes it. Generations on hosts do not keep that, since its texts are long: there the digest stands for it.
    #[serde(skip)]
    pub build: Option<Build>,
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFile {
    /// Its size in bytes.
    pub size: u64,
    /// Hash of its bytes.
    pub sha256: Sha256Hex,
}

/// Where an artifact's files come from; each is at its own path below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// A URL that begins with `https://`.
    Https(String),
    /// A directory of the host.
    Directory(ManagedPath),
    /// A folder of the repository: the controller sends what the host lacks.
    Upload(ArtifactPath),
}

/// What the text of [`Source::Upload`] begins with.
const UPLOAD: &str = "upload:";

impl Artifact {
    /// The digest of `files` and of what is made of them: what is the same has the same digest, wherever it comes from.
    pub fn digest_of(
        files: &BTreeMap<ArtifactPath, ArtifactFile>,
        build: Option<&Build>,
    ) -> Sha256Hex {
        build.map_or_else(
            || Sha256Hex::of(artifact_lines(files).as_bytes()),
            |build| build.digest(files),
        )
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        let sizes = self.files.values().map(|file| file.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// The link below `base` that leads to the release in use.
    ///
    /// # Errors
    /// `base` is too long for anything below it.
    pub fn link(base: &ManagedPath) -> Result<ManagedPath, NameError> {
        ManagedPath::new(format!("{base}/current"))
    }

    /// What that link says: the release, relative to the base.
    pub fn target(&self) -> String {
        Self::target_of(&self.digest)
    }

    /// Which of its files `path` is, below the link of the artifact at `base`; `None` for what is elsewhere. Of an artifact that
    /// the host makes, the files are not known.
    pub(crate) fn below_link(
        &self,
        base: &ManagedPath,
        path: &ManagedPath,
    ) -> Option<ArtifactPath> {
        let below = path
            .as_str()
            .strip_prefix(Self::link(base).ok()?.as_str())?;
        let below = ArtifactPath::new(below.strip_prefix('/')?).ok()?;
        (self.made || self.files.contains_key(&below)).then_some(below)
    }

    /// The same of the release with that digest.
    pub(crate) fn target_of(digest: &Sha256Hex) -> String {
        format!("{RELEASES}{digest}")
    }
}

/// `SHA256 SIZE PATH` a line.
fn artifact_lines(files: &BTreeMap<ArtifactPath, ArtifactFile>) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (path, file) in files {
        let _ = writeln!(text, "{} {} {path}", file.sha256, file.size);
    }
    text
}

/// The folder of releases below an artifact's base.
const RELEASES: &str = "releases/";

/// The digest in what a link `current` says; `None` if it leads elsewhere.
pub fn digest_in(target: &str) -> Option<Sha256Hex> {
    Sha256Hex::from_hex(target.strip_prefix(RELEASES)?)
}

impl TryFrom<String> for Source {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let rule = || {
            format!(
                "`{}` is neither a URL that begins with `https://` nor the absolute path of a directory, nor `upload:` and a path below the repository",
                text.escape_debug()
            )
        };
        if let Some(rest) = text.strip_prefix("https://") {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"/._-~:@%+=,[]".contains(&b);
            let host = rest.split('/').next().unwrap_or_default();
            if host.contains('@') || rest.contains(['?', '#']) {
                // It may hold a password or a token, so it is not said again.
                return Err(
                    "the URL has a login or a query, which plans would show; name a file with a token instead"
                        .to_owned(),
                );
            }
            let valid = !host.is_empty() && rest.bytes().all(good);
            return if valid && !rest.ends_with('/') {
                Ok(Self::Https(text))
            } else {
                Err(format!(
                    "`{}` is no URL of a folder: after `https://` come a host and a path of letters, digits and `/._-~:@%+=,`, and no `/` at the end",
                    text.escape_debug()
                ))
            };
        }
        if let Some(folder) = text.strip_prefix(UPLOAD) {
            let folder = ArtifactPath::new(folder).map_err(|_| {
                format!(
                    "`{}` is no path below the repository: relative, without `.`, `..` and `//`, of letters, digits and `/._-+=@,`",
                    folder.escape_debug()
                )
            })?;
            return Ok(Self::Upload(folder));
        }
        match ManagedPath::new(text.as_str()) {
            Ok(path) => Ok(Self::Directory(path)),
            Err(_) => Err(rule()),
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Https(url) => f.pad(url),
            Self::Directory(path) => f.pad(path.as_str()),
            Self::Upload(folder) => f.pad(&format!("{UPLOAD}{folder}")),
        }
    }
}

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
    fn digest(&self, files: &BTreeMap<ArtifactPath, ArtifactFile>) -> Sha256Hex {
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
    fn assignments(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            let _ = writeln!(text, "{name}={}", quote(value));
        }
        text
    }

    /// Its files below the job's folder, with their texts.
    fn files(&self) -> impl Iterator<Item = (String, &str)> {
        let folders = [("program", &self.program), ("inputs", &self.inputs)];
        folders.into_iter().flat_map(|(folder, texts)| {
            let texts = texts.iter();
            texts.map(move |(name, text)| (format!("{folder}/{name}"), text.as_str()))
        })
    }
}

//! Pins a model: lists the files of one revision of a repository on a hub, with their sizes and SHA-256.
//!
//! The hub is one that answers as the Hugging Face Hub does: `api/models/REPOSITORY/revision/REVISION` names the commit,
//! `api/models/REPOSITORY/tree/COMMIT` lists its files, page by page, with the SHA-256 of large ones. Small ones are fetched
//! and hashed, and one of them tells the model's architecture.

mod architecture;
mod error;
mod hub;
mod listing;

use deployctl_core::glob::glob;
use deployctl_core::name::ArtifactPath;
use deployctl_core::rendered::Sha256Hex;
use serde::Serialize;

pub use architecture::Architecture;
pub use error::PinError;
use hub::Hub;
use listing::Listed;

use crate::interrupt::Interrupt;

/// Most files that the facts of a model take.
const MOST: usize = 2000;

/// Which revision of which repository, and which of its files.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Address of the hub: `https://` and a name, without a path.
    pub hub: &'a str,
    /// `owner/name`.
    pub repository: &'a str,
    /// A branch, a tag, or a commit.
    pub revision: &'a str,
    /// A token of the hub.
    pub token: Option<&'a str>,
    /// Globs of the files to list; none: all.
    pub include: &'a [String],
    /// Globs of the files to leave out.
    pub exclude: &'a [String],
    /// Stops it.
    pub interrupt: &'a Interrupt,
}

/// What `models.snapshots.NAME.manifest` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// `owner/name`.
    pub repository: String,
    /// The commit, in full.
    pub revision: String,
    /// What its `config.json` says of attention, where the memory that a token takes follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// All files, by path.
    pub files: Vec<PinnedFile>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinnedFile {
    /// Where it is in the repository.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Hash of its bytes.
    pub sha256: Sha256Hex,
}

impl Request<'_> {
    /// Asks the hub; `tell` hears of each file that is fetched.
    ///
    /// # Errors
    /// The hub cannot be reached, denies it, has no such thing, or says what no manifest can hold.
    pub async fn pin(&self, tell: &(dyn Fn(&str) + Sync)) -> Result<Pinned, PinError> {
        let hub = Hub::new(self.hub, self.token, self.interrupt)?;
        let revision = hub.commit(self.repository, self.revision).await?;
        let mut listed = hub.files(self.repository, &revision).await?;
        listed.retain(|file| self.wants(&file.path));
        if listed.is_empty() {
            return Err(PinError::NoFiles {
                repository: self.repository.to_owned(),
                revision,
            });
        }
        if listed.len() > MOST {
            return Err(PinError::TooMany(listed.len()));
        }
        listed.sort_by(|one, other| one.path.cmp(&other.path));
        let (mut files, mut architecture) = (Vec::new(), None);
        for Listed { path, size, sha256 } in listed {
            if ArtifactPath::new(path.as_str()).is_err() {
                return Err(PinError::Path(path));
            }
            let sha256 = if let Some(sha256) = sha256 {
                sha256
            } else {
                tell(&path);
                let bytes = hub.file(self.repository, &revision, &path, size).await?;
                if path == architecture::FILE {
                    architecture = architecture::read(&bytes);
                }
                Sha256Hex::of(&bytes)
            };
            files.push(PinnedFile { path, size, sha256 });
        }
        Ok(Pinned {
            repository: self.repository.to_owned(),
            revision,
            architecture,
            files,
        })
    }

    fn wants(&self, path: &str) -> bool {
        let fits = |globs: &[String]| globs.iter().any(|it| glob(it, path));
        (self.include.is_empty() || fits(self.include)) && !fits(self.exclude)
    }
}

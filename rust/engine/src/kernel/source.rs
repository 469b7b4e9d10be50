//! The kernel's source: a folder, or a tarball that becomes one.

use std::path::{Path, PathBuf};

use super::{DEADLINE, KernelError, Step, absolute, create, succeeded};
use crate::process::Program;

/// The script that merges a fragment into a configuration.
pub(super) const MERGE: &str = "scripts/kconfig/merge_config.sh";

/// An unpacked source.
#[derive(Debug)]
pub struct Source(PathBuf);

impl Source {
    /// The folder `path`, or what the tarball `path` holds, unpacked below `out`.
    pub(super) async fn open(
        path: &Path,
        out: &Path,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<Self, KernelError> {
        let folder = if path.is_dir() {
            absolute(path)?
        } else {
            unpack(&absolute(path)?, &out.join("source"), tell).await?
        };
        for file in ["Kconfig", "Makefile", MERGE] {
            if !folder.join(file).is_file() {
                return Err(KernelError::NoSource {
                    path: path.to_owned(),
                    file,
                });
            }
        }
        Ok(Self(folder))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// A file's text.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.0.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Unpacks a tarball without its first folder, once: a complete tree is not unpacked again.
async fn unpack(
    tarball: &Path,
    to: &Path,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<PathBuf, KernelError> {
    let mark = to.join(".deployctl-unpacked");
    let bytes = std::fs::metadata(tarball).map_err(|error| KernelError::file(tarball, error))?;
    let whole = format!("{} bytes of {}\n", bytes.len(), tarball.display());
    if std::fs::read_to_string(&mark).is_ok_and(|from| from == whole) {
        return absolute(to);
    }
    tell(Step::Unpacking);
    create(to)?;
    let finished = Program::new("tar")
        .arguments([
            "--extract",
            "--strip-components=1",
            "--no-same-owner",
            "--file",
        ])
        .arguments([tarball])
        .arguments(["--directory".as_ref(), to.as_os_str()])
        .variable("LC_ALL", "C")
        .deadline(DEADLINE)
        .run()
        .await?;
    succeeded("tar --extract", &finished)?;
    std::fs::write(&mark, whole).map_err(|error| KernelError::file(&mark, error))?;
    absolute(to)
}

//! Results in files: `JUnit` XML for machines, a page for people.

use std::path::{Path, PathBuf};

use deployctl_engine::files;

use crate::failure::Failure;

/// What is written after every run, however it ended.
pub(super) struct Pages {
    junit: Option<PathBuf>,
    html: Option<PathBuf>,
}

impl Pages {
    /// Looks whether the files can be written, before anybody is asked.
    pub(super) fn new(junit: Option<&Path>, html: Option<&Path>) -> Result<Self, Failure> {
        for (option, path) in [("--junit", junit), ("--html", html)] {
            if let Some(path) = path {
                files::replaceable(path).map_err(|error| unwritable(option, path, &error))?;
            }
        }
        if junit.is_some() && junit == html {
            return Err(Failure::usage("`--junit` and `--html` name the same file"));
        }
        Ok(Self {
            junit: junit.map(Path::to_owned),
            html: html.map(Path::to_owned),
        })
    }

    /// Whether nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.junit.is_none() && self.html.is_none()
    }

    /// Whether a page for people is wanted.
    pub(super) fn html(&self) -> bool {
        self.html.is_some()
    }

    /// Writes what is wanted.
    pub(super) fn write(
        &self,
        junit: impl FnOnce() -> String,
        html: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if let Some(path) = &self.junit {
            write("--junit", path, &junit())?;
        }
        if let Some(path) = &self.html {
            write("--html", path, &html())?;
        }
        Ok(())
    }
}

fn write(option: &str, path: &Path, text: &str) -> Result<(), Failure> {
    files::replace(path, text.as_bytes(), 0o644).map_err(|error| unwritable(option, path, &error))
}

fn unwritable(option: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("`{option}`: cannot write `{}`", path.display())).cause(error)
}

//! What can be wrong with a concern's folder.

use std::fmt;

use crate::errors::{Errors, Hinted};

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConcernError {
    /// The file, relative to the repository: `modules/web/concern.toml`.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// What is wrong, a lower-case fragment.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for ConcernError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

impl std::error::Error for ConcernError {}

impl Hinted for ConcernError {
    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Everything that is wrong with folders.
pub type ConcernErrors = Errors<ConcernError>;

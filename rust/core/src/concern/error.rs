//! What can be wrong with a concern's folder.

use std::fmt;

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

/// Everything that is wrong, ordered by file and line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcernErrors(Vec<ConcernError>);

impl ConcernErrors {
    /// `Ok` when there are none.
    pub(super) fn check(mut errors: Vec<ConcernError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort();
        errors.dedup();
        Err(Self(errors))
    }

    /// The errors, ordered by file and line.
    pub fn iter(&self) -> impl Iterator<Item = &ConcernError> {
        self.0.iter()
    }
}

impl fmt::Display for ConcernErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
            if let Some(hint) = &error.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConcernErrors {}

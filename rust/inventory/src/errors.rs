//! Everything that is wrong with an input, told at once.

use std::fmt;

/// An error that may know what to do about it.
pub trait Hinted: fmt::Display {
    /// What to do.
    fn hint(&self) -> Option<&str>;
}

/// Errors, each with its place, in the order of their places. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors<E>(Vec<E>);

impl<E: PartialEq> Errors<E> {
    /// `Ok` when there are none. `place` orders them, so that two runs say the same.
    pub fn check<K: Ord>(mut errors: Vec<E>, place: impl FnMut(&E) -> K) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by_cached_key(place);
        errors.dedup();
        Err(Self(errors))
    }
}

impl<E> Errors<E> {
    /// The errors, by file and line.
    pub fn iter(&self) -> std::slice::Iter<'_, E> {
        self.0.iter()
    }
}

impl<'a, E> IntoIterator for &'a Errors<E> {
    type Item = &'a E;
    type IntoIter = std::slice::Iter<'a, E>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E: Hinted> fmt::Display for Errors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
            if let Some(hint) = error.hint() {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl<E: Hinted + fmt::Debug> std::error::Error for Errors<E> {}

//! The value of one symbol of a configuration.

use std::fmt;

/// A symbol's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Built in.
    Y,
    /// A module.
    M,
    /// Not set, said so or left out.
    N,
    /// A text, without its quotes, or a number.
    Text(String),
}

impl Value {
    /// On a scale on which a dependency caps what depends on it: off, module, built in.
    pub(super) fn strength(&self) -> u8 {
        match self {
            Self::Y => 2,
            Self::M => 1,
            Self::N | Self::Text(_) => 0,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Y => f.write_str("y"),
            Self::M => f.write_str("m"),
            Self::N => f.write_str("n"),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

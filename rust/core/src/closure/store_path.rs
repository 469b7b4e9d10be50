//! Paths in the Nix store.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of Nix's base 32: no `e`, `o`, `t`, `u`.
const DIGITS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
const STORE: &str = "/nix/store/";
const HASH_LENGTH: usize = 32;

/// `/nix/store/<32 characters of hash>-<name>`, as Nix's manual defines it ("Store path"). Nothing in
/// it needs quoting in a shell, and nothing below the path is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

/// Why a text is no store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no store path: expected `/nix/store/`, 32 characters of Nix's base 32, `-` and a name"
)]
pub struct StorePathError(String);

impl StorePath {
    /// Checks `text` and wraps it.
    pub fn new(text: impl Into<String>) -> Result<Self, StorePathError> {
        let text = text.into();
        if is_store_path(&text) {
            Ok(Self(text))
        } else {
            Err(StorePathError(text.escape_debug().to_string()))
        }
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash's 32 characters.
    pub fn hash(&self) -> &str {
        &self.0[STORE.len()..STORE.len() + HASH_LENGTH]
    }

    /// What follows the hash: `openssh-10.0p2`.
    pub fn name(&self) -> &str {
        &self.0[STORE.len() + HASH_LENGTH + 1..]
    }
}

fn is_store_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(STORE) else {
        return false;
    };
    let bytes = rest.as_bytes();
    let Some((hash, name)) = bytes.split_at_checked(HASH_LENGTH) else {
        return false;
    };
    let Some((b'-', name)) = name.split_first() else {
        return false;
    };
    hash.iter().all(|b| DIGITS.contains(b))
        && (1..=211).contains(&name.len())
        && !name.starts_with(b".")
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(b))
}

impl TryFrom<String> for StorePath {
    type Error = StorePathError;
    fn try_from(text: String) -> Result<Self, StorePathError> {
        Self::new(text)
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_path_is_one() {
        let good = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-openssh-10.0p2";
        let path = StorePath::new(good).unwrap();
        assert_eq!(path.hash(), "0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5");
        assert_eq!(path.name(), "openssh-10.0p2");
        for bad in [
            "",
            "/nix/store/",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwe5-x",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-x/bin",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-.x",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-x;y",
            "/gnu/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-x",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-\u{e4}",
        ] {
            assert!(StorePath::new(bad).is_err(), "{bad:?}");
        }
    }
}

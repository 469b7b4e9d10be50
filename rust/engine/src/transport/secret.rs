//! How the account that logs in becomes root, and the password for sudo: never shown, and never tried twice.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why a line is not a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It begins with a byte order mark.
    #[error("it begins with a byte order mark, which would be part of the password")]
    ByteOrderMark,
    /// sudo reads up to this byte.
    #[error("it holds a NUL byte")]
    Nul,
}

impl Secret {
    /// Takes the first line of `text`, without its line end. The bytes are not decoded: a host's
    /// locale decides what they mean.
    pub fn new(text: &[u8]) -> Result<Self, BadSecret> {
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"\xef\xbb\xbf") || line.starts_with(b"\xff\xfe") {
            return Err(BadSecret::ByteOrderMark);
        }
        if line.is_empty() {
            return Err(BadSecret::Empty);
        }
        if line.contains(&0) {
            return Err(BadSecret::Nul);
        }
        Ok(Self(line.to_vec()))
    }

    /// What sudo reads.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = self.0.clone();
        line.push(b'\n');
        line
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is known of a password on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// It was not asked for yet.
    No,
    /// The login became root with it.
    Taken,
    /// It was refused, and is not tried again: accounts are locked after a few tries.
    Refused,
}

/// The password for one host. All connections to the host share its state.
#[derive(Debug, Clone)]
pub struct Password {
    secret: Secret,
    tried: Arc<Mutex<Tried>>,
}

impl Password {
    /// One that was not tried yet.
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            tried: Arc::new(Mutex::new(Tried::No)),
        }
    }

    pub(super) fn line(&self) -> Vec<u8> {
        self.secret.line()
    }

    /// Waits until no other task is trying it.
    pub(super) async fn turn(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().await
    }
}

/// How the login becomes root.
#[derive(Debug, Clone)]
pub enum Become {
    /// It is root.
    Root,
    /// By `sudo -n`.
    Sudo,
    /// By sudo, with this password where sudo wants one.
    SudoPassword(Password),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_byte_by_byte() {
        for (text, line) in [
            (&b"word\n"[..], &b"word\n"[..]),
            (b"word\r\nsecond\n", b"word\n"),
            (b" blanks \n", b" blanks \n"),
            (b"caf\xe9", b"caf\xe9\n"),
        ] {
            assert_eq!(Secret::new(text).unwrap().line(), line);
        }
    }

    #[test]
    fn what_is_no_password_is_refused_here() {
        for (text, why) in [
            (&b""[..], BadSecret::Empty),
            (b"\n", BadSecret::Empty),
            (b"\r\nword\n", BadSecret::Empty),
            (b"\xef\xbb\xbfword\n", BadSecret::ByteOrderMark),
            (b"\xff\xfew\0o\0", BadSecret::ByteOrderMark),
            (b"wo\0rd", BadSecret::Nul),
        ] {
            assert_eq!(Secret::new(text), Err(why), "{text:?}");
        }
    }
}

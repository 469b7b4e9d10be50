//! The private keys at hand, and what they open.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{Callbacks, DecryptError};
use deployctl_core::secret::{Header, HeaderError};
use zeroize::Zeroizing;

use super::{LONGEST, Plaintext, words_of};
use crate::files::read_up_to;

/// The person at the terminal, for keys that need one.
pub trait Person: Send + Sync {
    /// The passphrase or PIN that `words` ask for; `None` where nobody can be asked.
    fn passphrase(&self, words: &str) -> Option<String>;

    /// Shows what the plugin of a hardware key wants done, such as a touch.
    fn message(&self, words: &str);
}

/// Why a private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read.
    #[error("cannot read the key `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no private key that age uses.
    #[error("`{}` holds no key that opens secrets: {because}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        because: String,
    },
}

/// Why a secret does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No private key is at hand.
    #[error("no key is at hand that could open it")]
    NoIdentity,
    /// It is encrypted to others.
    #[error("none of the keys at hand opens it: {0}")]
    NoMatch(String),
    /// The key has a passphrase, and nobody could be asked.
    #[error("the key that opens it has a passphrase, and there is no terminal to ask for it")]
    NoTerminal,
    /// The passphrase was wrong.
    #[error("the passphrase of the key that opens it is wrong")]
    Passphrase,
    /// Its bytes are not those that were encrypted.
    #[error("it was changed or damaged after it was encrypted")]
    Damaged,
    /// It ends where its format goes on: bytes are missing, or one that ends a part was changed.
    #[error("it is truncated or damaged")]
    Truncated,
    /// It is not age's, of a newer version, or not whole.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A value that no service could want.
    #[error("its value is longer than {LONGEST} bytes")]
    TooLong,
    /// Anything else, such as a plugin that failed.
    #[error("{0}")]
    Other(String),
}

/// Private keys, and the files they come from.
pub struct Identities {
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
    places: Vec<String>,
    unanswered: Arc<AtomicBool>,
}

impl Identities {
    /// Reads the private keys in `files`: of SSH, of `age-keygen`, or of plugins. `person` is asked once a key
    /// needs that.
    ///
    /// # Errors
    /// A file cannot be read or holds no key of these kinds.
    pub fn read(files: &[PathBuf], person: &Arc<dyn Person>) -> Result<Self, IdentityError> {
        let mut all = Self {
            keys: Vec::new(),
            places: Vec::new(),
            unanswered: Arc::default(),
        };
        for path in files {
            let asks = Asks {
                person: person.clone(),
                unanswered: all.unanswered.clone(),
            };
            all.keys.extend(keys_in(path, asks)?);
            all.places.push(format!("`{}`", path.display()));
        }
        Ok(all)
    }

    /// Opens `sealed`, armored or not.
    ///
    /// # Errors
    /// None of the keys opens it, or it is damaged.
    pub fn open(&self, sealed: &[u8]) -> Result<Plaintext, OpenError> {
        if self.keys.is_empty() {
            return Err(OpenError::NoIdentity);
        }
        Header::parse(sealed)?;
        let keys = self.keys.iter().map(|key| &**key as &dyn age::Identity);
        let input = ArmoredReader::new(sealed);
        let opened = age::Decryptor::new_buffered(input).and_then(|it| it.decrypt(keys));
        let stream = opened.map_err(|error| self.reason(&error))?;
        let mut value = Plaintext::new(Vec::with_capacity(4096));
        let read = stream.take(LONGEST + 1).read_to_end(&mut value);
        read.map_err(|error| self.reason(&error.into()))?;
        if value.len() as u64 > LONGEST {
            return Err(OpenError::TooLong);
        }
        Ok(value)
    }

    fn reason(&self, error: &DecryptError) -> OpenError {
        match error {
            // A key whose passphrase nobody gave is passed over.
            DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed
                if self.unanswered.load(Ordering::Relaxed) =>
            {
                OpenError::NoTerminal
            }
            DecryptError::NoMatchingKeys => OpenError::NoMatch(self.places.join(", ")),
            DecryptError::KeyDecryptionFailed => OpenError::Passphrase,
            // The header names version 1, so an unknown format is a header that was changed.
            DecryptError::DecryptionFailed
            | DecryptError::InvalidMac
            | DecryptError::InvalidHeader
            | DecryptError::UnknownFormat => OpenError::Damaged,
            DecryptError::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => OpenError::Truncated,
                // The cipher and the armor answer so to bytes that were changed.
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => OpenError::Damaged,
                _ => OpenError::Other(error.to_string()),
            },
            other => OpenError::Other(words_of(other)),
        }
    }
}

fn keys_in(
    path: &Path,
    asks: Asks,
) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, IdentityError> {
    let at = |source| IdentityError::Read {
        path: path.to_owned(),
        source,
    };
    let unusable = |because: String| IdentityError::Unusable {
        path: path.to_owned(),
        because,
    };
    let bytes = Zeroizing::new(read_up_to(path, LONGEST).map_err(at)?);
    let name = path.display().to_string();
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
        let key = age::ssh::Identity::from_buffer(&bytes[..], Some(name));
        let key = key.map_err(|error| unusable(words_of(&error)))?;
        if let age::ssh::Identity::Unsupported(_) = key {
            let because = "age uses private keys of the types ed25519 and RSA, in files";
            return Err(unusable(because.to_owned()));
        }
        return Ok(vec![Box::new(key.with_callbacks(asks))]);
    }
    let file = age::IdentityFile::from_buffer(&bytes[..]);
    let file = file.map_err(|error| unusable(words_of(&error)))?;
    let keys = file.with_callbacks(asks).into_identities();
    keys.map_err(|error| unusable(words_of(&error)))
}

/// Asks a person, and remembers whether nobody answered.
#[derive(Clone)]
struct Asks {
    person: Arc<dyn Person>,
    unanswered: Arc<AtomicBool>,
}

impl Callbacks for Asks {
    fn display_message(&self, words: &str) {
        self.person.message(&words_of(&words));
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let answer = self.person.passphrase(&words_of(&description));
        self.unanswered.store(answer.is_none(), Ordering::Relaxed);
        answer.map(SecretString::from)
    }
}

//! Encrypts a value to its readers.

use std::io::{self, Write as _};

use age::armor::{ArmoredWriter, Format};
use age::plugin;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deployctl_core::secret::{Recipient, Recipients};

use super::{Plaintext, words_of};
use crate::random;

/// Why a value cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// An empty key would look like a key to whatever reads it.
    #[error("the value is empty")]
    Empty,
    /// Nobody could read it.
    #[error("nobody who may read it has a key")]
    Nobody,
    /// A public key that age does not take.
    #[error("{reader} has a key that cannot be used: {because}")]
    Key {
        /// Whose it is.
        reader: String,
        /// Why not.
        because: String,
    },
    /// The cipher or a plugin failed.
    #[error("cannot encrypt it: {0}")]
    Age(String),
}

/// Encrypts `value` to `recipients`, as text: git shows that it changed, and a template can hold it.
///
/// # Errors
/// The value is empty, or a key cannot be used.
pub fn seal(value: &Plaintext, recipients: &Recipients) -> Result<String, SealError> {
    if value.is_empty() {
        return Err(SealError::Empty);
    }
    if recipients.keys.is_empty() {
        return Err(SealError::Nobody);
    }
    let keys: Vec<Box<dyn age::Recipient>> =
        recipients.keys.iter().map(key).collect::<Result<_, _>>()?;
    let keys = keys.iter().map(|key| &**key as &dyn age::Recipient);
    let encryptor =
        age::Encryptor::with_recipients(keys).map_err(|error| SealError::Age(words_of(&error)))?;
    let written = |value: &[u8]| -> io::Result<Vec<u8>> {
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut stream = encryptor.wrap_output(armor)?;
        stream.write_all(value)?;
        stream.finish()?.finish()
    };
    let sealed = written(value).map_err(|error| SealError::Age(words_of(&error)))?;
    Ok(String::from_utf8_lossy(&sealed).into_owned())
}

fn key(recipient: &Recipient) -> Result<Box<dyn age::Recipient>, SealError> {
    let fail = |because: String| SealError::Key {
        reader: recipient.reader.to_string(),
        because,
    };
    let key = recipient.key.as_str();
    if key.starts_with("ssh-") {
        let key = key.parse::<age::ssh::Recipient>();
        return Ok(Box::new(key.map_err(|error| fail(format!("{error:?}")))?));
    }
    if let Ok(key) = key.parse::<age::x25519::Recipient>() {
        return Ok(Box::new(key));
    }
    let key = key.parse::<plugin::Recipient>();
    let key = key.map_err(|why| fail(why.to_owned()))?;
    let name = key.plugin().to_owned();
    let plugin = plugin::RecipientPluginV1::new(&name, &[key], &[], age::NoCallbacks)
        .map_err(|error| fail(words_of(&error)))?;
    Ok(Box::new(plugin))
}

/// `bytes` random bytes, as letters, digits, `-` and `_`.
///
/// # Errors
/// The kernel gives none.
pub fn random_value(bytes: u8) -> io::Result<Plaintext> {
    let mut random = Plaintext::new(vec![0; bytes.into()]);
    random::fill(&mut random)?;
    Ok(Plaintext::new(
        URL_SAFE_NO_PAD.encode(&*random).into_bytes(),
    ))
}

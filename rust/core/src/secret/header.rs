//! The header of an age file: which keys can open it, as far as that can be seen from outside.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const FAMILY: &str = "age-encryption.org/";
const VERSION: &str = "age-encryption.org/v1";
/// No header of ours comes near it.
const LONGEST: usize = 1 << 20;

/// Why a file is not one of age's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It begins with something else.
    #[error("it is no file of age")]
    NotAge,
    /// It is of another version.
    #[error("it is of `{0}`, and this deployctl reads `{VERSION}`")]
    Version(String),
    /// It ends within its header, or within its armor: bytes are missing, or one that ends a part was changed.
    #[error("it is truncated or damaged")]
    Truncated,
    /// Its armor is not base64.
    #[error("its armor is damaged")]
    Armor,
}

/// Who can open a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Tags of SSH keys, as [`tag`] gives them.
    pub tags: Vec<String>,
    /// How many recipients hide who they are: age's own keys.
    pub hidden: usize,
    /// Kinds of other recipients: plugins, a passphrase (`scrypt`).
    pub others: Vec<String>,
}

impl Header {
    /// Reads the header of `file`, armored or not.
    ///
    /// # Errors
    /// The file is not of age's version 1, or not whole as far as a header shows it.
    pub fn parse(file: &[u8]) -> Result<Self, HeaderError> {
        let binary;
        let bytes = if file.trim_ascii_start().starts_with(b"-----BEGIN ") {
            binary = dearmored(file)?;
            &binary
        } else {
            file
        };
        let mut lines = bytes[..bytes.len().min(LONGEST)].split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let first = std::str::from_utf8(first).map_err(|_| HeaderError::NotAge)?;
        match first {
            VERSION => {}
            other if other.starts_with(FAMILY) && other.len() < 64 => {
                return Err(HeaderError::Version(other.escape_debug().to_string()));
            }
            other if !other.is_empty() && VERSION.starts_with(other) => {
                return Err(HeaderError::Truncated);
            }
            _ => return Err(HeaderError::NotAge),
        }
        let mut header = Self::default();
        for line in lines {
            let line = std::str::from_utf8(line).map_err(|_| HeaderError::Truncated)?;
            if line.starts_with("---") {
                // 32 bytes in base64 authenticate the header; the payload follows.
                let whole = line.len() == "--- ".len() + 43;
                return if whole {
                    Ok(header)
                } else {
                    Err(HeaderError::Truncated)
                };
            }
            if let Some(stanza) = line.strip_prefix("-> ") {
                header.add(stanza);
            }
        }
        Err(HeaderError::Truncated)
    }

    fn add(&mut self, stanza: &str) {
        let mut words = stanza.split(' ');
        let kind = words.next().unwrap_or_default();
        match kind {
            "ssh-ed25519" | "ssh-rsa" => {
                self.tags.push(words.next().unwrap_or_default().to_owned());
            }
            "X25519" => self.hidden += 1,
            // Noise that readers have to pass over, by the format's own rules.
            grease if grease.ends_with("-grease") => {}
            other => self.others.push(other.escape_debug().to_string()),
        }
    }
}

fn dearmored(file: &[u8]) -> Result<Vec<u8>, HeaderError> {
    let text = std::str::from_utf8(file).map_err(|_| HeaderError::Armor)?;
    let mut lines = text.trim().lines().map(str::trim_end);
    if lines.next() != Some(BEGIN) {
        return Err(HeaderError::NotAge);
    }
    let mut base64 = String::new();
    for line in lines {
        if line == END {
            return STANDARD.decode(base64).map_err(|_| HeaderError::Armor);
        }
        base64.push_str(line);
    }
    Err(HeaderError::Truncated)
}

/// Whether one of `keys`, SSH public keys, opens a file with this `header`.
pub fn opens<'a>(header: &Header, keys: impl IntoIterator<Item = &'a String>) -> bool {
    let mut tags = keys.into_iter().filter_map(|key| tag(key));
    tags.any(|tag| header.tags.contains(&tag))
}

/// How a header names an SSH public key: four bytes of its SHA-256, in base64. `None` where `key` is not one.
pub fn tag(key: &str) -> Option<String> {
    let wire = key.split(' ').nth(1)?;
    let wire = STANDARD.decode(wire).ok()?;
    Some(STANDARD_NO_PAD.encode(&Sha256::digest(wire)[..4]))
}

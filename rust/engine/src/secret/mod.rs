//! The repository's secrets: `secrets/<name>.age`, and how they are sealed and opened.

mod editor;
mod identities;
mod seal;
mod vault;

pub use editor::{EditError, Workplace};
pub use identities::{Identities, IdentityError, OpenError, Person};
pub use seal::{SealError, random_value, seal};
pub use vault::{Vault, VaultError};

/// The value of a secret; its memory is overwritten when it is dropped.
pub type Plaintext = zeroize::Zeroizing<Vec<u8>>;

/// Longest value. Services read keys and tokens, not archives.
pub const LONGEST: u64 = 1 << 20;

/// What the library of age says, in one line, and without the marks that its translations put around names.
fn words_of(error: &impl std::fmt::Display) -> String {
    let words = error.to_string();
    words
        .replace(['\u{2068}', '\u{2069}'], "")
        .replace('\n', " ")
}

//! The repository's secrets: `secrets/<name>.age`, and how they are sealed and opened.

mod editor;
mod identities;
mod seal;
mod vault;

pub use editor::{EditError, Workplace};
pub use identities::{Identities, IdentityError, OpenError, Passphrase};
pub use seal::{SealError, random_value, seal};
pub use vault::{Vault, VaultError};

/// The value of a secret; its memory is overwritten when it is dropped.
pub type Plaintext = zeroize::Zeroizing<Vec<u8>>;

/// Longest value. Services read keys and tokens, not archives.
pub const LONGEST: u64 = 1 << 20;

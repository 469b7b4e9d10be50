//! Who may read a secret, and whether its file agrees.
//!
//! Files are of age's first version (<https://age-encryption.org/v1>), which agenix reads and writes, too. A header
//! tells by tags which SSH keys can open a file, so that it can be reviewed without any private key.

mod header;
mod recipients;
mod review;

pub use header::{Header, HeaderError, tag};
pub use recipients::{NoKey, Reader, Recipient, Recipients};
pub use review::{Fault, Reviewed, review};

//! Who may read a secret, whether its file agrees, and what looks like a secret where none may be.
//!
//! Files are of age's first version (<https://age-encryption.org/v1>), which agenix reads and writes, too. A header
//! tells by tags which SSH keys can open a file, so that it can be reviewed without any private key.

mod header;
mod recipients;
mod review;
mod shape;
mod unused;

pub use header::{Header, HeaderError, opens, tag};
pub use recipients::{NoKey, Reader, Recipient, Recipients};
pub use review::{Fault, Reviewed, review};
pub use shape::{EXPOSED_HINT, ExposedFact, exposed_facts, exposed_lines};
pub use unused::{Unused, unused};

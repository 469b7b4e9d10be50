//! The checks of shared concerns on macOS: the same facts, asked of other programs.
//!
//! Everything runs by absolute path: what comes first in a login's PATH may be GNU's or Homebrew's.

pub(super) mod network;
pub(super) mod ssh;
pub(super) mod system;

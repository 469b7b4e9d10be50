//! Questions to a host, many in one exec, each answered in a section of its own.
//!
//! A query is a piece of POSIX sh. All queries of one round are wrapped in one script; every
//! answer comes back length-framed, so no output can be mistaken for another section, with its own
//! deadline and cap, so a hung `nvidia-smi` costs one section.

use std::collections::BTreeMap;
use std::time::Duration;

/// One question to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Unique in its round; letters, digits, `-_.:/`.
    pub id: String,
    /// POSIX sh. Runs as root where the connection allows, with `LC_ALL=C` and stdin from /dev/null.
    pub command: String,
    /// Killed after this long.
    pub deadline: Duration,
    /// Bytes of stdout kept; the rest is dropped and `truncated` is set.
    pub cap: usize,
}

/// The answer to one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Exit status of the command; `None` when its deadline passed.
    pub status: Option<i32>,
    /// Its stdout, up to the cap. Hostile until parsed.
    pub stdout: Vec<u8>,
    /// Its stderr, up to 4 KiB. Hostile until shown through [`printable`].
    pub stderr: Vec<u8>,
    /// Whether stdout was longer than the cap.
    pub truncated: bool,
}

/// All answers of one round, by query id.
pub type Answers = BTreeMap<String, Section>;

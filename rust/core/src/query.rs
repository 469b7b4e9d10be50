//! Questions to a host, many in one exec; each answer has its own section.
//!
//! A query is a piece of POSIX sh. All queries of one round are wrapped in one script; every
//! answer comes back length-framed, so no output can be mistaken for another section, with its own
//! deadline and cap, so a hung `nvidia-smi` costs one section.
//!
//! ```text
//! [Query] ── script(marker, …) ──▶ host ──▶ bytes ── parse(marker, …) ──▶ Answers
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

mod frame;
mod printable;
mod script;

pub use frame::{FrameError, parse};
pub use printable::{PRINTABLE_CAP, printable, printable_line};
pub use script::{quote, script, word};

/// Bytes of stderr kept of each section.
pub const STDERR_CAP: usize = 4096;

/// One question to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Unique in its round; letters, digits, `-_.:/`.
    pub id: String,
    /// POSIX sh. Runs as root where the connection allows, with `LC_ALL=C` and stdin from /dev/null.
    pub command: String,
    /// Killed after this long. Zero is for commands that cannot hang (shell builtins over `/proc`
    /// and local files): they run in a subshell of the round itself, which saves two processes.
    pub deadline: Duration,
    /// Bytes of stdout kept, rounded up to 512; the rest is dropped and `truncated` is set.
    pub cap: usize,
}

impl Query {
    /// A question with 10 s and 64 KiB.
    pub fn new(id: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            command: command.into(),
            deadline: Duration::from_secs(10),
            cap: 64 * 1024,
        }
    }

    /// A question that cannot hang, run in place; see [`Query::deadline`].
    pub fn inline(id: impl Into<String>, command: impl Into<String>) -> Self {
        Self::new(id, command).with_deadline(Duration::ZERO)
    }

    /// The same with another deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same with another cap, in bytes.
    #[must_use]
    pub fn with_cap(mut self, cap: usize) -> Self {
        self.cap = cap;
        self
    }
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

/// A word that nothing on the host can know beforehand: it begins and ends the answers of one
/// round, so that a login banner or a shell's start-up noise cannot pass for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// The marker made of 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        let mut text = String::from("deployctl-");
        for byte in random {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

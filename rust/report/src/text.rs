//! Plans, reports and checks as text for people. Pure: colours are escape sequences of a [`Style`],
//! which the caller chooses or strips.
//!
//! Whatever a host sent passes [`printable_line`] here once more, whoever made it: no report can steer
//! a terminal. What matters most comes last, next to the prompt.

mod accepted;
mod artifacts;
mod checks;
mod closure;
mod html;
mod junit;
mod measured;
mod outcome;
mod plan;
mod status;
mod watch;
mod words;

use deployctl_core::query::printable_line;

use crate::report::Report;

pub use accepted::accepted_change;
pub use checks::{Beside, checks};
pub use html::html;
pub use junit::junit;
pub use outcome::{report, summary};
pub use plan::{drift, headline, plan, plans};
pub use status::status;
pub use watch::became;
pub use words::{lasting, size, time_of_day};

/// Whether words are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// SGR sequences of the eight basic colours (ECMA-48).
    Ansi,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Ansi if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// One line of what may come from a host.
fn shown(text: &str) -> String {
    printable_line(text.as_bytes(), 400)
}

/// `text` filled with blanks up to `width` characters; colours are put on afterwards.
fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// The widest of `texts`, in characters.
fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// When, by what and of what a report was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// When it was finished: RFC 3339, in UTC (`2026-11-23T06:53:29Z`).
    pub at: String,
    /// The repository's commit; none outside of one.
    pub commit: Option<String>,
    /// Whether its files differed from that commit.
    pub dirty: bool,
    /// The command as it was given: `deployctl verify @gpu`.
    pub command: String,
    /// deployctl's version.
    pub version: String,
}

/// An earlier report.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// When it was finished: RFC 3339, in UTC.
    pub at: String,
    /// What it said.
    pub report: Report,
}

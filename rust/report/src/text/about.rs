//! What a report does not know of itself, for the pages that are kept.

use crate::report::Report;

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

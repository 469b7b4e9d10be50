//! `extra`: files, packages and units that no concern covers, so that nobody has to fork deployctl
//! for them.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Content, FileMode, Label, Line, PackageVersion, Pattern};
use crate::name::{AccountName, ManagedPath, PackageName, UnitName};

/// Anything else.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Files.
    #[schemars(with = "Vec<ExtraFile>", extend("x-optional" = true))]
    pub files: Option<Vec<ExtraFile>>,
    /// Packages; null for whatever version the archive has.
    #[schemars(with = "BTreeMap<PackageName, Option<PackageVersion>>", extend("x-optional" = true))]
    pub packages: Option<BTreeMap<PackageName, Option<PackageVersion>>>,
    /// Units.
    #[schemars(with = "BTreeMap<UnitName, ExtraUnit>", extend("x-optional" = true))]
    pub units: Option<BTreeMap<UnitName, ExtraUnit>>,
    /// Checks.
    #[schemars(with = "BTreeMap<Label, ExtraCheck>", extend("x-optional" = true))]
    pub checks: Option<BTreeMap<Label, ExtraCheck>>,
}

/// A file, taken literally.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraFile {
    /// Where it stands.
    pub path: ManagedPath,
    /// Permission bits.
    pub mode: FileMode,
    /// Owner.
    pub owner: AccountName,
    /// Group.
    pub group: AccountName,
    /// What it holds. No secrets: the inventory is readable by everybody.
    pub content: Content,
}

/// A unit, which may come from `files` or from a package.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraUnit {
    /// Whether it starts at boot; null leaves that as it is.
    pub enabled: Option<bool>,
    /// Whether it runs; null leaves that as it is.
    pub running: Option<bool>,
    /// Files whose change restarts it.
    pub restart_on: BTreeSet<ManagedPath>,
}

/// A question to the host, and what it must answer: at least one of `contains`, `matches` and `number`,
/// so that silence is never a pass.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraCheck {
    /// POSIX sh, run as root with an empty standard input. No secrets: the inventory is readable by everybody.
    pub command: Content,
    /// Exit status that is as expected.
    #[schemars(range(min = 0, max = 126))]
    pub status: u8,
    /// Texts that its standard output must all hold.
    #[schemars(with = "BTreeSet<Line>", extend("x-optional" = true))]
    pub contains: Option<BTreeSet<Line>>,
    /// Regular expression that must match somewhere in its standard output; `^` and `$` are those of a line.
    #[schemars(with = "Pattern", extend("x-optional" = true))]
    pub matches: Option<Pattern>,
    /// Its standard output is one number, between these.
    #[schemars(with = "Bounds", extend("x-optional" = true))]
    pub number: Option<Bounds>,
    /// Seconds that it may take.
    #[schemars(range(min = 1, max = 600))]
    pub deadline_seconds: u16,
    /// How often it is asked again, a second later, before it fails.
    #[schemars(range(min = 0, max = 100))]
    pub retries: u8,
    /// Whether it decides confirm.
    pub gate: bool,
}

/// Between what and what a number must lie: at least one of the two.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Bounds {
    /// The least that passes.
    #[schemars(with = "f64", extend("x-optional" = true))]
    pub at_least: Option<f64>,
    /// The most that passes.
    #[schemars(with = "f64", extend("x-optional" = true))]
    pub at_most: Option<f64>,
    /// What it counts: `°C`, `%`; for people.
    pub unit: Line,
}

/// Bytes that a compiled [`Pattern`] may take: one of 200 characters can ask for gigabytes.
const PATTERN_CAP: usize = 1024 * 1024;

impl ExtraCheck {
    /// [`Self::matches`], ready to use; `^` and `$` are those of a line.
    ///
    /// # Errors
    /// What is wrong with it, in one line; never in a valid inventory.
    pub fn regex(&self) -> Result<Option<Regex>, String> {
        let Some(pattern) = &self.matches else {
            return Ok(None);
        };
        RegexBuilder::new(pattern.as_str())
            .multi_line(true)
            .size_limit(PATTERN_CAP)
            .dfa_size_limit(PATTERN_CAP)
            .build()
            .map(Some)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "takes too much memory".to_owned(),
                // Of several lines, the last says what is wrong; the others draw where.
                other => {
                    let text = other.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    last.trim_start_matches("error: ").to_owned()
                }
            })
    }
}

//! `extra`: files, packages and units that no concern covers, so that nobody has to fork deployctl
//! for them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Content, FileMode, PackageVersion};
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

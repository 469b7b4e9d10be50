//! `storage`: mounts and free-space guards.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{FsType, MountOption, MountPoint, MountSource};
use crate::name::ManagedPath;

/// Mounts and guards.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// What is mounted where.
    pub mounts: BTreeMap<ManagedPath, Mount>,
    /// GiB that must stay free, by mount point.
    #[schemars(inner(range(min = 0, max = 1_000_000)))]
    pub min_free_gib: BTreeMap<MountPoint, u32>,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The device.
    pub source: MountSource,
    /// Its file system.
    pub fs_type: FsType,
    /// Mount options, one each.
    #[schemars(extend("uniqueItems" = true))]
    pub options: Vec<MountOption>,
}

//! `image`: how `NixOS` comes onto a Linux host's disk the first time.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::DiskDevice;

/// What is built to install the host from.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// What the machine boots from.
    pub kind: ImageKind,
    /// GiB of the image as it is built; the root file system grows to its disk when it is first booted.
    #[schemars(range(min = 2, max = 1024))]
    pub size_gib: u32,
    /// The disk that the installer erases. Kind `disk` alone.
    #[schemars(with = "DiskDevice", extend("x-optional" = true))]
    pub device: Option<DiskDevice>,
    /// MiB of the EFI partition, which holds the kernels. Kind `disk` alone.
    #[schemars(with = "u32", range(min = 256, max = 8192), extend("x-optional" = true))]
    pub boot_mib: Option<u32>,
    /// The root's file system. Kind `disk` alone.
    #[schemars(with = "RootFs", extend("x-optional" = true))]
    pub fs_type: Option<RootFs>,
}

/// What a machine boots from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ImageKind {
    /// Its own disk, partitioned by us, by EFI: a disk image and an installer.
    Disk,
    /// The disk without partitions that Linode gives it: an image to upload.
    Linode,
}

/// A root file system that can grow while it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum RootFs {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
}

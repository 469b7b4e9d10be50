//! `nvidia`: the driver and the GPU.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{ComputeCapability, PackageVersion, ProductName};
use crate::name::{ModuleName, PackageName};

/// The driver and the GPU that it drives.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nvidia {
    /// The GPU that must be found.
    pub gpu: Gpu,
    /// Driver branch.
    #[schemars(range(min = 470, max = 999))]
    pub branch: u16,
    /// Whether the open kernel modules are used (Turing and later).
    pub open_modules: bool,
    /// Packages with exact versions, held.
    pub packages: BTreeMap<PackageName, PackageVersion>,
    /// Whether the driver stays loaded without clients.
    pub persistence: bool,
    /// Power cap of each GPU in watts.
    #[schemars(range(min = 50, max = 1200))]
    pub power_limit_watts: u32,
    /// Modules loaded at boot.
    pub modules: BTreeSet<ModuleName>,
}

/// What `nvidia-smi` must say of the GPU.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Its name, whole.
    pub name: ProductName,
    /// How many of that name the host has; 1 where it is not said. The power cap and the services that compute are for
    /// all of them.
    #[schemars(with = "u8", range(min = 1, max = 16), extend("x-optional" = true))]
    pub count: Option<u8>,
    /// Memory in MiB.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub memory_mib: u32,
    /// Compute capability.
    pub compute_capability: ComputeCapability,
    /// `PCIe` lanes.
    #[schemars(extend("enum" = [1, 2, 4, 8, 16]))]
    pub pcie_width: u8,
    /// The latest generation of `PCIe` that card and slot speak; it may rest at an earlier one.
    #[schemars(with = "u8", range(min = 1, max = 7), extend("x-optional" = true))]
    pub pcie_generation: Option<u8>,
}

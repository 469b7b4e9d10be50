//! `cuda`: the toolkit, cuDNN and `TensorRT`, pinned package by package.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{
    PackageGlob, PackageVersion, ProductName, ProgramName, Soname, Version, VersionGlob,
};
use crate::name::PackageName;

/// The toolkit.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cuda {
    /// Major and minor version that `nvcc` must report.
    pub version: Version,
    /// Origin of the archive, as apt names it.
    pub repository_origin: ProductName,
    /// Packages with exact versions, held.
    pub packages: BTreeMap<PackageName, PackageVersion>,
    /// apt pins over whole families, so that no transitive package moves on.
    pub pins: Vec<Pin>,
    /// Shared libraries that programs must find, such as cuDNN's and `TensorRT`'s.
    #[schemars(with = "BTreeSet<Soname>", extend("x-optional" = true))]
    pub libraries: Option<BTreeSet<Soname>>,
    /// Programs beside `nvcc` that must run, such as `nsys`.
    #[schemars(with = "BTreeSet<ProgramName>", extend("x-optional" = true))]
    pub programs: Option<BTreeSet<ProgramName>>,
}

/// One apt pin.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The packages.
    #[schemars(length(min = 1))]
    pub packages: BTreeSet<PackageGlob>,
    /// The only version that may be installed.
    pub version: VersionGlob,
}

//! `cuda`: the toolkit, cuDNN and `TensorRT`, pinned package by package.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{
    NixCudaPackage, PackageGlob, PackageVersion, ProductName, ProgramName, Soname, Version,
    VersionGlob, VulnerabilityId,
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
    /// On `NixOS`: packages that nixpkgs refuses for known vulnerabilities and that this host takes all the same, each
    /// by name and version, with the vulnerabilities that are accepted. One that is found later is not.
    #[schemars(
        with = "BTreeMap<NixCudaPackage, BTreeSet<VulnerabilityId>>",
        extend("x-optional" = true)
    )]
    pub accepted_vulnerabilities: Option<BTreeMap<NixCudaPackage, BTreeSet<VulnerabilityId>>>,
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

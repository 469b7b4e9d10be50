//! `python`: environments of Python that programs run in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Label, PythonModule, Version};
use crate::name::ManagedPath;

/// The environments.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Python {
    /// By what we call them.
    #[schemars(length(min = 1))]
    pub environments: BTreeMap<Label, Environment>,
}

/// A virtual environment.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Where it lies; its interpreter is `bin/python` there.
    pub path: ManagedPath,
    /// Modules that it must be able to import; null for any version.
    pub imports: BTreeMap<PythonModule, Option<Version>>,
    /// A product of matrices that its `PyTorch` computes on the GPU; null for none.
    pub tensor: Option<Tensor>,
}

/// A product of two square matrices, on the GPU and on the CPU.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Tensor {
    /// Rows and columns.
    #[schemars(range(min = 16, max = 16_384))]
    pub size: u16,
    /// Largest difference of an element between the two that passes.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_error: f64,
}

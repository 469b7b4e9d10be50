//! `kernel`: which kernel, its command line, modules, settings and symbols.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{KernelParameter, KernelSymbol, SysctlValue};
use crate::name::{AccountName, ModuleName, SysctlKey};

/// The kernel.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The distribution's kernel, or one built from `symbols`.
    pub flavour: Flavour,
    /// Words of the command line, in order. Isolation and huge pages come from their own concerns.
    pub command_line: Vec<KernelParameter>,
    /// Modules loaded at boot.
    pub modules: BTreeSet<ModuleName>,
    /// Kernel settings other than `net.*`.
    pub sysctl: BTreeMap<SysctlKey, SysctlValue>,
    /// The group that may use `io_uring` where `kernel.io_uring_disabled` is 1; null for none.
    pub io_uring_group: Option<AccountName>,
    /// Kconfig symbols that must be in effect.
    pub symbols: BTreeMap<KernelSymbol, SymbolValue>,
}

/// Whose kernel it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Flavour {
    /// The distribution's.
    Stock,
    /// Built from declared symbols, installed beside the stock one.
    Custom,
}

/// What a symbol is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SymbolValue {
    /// Built in.
    Y,
    /// A module; built in also counts.
    M,
    /// Not set.
    N,
}

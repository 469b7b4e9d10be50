//! `hugepages`: a pool reserved at boot, and where it is mounted.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::name::{AccountName, ManagedPath};

/// The pool.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HugePages {
    /// Size of a page in KiB: 2048 or 1048576 on x86-64.
    #[schemars(extend("enum" = [2048, 1_048_576]))]
    pub size_kib: u32,
    /// Pages in the pool.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub count: u32,
    /// Where hugetlbfs is mounted.
    pub mount: ManagedPath,
    /// The group that may use it.
    pub group: AccountName,
    /// Transparent huge pages.
    pub transparent: Transparent,
}

impl HugePages {
    /// What the pool takes, in KiB.
    pub fn total_kib(&self) -> u64 {
        u64::from(self.size_kib) * u64::from(self.count)
    }
}

/// When the kernel uses huge pages by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Transparent {
    /// Wherever it can.
    Always,
    /// Where a program asks for it.
    Madvise,
    /// Nowhere.
    Never,
}

//! `realtime`: isolated CPUs and the right to `SCHED_FIFO`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::name::AccountName;

/// Isolation and real-time rights.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RealTime {
    /// CPUs that nothing but pinned work runs on. CPU 0 cannot be one.
    #[schemars(length(min = 1))]
    pub isolated_cpus: BTreeSet<u16>,
    /// Highest priority that the group may ask for; 99 is the kernel's own.
    #[schemars(range(min = 1, max = 98))]
    pub max_priority: u8,
    /// Microseconds of every second that real-time tasks may take; -1 for all of it.
    #[schemars(range(min = -1, max = 1_000_000))]
    pub rt_runtime_us: i32,
    /// CPU frequency governor; null where the hypervisor owns it.
    pub governor: Option<Governor>,
    /// The group that has the rights.
    pub group: AccountName,
}

/// A CPU frequency governor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Governor {
    /// Highest frequency.
    Performance,
    /// Lowest frequency.
    Powersave,
    /// By the scheduler's load.
    Schedutil,
}

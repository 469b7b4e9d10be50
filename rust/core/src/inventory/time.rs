//! `time`: chrony and its sources.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Address;

/// Clock synchronisation.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Names that stand for several servers.
    #[schemars(extend("uniqueItems" = true))]
    pub pools: Vec<Address>,
    /// Single servers.
    #[schemars(extend("uniqueItems" = true))]
    pub servers: Vec<Address>,
    /// When the clock may jump.
    pub makestep: Makestep,
    /// Largest offset that passes the check, in milliseconds.
    #[schemars(range(min = 0.001, max = 10_000.0))]
    pub max_offset_ms: f64,
}

/// When the clock may jump instead of being slewed.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Makestep {
    /// Offset above which it jumps, in seconds.
    #[schemars(range(min = 0.001, max = 3600.0))]
    pub threshold_seconds: f64,
    /// In how many of the first updates; -1 for ever.
    #[schemars(range(min = -1, max = 1000))]
    pub limit: i32,
}

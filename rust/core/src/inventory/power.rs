//! `power`: sleep, and what happens when power comes back.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::SleepAfter;

/// Power policy.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// When the machine sleeps.
    pub computer_sleep: SleepAfter,
    /// Whether it starts by itself when power comes back.
    pub restart_after_power_failure: bool,
}

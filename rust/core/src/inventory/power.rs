//! `power`: sleep, what happens when power comes back, and what happens while it is gone.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Address, Label, SleepAfter};

/// Power policy. Sleep and restart are macOS's to set; elsewhere the firmware has the say.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// When the machine sleeps.
    #[schemars(with = "SleepAfter", extend("x-optional" = true))]
    pub computer_sleep: Option<SleepAfter>,
    /// Whether it starts by itself when power comes back.
    #[schemars(with = "bool", extend("x-optional" = true))]
    pub restart_after_power_failure: Option<bool>,
    /// The uninterruptible power supply that feeds it, as NUT knows it.
    #[schemars(with = "Ups", extend("x-optional" = true))]
    pub ups: Option<Ups>,
}

/// An uninterruptible power supply, asked by `upsc NAME@SERVER` of Network UPS Tools.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Ups {
    /// What NUT calls it.
    pub name: Label,
    /// Where NUT's server is.
    pub server: Address,
    /// Least charge of its battery that passes, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub min_charge_percent: u8,
    /// Least time that it could go on by battery, in seconds; null where the model does not tell.
    #[schemars(range(min = 10, max = 86_400))]
    pub min_runtime_seconds: Option<u32>,
}

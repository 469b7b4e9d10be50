//! Hours in which a concern's units are left alone.
//!
//! Facts of any concern may say them (`blackout` of its concern.toml); they have a type, since what reads them wrongly
//! touches what must not be touched.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Days, TimeOfDay, TimeZone};

/// Hours of some days of the week.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlackoutHours {
    /// Time zone of the hours.
    pub timezone: TimeZone,
    /// Days of the week.
    pub days: Days,
    /// Start.
    pub open: TimeOfDay,
    /// End.
    pub close: TimeOfDay,
}

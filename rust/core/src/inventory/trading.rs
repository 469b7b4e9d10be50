//! `trading`: the engine, its rights, and when it must not be touched.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use super::text::{Address, Days, ProductName, TimeOfDay, TimeZone};
use crate::name::{AccountName, ManagedPath};

/// The engine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trading {
    /// User that it runs as.
    pub user: AccountName,
    /// Its group, which has the real-time rights and the huge pages.
    pub group: AccountName,
    /// Where releases lie.
    pub directory: ManagedPath,
    /// Where its state lies (FIX sequence numbers): never inside a release.
    pub state_directory: ManagedPath,
    /// Whether it starts at boot.
    pub start_at_boot: bool,
    /// CPUs that it is pinned to, among the isolated ones.
    #[schemars(length(min = 1))]
    pub cpus: BTreeSet<u16>,
    /// Its `SCHED_FIFO` priority.
    #[schemars(range(min = 1, max = 98))]
    pub priority: u8,
    /// Socket that it asks for inference; null for none.
    pub inference_socket: Option<ManagedPath>,
    /// When the exchange is open and the engine is left alone; null for never.
    pub session: Option<Session>,
    /// The broker's gateway; null for none.
    pub fix: Option<Fix>,
}

/// Market hours.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Session {
    /// Time zone of the hours.
    pub timezone: TimeZone,
    /// Days of the week.
    pub days: Days,
    /// Start.
    pub open: TimeOfDay,
    /// End.
    pub close: TimeOfDay,
}

/// The way to the broker.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Fix {
    /// Who it is.
    pub broker: ProductName,
    /// Where orders go.
    pub venue: ProductName,
    /// Where the gateway listens.
    pub gateway_host: Address,
    /// Its ports.
    #[schemars(length(min = 1))]
    pub gateway_ports: BTreeSet<Port>,
}

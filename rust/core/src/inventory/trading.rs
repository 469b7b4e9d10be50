//! `trading`: the engine, its rights, and when it must not be touched.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use super::text::{
    Address, Argument, Days, Line, ProductName, RepositoryPath, TimeOfDay, TimeZone,
};
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
    pub session: Option<TradingHours>,
    /// The broker's gateway; null for none.
    pub fix: Option<Fix>,
    /// The build of the engine that verification ships here and tries.
    #[schemars(with = "Engine", extend("x-optional" = true))]
    pub engine: Option<Engine>,
    /// How `hostprobe` acts like the engine.
    #[schemars(with = "Probe", extend("x-optional" = true))]
    pub probe: Option<Probe>,
}

/// A build of the engine, on the machine that runs deployctl.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Engine {
    /// The program, below the repository.
    pub artifact: RepositoryPath,
    /// Command, word by word, that builds it in the repository first; empty for none.
    pub build: Vec<Line>,
    /// Arguments with which it says its version and ends.
    pub version_arguments: Vec<Argument>,
    /// What that must say somewhere; null for anything.
    pub version: Option<Line>,
}

/// What `hostprobe` tries, as the engine's user and on its CPUs.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Probe {
    /// Memory that it locks, in MiB.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub memlock_mib: u32,
    /// Wake-ups measured on each CPU.
    #[schemars(range(min = 10, max = 10_000_000))]
    pub cycles: u32,
    /// Time between two of them, in µs.
    #[schemars(range(min = 50, max = 1_000_000))]
    pub interval_us: u32,
    /// The latest wake-up that passes, in µs.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_jitter_us: u32,
    /// Echoes over loopback through an `io_uring` ring.
    #[schemars(range(min = 10, max = 10_000_000))]
    pub echoes: u32,
}

/// Market hours.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct TradingHours {
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

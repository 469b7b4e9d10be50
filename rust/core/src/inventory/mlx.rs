//! `mlx`: inference on Apple silicon.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use super::text::{IpText, ModelId, ServedName};
use crate::name::AccountName;

/// The server.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mlx {
    /// What it serves.
    pub model: MlxModel,
    /// Memory that the GPU may wire, in MiB; null leaves the system's limit.
    #[schemars(range(min = 4096, max = 1_048_576))]
    pub wired_limit_mib: Option<u32>,
    /// Address that it listens on.
    pub host: IpText,
    /// Port that it listens on.
    pub port: Port,
    /// User that it runs as.
    pub user: AccountName,
    /// Requests decoded at once.
    #[schemars(range(min = 1, max = 256))]
    pub decode_concurrency: u32,
    /// Seconds that the first answer may take: the model is loaded for it.
    #[schemars(range(min = 1, max = 3600))]
    pub load_timeout_seconds: u32,
}

/// A model from the hub.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlxModel {
    /// Where it comes from.
    pub id: ModelId,
    /// What requests call it.
    pub served_name: ServedName,
}

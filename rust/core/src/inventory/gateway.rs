//! `gateway`: one OpenAI-compatible endpoint that other hosts ask.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use super::text::{IpText, Label};

/// Where the inference of this host is reached over the network.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Address that it listens on, one of a link's endpoints.
    pub address: IpText,
    /// Port that it listens on.
    pub port: Port,
    /// Name of the secret that callers must show as bearer; null where it asks for none.
    pub credential: Option<Label>,
}

//! `cluster`: what is true of every host. Its `secrets` are values that the operators and some hosts may read, and nobody
//! else.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{
    AgeRecipient, CidrText, FileMode, InterfaceName, IpText, Label, Line, PublicKey,
};
use crate::name::{AccountName, HostName};

/// What is true of every host.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// What the whole is called.
    pub name: Label,
    /// Who operates the hosts: account and keys, the same everywhere.
    pub operators: BTreeMap<AccountName, Operator>,
    /// Networks that hosts share.
    pub links: BTreeMap<Label, Link>,
    /// Where a wish cannot work: what is declared instead, and why. Prose for readers of `hosts/`; no code reads it.
    #[schemars(extend("x-optional" = true))]
    pub findings: Option<Vec<Finding>>,
    /// Values that the operators and some hosts may read, by name; `secrets/<name>.age` holds each.
    #[schemars(extend("x-optional" = true))]
    pub secrets: Option<BTreeMap<Label, Secret>>,
}

/// Someone who may log in everywhere.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Public keys.
    #[schemars(length(min = 1))]
    pub keys: BTreeSet<PublicKey>,
    /// Further keys that secrets are encrypted to: of `age-keygen`, or of a plugin for a hardware key.
    #[schemars(extend("x-optional" = true))]
    pub age_keys: Option<BTreeSet<AgeRecipient>>,
}

/// A network that hosts share.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its addresses.
    pub subnet: CidrText,
    /// Largest packet, in bytes, on every endpoint.
    #[schemars(range(min = 1280, max = 9216))]
    pub mtu: u16,
    /// Who is on it.
    pub endpoints: BTreeMap<HostName, Endpoint>,
    /// Least throughput that passes verification, in Gbit/s.
    #[schemars(range(min = 0.001, max = 1600.0))]
    pub min_gbits: f64,
    /// Longest round trip that passes verification, in milliseconds.
    #[schemars(range(min = 0.001, max = 10_000.0))]
    pub max_rtt_ms: f64,
    /// How verification measures it.
    pub measure: Measure,
}

/// How a link is measured.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Measure {
    /// TCP port on which an endpoint listens while throughput is measured; its firewall must let peers in.
    pub port: Port,
    /// Seconds that each direction is measured, after two that are not counted.
    #[schemars(range(min = 1, max = 300))]
    pub seconds: u16,
    /// Streams at a time.
    #[schemars(range(min = 1, max = 64))]
    pub streams: u8,
    /// Packets whose round trip is measured, of each size.
    #[schemars(range(min = 3, max = 1000))]
    pub pings: u16,
}

/// A host's end of a link.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Through which interface.
    pub interface: InterfaceName,
    /// With which address.
    pub address: IpText,
}

/// A wish that cannot work as it was said.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What it is about.
    pub topic: Line,
    /// What was wished for.
    pub wish: Line,
    /// What is declared instead.
    pub declared: Line,
    /// Why.
    pub reason: Line,
    /// Who says so.
    pub source: Line,
}

/// A TCP or UDP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Port(#[schemars(range(min = 1, max = 65535))] u16);

impl Port {
    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// A value that is encrypted in the repository: `secrets/<name>.age`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Hosts that can read it, beside the operators.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub hosts: BTreeSet<HostName>,
    /// Account that owns the file on the host; root where it is not said. Services that take it by `LoadCredential=`
    /// need no other.
    #[schemars(extend("x-optional" = true))]
    pub owner: Option<AccountName>,
    /// Group of the file on the host; root where it is not said.
    #[schemars(extend("x-optional" = true))]
    pub group: Option<AccountName>,
    /// Mode of the file on the host; only its owner reads it where it is not said.
    #[schemars(extend("x-optional" = true))]
    pub mode: Option<FileMode>,
    /// Random bytes of which `deployctl secret rotate` makes a new value, written in the alphabet of URLs; a value that
    /// somebody else issues has none.
    #[schemars(extend("x-optional" = true), range(min = 16, max = 64))]
    pub generate_bytes: Option<u8>,
    /// Days after which `deployctl secret check` asks for a new value.
    #[schemars(extend("x-optional" = true), range(min = 1, max = 3650))]
    pub rotate_days: Option<u16>,
}

//! `firewall`: our own nftables table.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::json;

use super::cluster::Port;
use super::text::{CidrText, InterfaceName, Label, PortRange};

/// What may come in and go out.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// What happens to packets that no service accepts.
    pub input: Verdict,
    /// What happens to outgoing packets that no `egress` rule names.
    pub output: Verdict,
    /// What may come in.
    pub services: Vec<Service>,
    /// What may go out where `output` drops.
    pub egress: Vec<Egress>,
}

/// A chain's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Verdict {
    /// Lets through.
    Accept,
    /// Drops without an answer.
    Drop,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// One port, or all from a first to a last one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    /// One.
    One(Port),
    /// Several.
    Range(PortRange),
}

impl Ports {
    /// The first and the last one; the first is the greater one where the range is written the wrong way round.
    pub fn ends(&self) -> (u16, u16) {
        match self {
            Self::One(port) => (port.number(), port.number()),
            Self::Range(text) => {
                let (first, last) = text.as_str().split_once('-').unwrap_or_default();
                (first.parse().unwrap_or(1), last.parse().unwrap_or(0))
            }
        }
    }

    /// Whether that port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        let (first, last) = self.ends();
        (first..=last).contains(&port)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(port) => port.number().fmt(f),
            Self::Range(text) => text.as_str().fmt(f),
        }
    }
}

impl JsonSchema for Ports {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    // Both kinds in one: of branches, a validator could not tell which one was meant.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (mut both, range) = (
            Port::json_schema(generator),
            PortRange::json_schema(generator),
        );
        both.insert("type".to_owned(), json!(["integer", "string"]));
        if let Some(pattern) = range.get("pattern") {
            both.insert("pattern".to_owned(), pattern.clone());
        }
        both
    }
}

/// Something that listens here.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A name for people.
    pub name: Label,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Ports: numbers, or texts such as `"32768-60999"` for a first and a last one and all between.
    #[schemars(length(min = 1))]
    pub ports: BTreeSet<Ports>,
    /// Networks that may reach it; empty for all.
    #[schemars(extend("uniqueItems" = true))]
    pub from: Vec<CidrText>,
    /// Interfaces that it is reached through; empty for all.
    #[schemars(extend("uniqueItems" = true))]
    pub interfaces: Vec<InterfaceName>,
}

/// Something that this host talks to.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// A name for people.
    pub name: Label,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Ports: numbers, or texts such as `"32768-60999"` for a first and a last one and all between.
    #[schemars(length(min = 1))]
    pub ports: BTreeSet<Ports>,
    /// Networks that it may be reached at; empty for all.
    #[schemars(extend("uniqueItems" = true))]
    pub to: Vec<CidrText>,
}

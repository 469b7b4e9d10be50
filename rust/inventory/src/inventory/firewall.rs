//! `firewall`: our own nftables table.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use super::text::{CidrText, InterfaceName, Label};

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

/// Something that listens here.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A name for people.
    pub name: Label,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Ports.
    #[schemars(length(min = 1))]
    pub ports: BTreeSet<Port>,
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
    /// Ports.
    #[schemars(length(min = 1))]
    pub ports: BTreeSet<Port>,
    /// Networks that it may be reached at; empty for all.
    #[schemars(extend("uniqueItems" = true))]
    pub to: Vec<CidrText>,
}

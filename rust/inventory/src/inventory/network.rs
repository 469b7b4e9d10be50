//! `network`: interfaces with their addresses, and the kernel's network settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{CidrText, InterfaceName, IpText, MacText, NetworkService, SysctlValue};
use crate::name::{ModuleName, SysctlKey};

/// Interfaces and network settings.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The interfaces that are ours; others are left as they are.
    pub interfaces: BTreeMap<InterfaceName, Interface>,
    /// Kernel settings, `net.*`. Linux.
    #[schemars(with = "BTreeMap<SysctlKey, SysctlValue>", extend("x-optional" = true))]
    pub sysctl: Option<BTreeMap<SysctlKey, SysctlValue>>,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Which device it is; its name is ours. Linux.
    #[serde(rename = "match")]
    #[schemars(with = "Match", extend("x-optional" = true))]
    pub matches: Option<Match>,
    /// The network service that owns it. macOS.
    #[schemars(with = "NetworkService", extend("x-optional" = true))]
    pub service: Option<NetworkService>,
    /// Static addresses with prefix lengths.
    #[schemars(extend("uniqueItems" = true))]
    pub addresses: Vec<CidrText>,
    /// Default route through this interface; null for none. Linux.
    #[schemars(extend("x-optional" = true))]
    pub gateway: Option<IpText>,
    /// Whether it also asks for an address. Linux.
    #[schemars(with = "bool", extend("x-optional" = true))]
    pub dhcp: Option<bool>,
    /// Largest packet, in bytes.
    #[schemars(range(min = 1280, max = 9216))]
    pub mtu: u16,
    /// Ring sizes; null leaves the driver's. Linux.
    #[schemars(extend("x-optional" = true))]
    pub rings: Option<Rings>,
    /// Whether boot waits for it. Linux.
    #[schemars(with = "bool", extend("x-optional" = true))]
    pub required_for_boot: Option<bool>,
}

/// How to know the device again. At least one of the two.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Its driver.
    pub driver: Option<ModuleName>,
    /// Its permanent MAC address.
    pub mac: Option<MacText>,
}

/// Descriptors a ring.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Rings {
    /// Receive.
    #[schemars(range(min = 64, max = 16384))]
    pub rx: u32,
    /// Transmit.
    #[schemars(range(min = 64, max = 16384))]
    pub tx: u32,
}

//! One end of a link, with texts that all link checks share.

use std::net::IpAddr;

use deployctl_core::inventory::cluster::{Endpoint, Link};
use deployctl_core::inventory::host::Host;
use deployctl_core::inventory::text::Label;
use deployctl_core::inventory::{Inventory, Platform};
use deployctl_core::name::HostName;
use deployctl_core::query::Query;

use crate::Check;
use crate::answer::{Answer, Found, Unreadable};

/// A link by its name.
pub(super) struct Line<'a> {
    pub(super) name: &'a Label,
    pub(super) link: &'a Link,
}

/// A host as it is on the link.
pub(super) struct End<'a> {
    pub(super) host: &'a HostName,
    pub(super) facts: &'a Host,
    pub(super) interface: &'a str,
    pub(super) address: IpAddr,
}

impl<'a> End<'a> {
    /// The end of `host`; none for a host or address that a valid inventory does not have.
    pub(super) fn new(
        host: &'a HostName,
        endpoint: &'a Endpoint,
        inventory: &'a Inventory,
    ) -> Option<Self> {
        Some(Self {
            host,
            facts: inventory.host(host)?,
            interface: endpoint.interface.as_str(),
            address: endpoint.address.as_str().parse().ok()?,
        })
    }

    pub(super) fn is_mac(&self) -> bool {
        self.facts.platform == Platform::Darwin
    }

    /// Its address and `port`, as in an URL.
    pub(super) fn socket(&self, port: u16) -> String {
        std::net::SocketAddr::new(self.address, port).to_string()
    }
}

impl Line<'_> {
    /// `LINK/WHAT/HOST`
    pub(super) fn of_end(&self, what: &str, end: &End<'_>) -> String {
        format!("{}/{what}/{}", self.name, end.host)
    }

    /// `LINK/WHAT/FROM-to-PEER`
    pub(super) fn of_way(&self, what: &str, from: &End<'_>, peer: &End<'_>) -> String {
        format!("{}/{what}/{}-to-{}", self.name, from.host, peer.host)
    }
}

/// A check of a link, by its whole `id`. Judges read failures too: what they say tells why.
pub(super) fn asked(
    id: String,
    query: &Query,
    expected: impl Into<String>,
    judge: impl Fn(&Answer<'_>) -> Result<Found, Unreadable> + Send + Sync + 'static,
) -> Check {
    let check = Check::new(super::CONCERN, "", query, expected, judge).reading_failures();
    Check { id, ..check }
}

/// The hint if `from` cannot reach `port` of `peer`.
pub(super) fn unreachable(from: &End<'_>, peer: &End<'_>, port: u16) -> String {
    let rest = format!(
        "port {port} of `{}` is not let through: do its `firewall.services` accept TCP from {} by {}, and were they applied?",
        peer.host, from.address, peer.interface
    );
    if peer.is_mac() {
        format!(
            "port {port} of `{}` is not let through: macOS asks on its screen whether a program may be reached, \
             see `socketfilterfw --listapps`",
            peer.host
        )
    } else if from.is_mac() {
        format!(
            "{rest} On a Mac, `No route to host` is Local Network Privacy: ask over ssh as root"
        )
    } else {
        rest
    }
}

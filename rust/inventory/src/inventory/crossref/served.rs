//! What a host serves over the network: at addresses that it has, and at ports that nothing else of it takes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::{SoundHost, addresses};
use crate::concern::{Concern, Concerns, Listener};
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

/// A server as a concern's facts declare it.
pub(super) struct Server<'a> {
    /// Where its facts are, below the host.
    path: FactPath,
    /// ``exporter `node` ``.
    pub(super) what: String,
    pub(super) listener: &'a Listener,
    address: &'a str,
    pub(super) port: u16,
}

impl Server<'_> {
    /// Its address, where it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }
}

/// What the concerns of `host` serve, in the order of reports.
pub(super) fn servers<'a>(
    name: &HostName,
    host: &'a Host,
    concerns: &'a Concerns,
) -> Vec<Server<'a>> {
    let declared = concerns
        .iter()
        .filter(|it| it.is_for(host.platform) && it.is_declared(host));
    declared
        .flat_map(|concern| {
            let listeners = concern.manifest.listens.iter();
            listeners.flat_map(|listener| of(name, host, concern, listener))
        })
        .collect()
}

fn of<'a>(
    name: &HostName,
    host: &'a Host,
    concern: &Concern,
    listener: &'a Listener,
) -> Vec<Server<'a>> {
    let word = concern.name.as_str();
    let facts = &host.facts[word];
    let at = FactPath::host(name).key(word);
    let server = |path: FactPath, what: String, facts: &'a Value| {
        Some(Server {
            path,
            what,
            listener,
            address: facts[listener.address.as_str()].as_str()?,
            port: u16::try_from(facts[listener.port.as_str()].as_u64()?).ok()?,
        })
    };
    let Some(each) = &listener.each else {
        return server(at, format!("`{word}`"), facts).into_iter().collect();
    };
    let called = listener.called.as_deref().unwrap_or(word);
    let all = facts[each.as_str()].as_object().into_iter().flatten();
    all.filter_map(|(key, facts)| {
        let path = at.clone().key(each).key(key);
        server(path, format!("{called} `{key}`"), facts)
    })
    .collect()
}

pub(super) fn check(
    name: &HostName,
    sound: &SoundHost,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    let mut taken: BTreeMap<(IpAddr, u16), String> = BTreeMap::new();
    for server in servers(name, &sound.host, concerns) {
        let listener = server.listener;
        let path = server.path.clone().key(&listener.address);
        let Some(address) = server.address() else {
            let text = server.address;
            findings.add(path, format!("is `{text}`; expected an IP address"));
            continue;
        };
        let strict = listener.on_declared_interface && !sound.broken.contains("network");
        if !may_have(&sound.host, address, strict) {
            findings.add(
                path,
                format!("is `{address}`, which no interface of this host has"),
            );
        }
        let port = server.port;
        if let Some(other) = taken.get(&(address, port)) {
            findings.add(
                server.path.key(&listener.port),
                format!("is {port}, which {other} has at `{address}`"),
            );
        } else {
            taken.insert((address, port), server.what);
        }
    }
}

/// Whether an address is the host's own, as far as its facts tell: not all interfaces are declared everywhere.
fn may_have(host: &Host, address: IpAddr, strict: bool) -> bool {
    let mut declared = host
        .network
        .iter()
        .flat_map(|network| network.interfaces.values())
        .flat_map(|interface| &interface.addresses)
        .filter_map(addresses::net)
        .peekable();
    (declared.peek().is_none() && !strict)
        || address.is_loopback()
        || address.is_unspecified()
        || declared.any(|net| net.addr() == address)
}

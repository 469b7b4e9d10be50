//! What a host serves on a link gets through its own firewall. A name below `.local` is answered by the host itself, by
//! multicast DNS (RFC 6762): its firewall lets the question in.

use std::net::IpAddr;

use super::served::Server;
use super::{Facts, addresses, served};
use crate::inventory::cluster::Endpoint;
use crate::inventory::error::Findings;
use crate::inventory::firewall::{Firewall, Protocol, Verdict};
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let Some(cluster) = facts.cluster else {
        return;
    };
    for (link_name, link) in &cluster.links {
        for (name, end) in &link.endpoints {
            let Some(sound) = facts.hosts.get(name) else {
                continue;
            };
            let (Some(firewall), Some(network)) = (&sound.host.firewall, &sound.host.network)
            else {
                continue;
            };
            // Said elsewhere.
            if !network.interfaces.contains_key(&end.interface) {
                continue;
            }
            let peers: Vec<(&HostName, &Endpoint)> = link
                .endpoints
                .iter()
                .filter(|(peer, _)| *peer != name)
                .collect();
            let mut wanted = vec![(
                link.measure.port.number(),
                format!("throughput of link `{link_name}` is measured there (`measure.port`)"),
            )];
            let servers = served::servers(name, &sound.host, facts.concerns);
            wanted.extend(servers.into_iter().filter_map(|server| asked(&server, end)));
            for (port, why) in wanted {
                let refused = refused(firewall, end, &peers, port);
                if !refused.is_empty() {
                    let refused = refused.join(" and ");
                    findings.add_with_hint(
                        FactPath::host(name).keys("firewall.services"),
                        not_admitted(&refused, end, port, &why),
                        service_for(end, port),
                    );
                }
            }
        }
    }
}

/// The port that peers ask `server` on at this end of their link, and what for.
fn asked(server: &Server<'_>, end: &Endpoint) -> Option<(u16, String)> {
    let address = server.address().filter(|_| server.listener.for_peers)?;
    let here = address.is_unspecified() || end.address.as_str().parse() == Ok(address);
    here.then(|| (server.port, format!("{} listens there", server.what)))
}

/// The peers that do not come through on `port`, with their addresses.
fn refused(
    firewall: &Firewall,
    end: &Endpoint,
    peers: &[(&HostName, &Endpoint)],
    port: u16,
) -> Vec<String> {
    if firewall.input == Verdict::Accept {
        return Vec::new();
    }
    peers
        .iter()
        .filter(|(_, peer)| !admits(firewall, end, peer, port))
        .map(|(peer, at)| format!("`{peer}` ({})", at.address))
        .collect()
}

fn not_admitted(refused: &str, end: &Endpoint, port: u16, why: &str) -> String {
    let interface = &end.interface;
    format!("does not let {refused} in on TCP port {port} of `{interface}`: {why}")
}

fn service_for(end: &Endpoint, port: u16) -> String {
    let interface = &end.interface;
    format!(
        "a service of protocol `tcp` with `ports = [ {port} ]`, `from` their network, `interfaces = [ \"{interface}\" ]`"
    )
}

fn admits(firewall: &Firewall, end: &Endpoint, peer: &Endpoint, port: u16) -> bool {
    let Ok(address) = peer.address.as_str().parse::<IpAddr>() else {
        // Said elsewhere.
        return true;
    };
    firewall.services.iter().any(|service| {
        service.protocol == Protocol::Tcp
            && service.ports.iter().any(|it| it.contains(port))
            && (service.interfaces.is_empty() || service.interfaces.contains(&end.interface))
            && (service.from.is_empty()
                || service
                    .from
                    .iter()
                    .filter_map(addresses::net)
                    .any(|net| net.contains(&address)))
    })
}

const MDNS_PORT: u16 = 5353;

pub(super) fn check_mdns(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let address = host.connection.address.as_str();
    let domain = address.trim_end_matches('.').rsplit('.').next();
    if !domain.is_some_and(|domain| domain.eq_ignore_ascii_case("local")) {
        return;
    }
    let Some(firewall) = &host.firewall else {
        return;
    };
    if admits_mdns(firewall) {
        return;
    }
    findings.add_with_hint(
        FactPath::host(name).keys("firewall.services"),
        format!(
            "does not let UDP port {MDNS_PORT} in: `connection.address` is `{address}`, a name that only the host itself answers for"
        ),
        format!(
            "a service of protocol `udp` with `ports = [ {MDNS_PORT} ]`, or an address that does not end in `.local`"
        ),
    );
}

fn admits_mdns(firewall: &Firewall) -> bool {
    firewall.input == Verdict::Accept
        || firewall.services.iter().any(|service| {
            service.protocol == Protocol::Udp
                && service.ports.iter().any(|ports| ports.contains(MDNS_PORT))
        })
}

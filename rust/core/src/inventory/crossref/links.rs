//! Links: hosts, interfaces and addresses that exist and agree.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Facts, addresses};
use crate::inventory::cluster::{Endpoint, Link};
use crate::inventory::error::Findings;
use crate::inventory::near;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let Some(cluster) = facts.cluster else {
        return;
    };
    let mut subnets: Vec<(IpNet, &str)> = Vec::new();
    for (name, link) in &cluster.links {
        let path = FactPath::default().keys("cluster.links").key(name);
        if link.endpoints.len() < 2 {
            findings.add(path.clone().key("endpoints"), "names fewer than two hosts");
        }
        let subnet = addresses::net(&link.subnet);
        match subnet {
            None => findings.add(
                path.clone().key("subnet"),
                format!("is `{}`; expected an IP network", link.subnet),
            ),
            Some(net) if net.trunc() != net => findings.add_with_hint(
                path.clone().key("subnet"),
                format!("is `{net}`; expected a network"),
                format!("the network is `{}`", net.trunc()),
            ),
            Some(net) => {
                let other = subnets
                    .iter()
                    .find(|(other, _)| other.contains(&net) || net.contains(other));
                if let Some((other, owner)) = other {
                    findings.add(
                        path.clone().key("subnet"),
                        format!("is `{net}`, which overlaps `{other}` of link `{owner}`"),
                    );
                }
                subnets.push((net, name.as_str()));
            }
        }
        for (host, endpoint) in &link.endpoints {
            let path = path.clone().key("endpoints").key(host);
            check_endpoint(
                facts,
                name.as_str(),
                link,
                subnet,
                host,
                endpoint,
                &path,
                findings,
            );
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one endpoint with all that it has to fit"
)]
fn check_endpoint(
    facts: &Facts<'_>,
    link_name: &str,
    link: &Link,
    subnet: Option<IpNet>,
    host: &HostName,
    endpoint: &Endpoint,
    path: &FactPath,
    findings: &mut Findings<'_>,
) {
    let at = path.clone().key("address");
    let Ok(address) = endpoint.address.as_str().parse::<IpAddr>() else {
        findings.add(
            at,
            format!("is `{}`; expected an IP address", endpoint.address),
        );
        return;
    };
    if let Some(net) = subnet
        && !net.contains(&address)
    {
        findings.add(
            at,
            format!("is `{address}`, outside the link's subnet `{net}`"),
        );
        return;
    }
    if !facts.names.contains(host.as_str()) {
        findings.push(
            path.clone(),
            "is not a known host".to_owned(),
            near::hint(host.as_str(), "known hosts", facts.host_names()),
        );
        return;
    }
    let Some(sound) = facts.hosts.get(host) else {
        return;
    };
    let Some(network) = &sound.host.network else {
        if !sound.broken.contains("network") {
            findings.add(
                path.clone(),
                format!("names `{host}`, which declares no `network`"),
            );
        }
        return;
    };
    let Some((interface_name, interface)) = network.interfaces.get_key_value(&endpoint.interface)
    else {
        findings.push(
            path.clone().key("interface"),
            format!(
                "is `{}`, which `{host}` does not declare",
                endpoint.interface
            ),
            near::hint(
                endpoint.interface.as_str(),
                "its interfaces",
                network.interfaces.keys().map(AsRef::as_ref),
            ),
        );
        return;
    };
    let there = FactPath::host(host)
        .keys("network.interfaces")
        .key(interface_name);
    let own = interface
        .addresses
        .iter()
        .filter_map(addresses::net)
        .find(|net| net.addr() == address);
    match own {
        None => findings.push(
            at,
            format!("is `{address}`, which `{interface_name}` of `{host}` does not have"),
            near::hint(
                address.to_string().as_str(),
                "its addresses",
                interface.addresses.iter().map(AsRef::as_ref),
            ),
        ),
        Some(net) => {
            if let Some(subnet) = subnet
                && subnet.contains(&address)
                && net.trunc() != subnet.trunc()
            {
                findings.add(
                    there.clone().key("addresses"),
                    format!("has `{net}`; link `{link_name}` is `{subnet}`"),
                );
            }
        }
    }
    if interface.mtu != link.mtu {
        findings.add(
            there.key("mtu"),
            format!("is {}; link `{link_name}` has {}", interface.mtu, link.mtu),
        );
    }
}

//! Interfaces: addresses that are addresses, given once, and prefixes that do not overlap.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Facts;
use crate::inventory::error::Findings;
use crate::inventory::network::Interface;
use crate::inventory::path::FactPath;
use crate::inventory::text::CidrText;
use crate::name::HostName;

/// Reads an address with a prefix length.
pub(super) fn net(text: &CidrText) -> Option<IpNet> {
    text.as_str().parse().ok()
}

/// Reports each of `nets` that is not a network, or that has host bits set.
pub(super) fn check_networks<'a>(
    path: &FactPath,
    nets: impl IntoIterator<Item = &'a CidrText>,
    findings: &mut Findings<'_>,
) {
    for (index, text) in nets.into_iter().enumerate() {
        let path = path.clone().index(index);
        match net(text) {
            None => findings.add(path, format!("is `{text}`; expected an IP network")),
            Some(net) if net.trunc() != net => findings.add_with_hint(
                path,
                format!("is `{text}`; expected a network"),
                format!("the network is `{}`", net.trunc()),
            ),
            Some(_) => {}
        }
    }
}

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut owners: BTreeMap<IpAddr, (&HostName, &str)> = BTreeMap::new();
    for (name, sound) in facts.hosts {
        let Some(network) = &sound.host.network else {
            continue;
        };
        let mut prefixes: Vec<(IpNet, &str)> = Vec::new();
        let mut macs: BTreeMap<&str, &str> = BTreeMap::new();
        for (interface_name, interface) in &network.interfaces {
            let interface_name = interface_name.as_str();
            let path = FactPath::host(name)
                .keys("network.interfaces")
                .key(interface_name);
            check_match(&path, interface_name, interface, &mut macs, findings);
            for (index, text) in interface.addresses.iter().enumerate() {
                let path = path.clone().key("addresses").index(index);
                let Some(net) = net(text) else {
                    findings.add(
                        path,
                        format!("is `{text}`; expected an IP address with its prefix length"),
                    );
                    continue;
                };
                check_usable(&path, net, findings);
                if let Some((owner, at)) = owners.insert(net.addr(), (name, interface_name)) {
                    findings.add(
                        path,
                        format!("is `{}`, which `{at}` of `{owner}` has already", net.addr()),
                    );
                    continue;
                }
                let overlap = prefixes.iter().find(|(other, owner)| {
                    *owner != interface_name && (other.contains(&net) || net.contains(other))
                });
                if let Some((other, owner)) = overlap {
                    let other = other.trunc();
                    findings.add(path, format!("overlaps `{other}` of interface `{owner}`: no route would be the right one"));
                }
                prefixes.push((net, interface_name));
            }
            check_gateway(&path, interface, findings);
        }
    }
}

fn check_match<'a>(
    path: &FactPath,
    name: &'a str,
    interface: &'a Interface,
    macs: &mut BTreeMap<&'a str, &'a str>,
    findings: &mut Findings<'_>,
) {
    let Some(matches) = &interface.matches else {
        return;
    };
    if matches.driver.is_none() && matches.mac.is_none() {
        findings.add(
            path.clone().key("match"),
            "names neither a driver nor a MAC address",
        );
    }
    if let Some(mac) = &matches.mac
        && let Some(other) = macs.insert(mac.as_str(), name)
    {
        findings.add(
            path.clone().keys("match.mac"),
            format!("is `{mac}`, as of interface `{other}`"),
        );
    }
}

fn check_usable(path: &FactPath, net: IpNet, findings: &mut Findings<'_>) {
    let all_ones_or_zeros = match net {
        IpNet::V4(v4) => {
            v4.prefix_len() < 31 && (v4.addr() == v4.network() || v4.addr() == v4.broadcast())
        }
        IpNet::V6(_) => false,
    };
    if all_ones_or_zeros || net.addr().is_multicast() || net.addr().is_unspecified() {
        findings.add(path.clone(), format!("is `{net}`, which no host can have"));
    }
}

fn check_gateway(path: &FactPath, interface: &Interface, findings: &mut Findings<'_>) {
    let Some(text) = &interface.gateway else {
        return;
    };
    let path = path.clone().key("gateway");
    let Ok(gateway) = text.as_str().parse::<IpAddr>() else {
        findings.add(path, format!("is `{text}`; expected an IP address"));
        return;
    };
    let mut nets = interface.addresses.iter().filter_map(net);
    if interface.dhcp != Some(true) && !nets.any(|net| net.contains(&gateway)) {
        findings.add(
            path,
            format!("is `{gateway}`, which no address of this interface reaches"),
        );
    }
}

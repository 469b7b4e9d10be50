//! Links: hosts, interfaces and addresses that exist and agree.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Facts, addresses};
use crate::inventory::cluster::{Endpoint, Link};
use crate::inventory::error::Findings;
use crate::inventory::network::Interface;
use crate::inventory::path::FactPath;
use crate::inventory::suggest;
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
            let end = LinkEnd {
                link_name: name.as_str(),
                link,
                subnet,
                host,
                endpoint,
                path,
            };
            end.check(facts, findings);
        }
    }
}

/// One endpoint of a link, with all that it has to fit.
struct LinkEnd<'a> {
    link_name: &'a str,
    link: &'a Link,
    subnet: Option<IpNet>,
    host: &'a HostName,
    endpoint: &'a Endpoint,
    path: FactPath,
}

impl LinkEnd<'_> {
    fn check(&self, facts: &Facts<'_>, findings: &mut Findings<'_>) {
        let Some(address) = self.address(findings) else {
            return;
        };
        let host = self.host;
        if !facts.names.contains(host.as_str()) {
            findings.push(
                self.path.clone(),
                "is not a known host".to_owned(),
                suggest::hint(host.as_str(), "known hosts", facts.host_names()),
            );
            return;
        }
        let Some(sound) = facts.hosts.get(host) else {
            return;
        };
        let Some(network) = &sound.host.network else {
            if !sound.broken.contains("network") {
                let problem = format!("names `{host}`, which declares no `network`");
                findings.add(self.path.clone(), problem);
            }
            return;
        };
        let name = &self.endpoint.interface;
        match network.interfaces.get(name) {
            Some(interface) => self.check_interface(address, interface, findings),
            None => findings.push(
                self.path.clone().key("interface"),
                format!("is `{name}`, which `{host}` does not declare"),
                suggest::hint(
                    name.as_str(),
                    "its interfaces",
                    network.interfaces.keys().map(AsRef::as_ref),
                ),
            ),
        }
    }

    /// Its address, if that is one of the link.
    fn address(&self, findings: &mut Findings<'_>) -> Option<IpAddr> {
        let at = self.path.clone().key("address");
        let written = &self.endpoint.address;
        let Ok(address) = written.as_str().parse::<IpAddr>() else {
            findings.add(at, format!("is `{written}`; expected an IP address"));
            return None;
        };
        if let Some(net) = self.subnet
            && !net.contains(&address)
        {
            let problem = format!("is `{address}`, outside the link's subnet `{net}`");
            findings.add(at, problem);
            return None;
        }
        Some(address)
    }

    /// The interface has the address and the packet size of the link.
    fn check_interface(&self, address: IpAddr, interface: &Interface, findings: &mut Findings<'_>) {
        let (link_name, link) = (self.link_name, self.link);
        let (host, name) = (self.host, &self.endpoint.interface);
        let there = FactPath::host(host).keys("network.interfaces").key(name);
        let mut own = interface.addresses.iter().filter_map(addresses::net);
        match own.find(|net| net.addr() == address) {
            None => findings.push(
                self.path.clone().key("address"),
                format!("is `{address}`, which `{name}` of `{host}` does not have"),
                suggest::hint(
                    address.to_string().as_str(),
                    "its addresses",
                    interface.addresses.iter().map(AsRef::as_ref),
                ),
            ),
            Some(net) => {
                if let Some(subnet) = self.subnet
                    && net.trunc() != subnet.trunc()
                {
                    let problem = format!("has `{net}`; link `{link_name}` is `{subnet}`");
                    findings.add(there.clone().key("addresses"), problem);
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
}

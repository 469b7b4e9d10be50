//! What a host serves over the network: at addresses that it has, and at ports that nothing else of it takes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::addresses;
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let at = FactPath::host(name);
    let mut taken: BTreeMap<(IpAddr, u16), String> = BTreeMap::new();
    // What may be wrong with the address of `mlx` is said among the services.
    if let Some(mlx) = &host.mlx
        && let Ok(address) = mlx.host.as_str().parse()
    {
        taken.insert((address, mlx.port.number()), "`mlx`".to_owned());
    }
    let gateway = host.gateway.iter().map(|gateway| {
        (
            at.clone().key("gateway"),
            "`gateway`".to_owned(),
            &gateway.address,
            gateway.port.number(),
        )
    });
    let exporters = host
        .monitoring
        .iter()
        .flat_map(|monitoring| &monitoring.exporters)
        .map(|(label, exporter)| {
            (
                at.clone().keys("monitoring.exporters").key(label),
                format!("exporter `{label}`"),
                &exporter.address,
                exporter.port.number(),
            )
        });
    for (path, what, text, port) in gateway.chain(exporters) {
        let Ok(address) = text.as_str().parse::<IpAddr>() else {
            findings.add(
                path.key("address"),
                format!("is `{text}`; expected an IP address"),
            );
            continue;
        };
        if !may_have(host, address) {
            findings.add(
                path.clone().key("address"),
                format!("is `{address}`, which no interface of this host has"),
            );
        }
        if let Some(other) = taken.get(&(address, port)) {
            findings.add(
                path.key("port"),
                format!("is {port}, which {other} has at `{address}`"),
            );
        } else {
            taken.insert((address, port), what);
        }
    }
}

/// Whether an address is the host's own, as far as its facts tell: not all interfaces are declared everywhere.
fn may_have(host: &Host, address: IpAddr) -> bool {
    let mut declared = host
        .network
        .iter()
        .flat_map(|network| network.interfaces.values())
        .flat_map(|interface| &interface.addresses)
        .filter_map(addresses::net)
        .peekable();
    declared.peek().is_none()
        || address.is_loopback()
        || address.is_unspecified()
        || declared.any(|net| net.addr() == address)
}

//! Whether the address we connect to would still be the host's.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{files_below, refuse};
use crate::observed::Observed;
use crate::plan::{Finding, Plan, Target};
use crate::rendered::Rendered;

/// Places of network configuration.
const PLACES: [&str; 2] = ["/etc/netplan/", "/etc/systemd/network/"];

/// Judges only addresses: a name may be made to point elsewhere.
pub(super) fn findings(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
) -> Vec<Finding> {
    let Ok(address) = target.address.parse::<IpAddr>() else {
        return Vec::new();
    };
    let networks: Vec<IpNet> = target
        .interface_addresses
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    if networks.iter().any(|network| network.addr() == address) {
        return Vec::new();
    }
    if let Some(network) = networks.iter().find(|network| network.contains(&address)) {
        return vec![refuse(
            format!(
                "no interface would have `{address}`, which this login uses: the one in its subnet gets `{network}`"
            ),
            "keep the address in `network.interfaces` for one apply, then change `connection.address` and drop it",
        )];
    }
    // Said in a file that changes, and in none afterwards.
    let stays = PLACES
        .iter()
        .any(|place| files_below(rendered, place).any(|(_, text)| mentions(text, address)));
    plan.paths
        .iter()
        .filter(|change| {
            PLACES
                .iter()
                .any(|place| change.path.as_str().starts_with(place))
        })
        .filter(|change| {
            observed
                .contents
                .get(&change.path)
                .is_some_and(|text| mentions(text, address))
        })
        .filter(|_| !stays)
        .map(|change| {
            refuse(
                format!("`{}` would lose `{address}`, where we come in", change.path),
                "declare the address in `network.interfaces`, or change `connection.address` first",
            )
        })
        .collect()
}

/// Whether `text` contains the address as a whole word.
fn mentions(text: &str, address: IpAddr) -> bool {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .any(|word| word.parse() == Ok(address))
}

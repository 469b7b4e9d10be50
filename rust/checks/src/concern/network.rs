//! Interfaces, addresses, links and the kernel's network settings.

use deployctl_core::inventory::network::{Interface, Network, Rings};
use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::reader::interface;
use crate::{Check, Declared, sysctl};

pub(super) const CONCERN: &str = "network";

pub(super) fn checks(facts: &Network, declared: &Declared<'_>) -> Vec<Check> {
    let addresses = Query::new("network/addresses", "ip -j address show");
    let mut checks = Vec::new();
    for (name, interface) in &facts.interfaces {
        checks.extend(interface_checks(name.as_str(), interface, &addresses));
    }
    checks.extend(link_checks(declared));
    let settings = facts.sysctl.iter().flatten();
    let settings = settings.map(|(key, value)| (key.as_str(), value.to_string()));
    checks.extend(sysctl::checks(CONCERN, settings, declared));
    checks
}

/// Per peer on a link: its name gives its address, and the link is how it is reached.
fn link_checks(declared: &Declared<'_>) -> Vec<Check> {
    let here = &declared.rendered.host;
    let mut checks = Vec::new();
    for link in declared.cluster.links.values() {
        let Some(own) = link.endpoints.get(here) else {
            continue;
        };
        for (peer, endpoint) in link.endpoints.iter().filter(|(name, _)| *name != here) {
            let (own, address) = (own.interface.as_str(), endpoint.address.as_str());
            checks.push(route(peer.as_str(), own, address));
            checks.push(name(peer.as_str(), address));
        }
    }
    checks
}

fn name(peer: &str, address: &str) -> Check {
    let query = Query::new(
        format!("network/name/{peer}"),
        format!("printf 'address='; getent hosts {} || echo", quote(peer)),
    );
    let wanted = address.to_owned();
    let expected = format!("{peer} is {address}");
    Check::new(
        CONCERN,
        &format!("name/{peer}"),
        &query,
        expected,
        move |answer| {
            let pairs = answer.pairs('=')?;
            let found = value(&pairs, "address")?
                .split_whitespace()
                .next()
                .unwrap_or("unknown");
            Ok(Found::when(found == wanted, format!("it is {found}")))
        },
    )
}

/// Address and MTU decide confirm where the machine cannot do without the interface: a lab link whose
/// other end is off must not roll back an apply.
fn interface_checks(name: &str, interface: &Interface, addresses: &Query) -> Vec<Check> {
    let gate = interface.required_for_boot != Some(false);
    let mut checks = Vec::new();
    for address in &interface.addresses {
        let (name, wanted) = (name.to_owned(), address.to_string());
        checks.push(
            Check::new(
                CONCERN,
                &format!("address/{name}/{address}"),
                addresses,
                format!("{name} has {address}"),
                move |answer| {
                    with_interface(answer, &name, |found| {
                        let has = found.networks();
                        Found::when(
                            has.contains(&wanted),
                            format!("{name} has {}", interface::or_no_address(&has)),
                        )
                    })
                },
            )
            .gate_if(gate),
        );
    }
    let mtu = u32::from(interface.mtu);
    let key = name.to_owned();
    checks.push(
        Check::new(
            CONCERN,
            &format!("mtu/{name}"),
            addresses,
            format!("{name} has MTU {mtu}"),
            move |answer| {
                with_interface(answer, &key, |found| {
                    Found::when(found.mtu == mtu, format!("MTU {}", found.mtu))
                })
            },
        )
        .gate_if(gate),
    );
    let up = name.to_owned();
    checks.push(Check::new(
        CONCERN,
        &format!("up/{name}"),
        addresses,
        format!("{name} is up"),
        move |answer| {
            with_interface(answer, &up, |found| {
                let state = found.state();
                Found::when(state == "UP", format!("it is {state}"))
                    .or_hint("look at the cable and the other end")
            })
        },
    ));
    if let Some(rings) = &interface.rings {
        checks.push(ring_check(name, rings));
    }
    checks
}

fn with_interface(
    answer: &Answer<'_>,
    name: &str,
    judge: impl FnOnce(&interface::Interface) -> Found,
) -> Result<Found, Unreadable> {
    let interfaces = interface::ip(answer)?;
    if interfaces.is_empty() {
        return Err(Unreadable::new("no interface at all"));
    }
    if let Some(found) = interfaces.iter().find(|interface| interface.name == name) {
        return Ok(judge(found));
    }
    let names: Vec<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
    Ok(Found::when(
        false,
        format!("no interface {name}, only {}", names.join(", ")),
    )
    .or_hint(interface::NOT_THERE))
}

fn ring_check(name: &str, rings: &Rings) -> Check {
    let query = Query::new(
        format!("network/rings/{name}"),
        format!("ethtool -g {}", quote(name)),
    );
    let (rx, tx) = (rings.rx, rings.tx);
    Check::new(
        CONCERN,
        &format!("rings/{name}"),
        &query,
        format!("rings of {name}: RX {rx}, TX {tx}"),
        move |answer| {
            if answer.status != 0 {
                return Ok(Found::when(false, answer.everything())
                    .or_hint("no such interface, or its driver has no rings to set"));
            }
            let found = parse_rings(answer)?;
            let holds = (rx, tx) == found;
            Ok(Found::when(
                holds,
                format!("RX {}, TX {}", found.0, found.1),
            ))
        },
    )
    .reading_failures()
}

/// Traffic to a peer must leave by the link, not by another route.
fn route(peer: &str, interface: &str, address: &str) -> Check {
    let query = Query::new(
        format!("network/route/{address}"),
        format!("ip -j route get {}", quote(address)),
    );
    let wanted = interface.to_owned();
    Check::new(
        CONCERN,
        &format!("route/{peer}"),
        &query,
        format!("{address} ({peer}) is reached by {interface}"),
        move |answer| {
            if answer.status != 0 {
                return Ok(
                    Found::when(false, answer.everything()).or_hint("there is no route at all")
                );
            }
            let routes: Vec<Route> = answer.json()?;
            let [route] = &routes[..] else {
                return Err(Unreadable(format!(
                    "{} routes instead of one",
                    routes.len()
                )));
            };
            let by = match &route.gateway {
                Some(gateway) => format!("by {} via {gateway}", route.dev),
                None => format!("by {}", route.dev),
            };
            Ok(Found::when(
                route.dev == wanted && route.gateway.is_none(),
                by,
            ))
        },
    )
    .reading_failures()
}

#[derive(Deserialize)]
struct Route {
    dev: String,
    gateway: Option<String>,
}

/// The current RX and TX of `ethtool -g`: the second of two blocks, after the hardware's most.
fn parse_rings(answer: &Answer<'_>) -> Result<(u32, u32), Unreadable> {
    let text = answer.text()?;
    let (_, current) = text
        .split_once("Current hardware settings:")
        .ok_or_else(|| Unreadable::new("no current settings in the answer"))?;
    let size = |key: &str| {
        let line = current
            .lines()
            .find_map(|line| line.trim().strip_prefix(key));
        number(
            key,
            line.ok_or_else(|| Unreadable(format!("no `{key}` in the answer")))?,
        )
    };
    Ok((size("RX:")?, size("TX:")?))
}

//! What an end's interface is, in effect (its addresses, whether it is up, its MTU), and that packets to the other end
//! take the link and no other route.

use std::net::IpAddr;

use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use super::end::{End, Line, asked};
use crate::Check;
use crate::answer::{Answer, Found, Unreadable};
use crate::reader::interface::{self, Interface, NOT_THERE, or_no_address};

/// The id of the check that routes need.
fn address_id(line: &Line<'_>, end: &End<'_>) -> String {
    line.of_end("address", end)
}

pub(super) fn checks(line: &Line<'_>, end: &End<'_>) -> [Check; 2] {
    let mac = end.is_mac();
    let name = quote(end.interface);
    let command = if mac {
        format!("ifconfig {name} 2>&1")
    } else {
        format!("ip -j address show dev {name} 2>&1")
    };
    let query = Query::new(line.of_end("interface", end), command);
    let (interface, wanted) = (end.interface.to_owned(), end.address);
    let address = asked(
        address_id(line, end),
        &query,
        format!("{interface} of {} is up and has {wanted}", end.host),
        move |answer| {
            let Some(found) = read(answer, mac)? else {
                return Ok(Found::when(false, answer.everything()).or_hint(NOT_THERE));
            };
            let has: Vec<String> = found.addresses.iter().map(|at| at.ip.to_string()).collect();
            let evidence = format!("it is {}, with {}", found.state(), or_no_address(&has));
            let there = found.addresses.iter().any(|at| at.ip == wanted);
            let hint = if found.is_up() {
                "the interface has other addresses than declared: apply, or see `network.interfaces`"
            } else {
                "look at the cable, and whether the other end is on"
            };
            Ok(Found::when(there && found.is_up(), evidence).or_hint(hint))
        },
    );
    let wanted = u32::from(line.link.mtu);
    let mtu = asked(
        line.of_end("mtu", end),
        &query,
        format!("{} of {} has MTU {wanted}", end.interface, end.host),
        move |answer| {
            let Some(found) = read(answer, mac)? else {
                return Ok(Found::when(false, answer.everything()).or_hint(NOT_THERE));
            };
            let hint = if found.mtu < wanted {
                "throughput stays below what the link can do: apply, or set the MTU again"
            } else {
                "what this end sends may be larger than the other end takes"
            };
            Ok(Found::when(found.mtu == wanted, format!("MTU {}", found.mtu)).or_hint(hint))
        },
    );
    [address, mtu]
}

/// The interface of an end; `None` if no interface has that name.
fn read(answer: &Answer<'_>, mac: bool) -> Result<Option<Interface>, Unreadable> {
    if answer.status != 0 {
        return Ok(None);
    }
    if mac {
        return interface::ifconfig(answer).map(Some);
    }
    let [found] = interface::ip(answer)?
        .try_into()
        .map_err(|all: Vec<_>| Unreadable(format!("{} interfaces instead of one", all.len())))?;
    Ok(Some(found))
}

/// The id of the check that pings need.
pub(super) fn route_id(line: &Line<'_>, from: &End<'_>, peer: &End<'_>) -> String {
    line.of_way("route", from, peer)
}

pub(super) fn route(line: &Line<'_>, from: &End<'_>, peer: &End<'_>) -> Check {
    let mac = from.is_mac();
    let (to, by) = (
        quote(&peer.address.to_string()),
        quote(&from.address.to_string()),
    );
    let command = match (mac, peer.address.is_ipv6()) {
        (true, true) => format!("route -n get -inet6 {to} 2>&1"),
        (true, false) => format!("route -n get {to} 2>&1"),
        (false, _) => format!("ip -j route get {to} from {by} 2>&1"),
    };
    let id = route_id(line, from, peer);
    let query = Query::new(id.clone(), command);
    let wanted = from.interface.to_owned();
    let expected = format!(
        "{} reaches {} ({}) by {wanted}",
        from.host, peer.address, peer.host
    );
    let hint = format!(
        "another network of `{}` reaches {}, or {wanted} is down: see `ip route` or `netstat -rn` there",
        from.host, peer.address
    );
    asked(id, &query, expected, move |answer| {
        let route = if mac {
            on_mac(answer)?
        } else {
            on_linux(answer)?
        };
        let Some(route) = route else {
            return Ok(Found::when(false, answer.everything()).or_hint("there is no route at all"));
        };
        let evidence = match route.gateway {
            Some(gateway) => format!("by {} via {gateway}", route.dev),
            None => format!("by {}", route.dev),
        };
        let direct = route.dev == wanted && route.gateway.is_none();
        Ok(Found::when(direct, evidence).or_hint(hint.clone()))
    })
    .needing(address_id(line, from))
}

#[derive(Deserialize)]
struct Route {
    dev: String,
    gateway: Option<IpAddr>,
}

/// `None` where there is no route.
fn on_linux(answer: &Answer<'_>) -> Result<Option<Route>, Unreadable> {
    if answer.status != 0 {
        return Ok(None);
    }
    let routes: Vec<Route> = answer.json()?;
    let [route] = routes
        .try_into()
        .map_err(|all: Vec<_>| Unreadable(format!("{} routes instead of one", all.len())))?;
    Ok(Some(route))
}

/// `  interface: en0`, and `    gateway: 192.168.1.1` where it is not direct.
fn on_mac(answer: &Answer<'_>) -> Result<Option<Route>, Unreadable> {
    if answer.status != 0 || answer.everything().contains("not in table") {
        return Ok(None);
    }
    let pairs = answer.pairs(':')?;
    Ok(Some(Route {
        dev: crate::answer::value(&pairs, "interface")?.to_owned(),
        // `link#4` and hardware addresses are no gateways.
        gateway: pairs.get("gateway").and_then(|word| word.parse().ok()),
    }))
}

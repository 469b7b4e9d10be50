//! The route of packets to the other end: by the link, not by another route.

use std::net::IpAddr;

use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use super::end::{End, Line, asked};
use super::interface;
use crate::Check;
use crate::answer::{Answer, Found, Unreadable};

/// The id of the check that pings need.
pub(super) fn id(line: &Line<'_>, from: &End<'_>, peer: &End<'_>) -> String {
    line.of_way("route", from, peer)
}

pub(super) fn check(line: &Line<'_>, from: &End<'_>, peer: &End<'_>) -> Check {
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
    let id = id(line, from, peer);
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
    .needing(interface::address_id(line, from))
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

//! What an end's interface is, in effect: its addresses, whether it is up, its MTU.

use std::net::IpAddr;

use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use super::end::{End, Line, asked};
use crate::Check;
use crate::answer::{Answer, Found, Unreadable, number};

const NO_INTERFACE: &str =
    "no device matches its declaration (driver or MAC), or it has not been renamed yet";

/// The id of the check that routes need.
pub(super) fn address_id(line: &Line<'_>, end: &End<'_>) -> String {
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
    let read = move |answer: &Answer<'_>| {
        if mac {
            on_mac(answer)
        } else {
            on_linux(answer)
        }
    };

    let (interface, wanted) = (end.interface.to_owned(), end.address);
    let address = asked(
        address_id(line, end),
        &query,
        format!("{interface} of {} is up and has {wanted}", end.host),
        move |answer| {
            let Some(found) = read(answer)? else {
                return Ok(Found::when(false, answer.everything()).or_hint(NO_INTERFACE));
            };
            let has: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
            let evidence = format!("it is {}, with {}", found.state, or_none(&has));
            let there = found.addresses.contains(&wanted);
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
            let Some(found) = read(answer)? else {
                return Ok(Found::when(false, answer.everything()).or_hint(NO_INTERFACE));
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

/// An interface as the host sees it.
struct Interface {
    addresses: Vec<IpAddr>,
    mtu: u32,
    /// `UP`, `DOWN`, `UNKNOWN`, …; on macOS `active`, `inactive`.
    state: String,
}

impl Interface {
    fn is_up(&self) -> bool {
        // Tunnels and the like have no carrier to speak of.
        ["UP", "UNKNOWN", "active", "unknown"].contains(&self.state.as_str())
    }
}

/// One object of `ip -j address show`.
#[derive(Deserialize)]
struct Shown {
    mtu: u32,
    operstate: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: Option<IpAddr>,
}

/// `None` where there is no such interface.
fn on_linux(answer: &Answer<'_>) -> Result<Option<Interface>, Unreadable> {
    if answer.status != 0 {
        return Ok(None);
    }
    let shown: Vec<Shown> = answer.json()?;
    let [shown] = shown
        .try_into()
        .map_err(|all: Vec<_>| Unreadable(format!("{} interfaces instead of one", all.len())))?;
    Ok(Some(Interface {
        addresses: shown.addr_info.iter().filter_map(|a| a.local).collect(),
        mtu: shown.mtu,
        state: shown.operstate,
    }))
}

/// `en0: flags=8863<UP,…> mtu 9000`, then a line per property.
fn on_mac(answer: &Answer<'_>) -> Result<Option<Interface>, Unreadable> {
    if answer.status != 0 {
        return Ok(None);
    }
    let mut addresses = Vec::new();
    let mut mtu = None;
    let mut state = "unknown";
    for line in answer.lines()? {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("inet" | "inet6") => {
                // Link-local ones bear their interface: `fe80::1%en0`.
                let address = words.next().and_then(|word| word.split('%').next());
                addresses.extend(address.and_then(|word| word.parse::<IpAddr>().ok()));
            }
            Some("status:") => state = words.next().unwrap_or("unknown"),
            Some(_) => {
                if let Some((_, size)) = line.split_once("> mtu ") {
                    let size = size.split_whitespace().next().unwrap_or_default();
                    mtu = Some(number("mtu", size)?);
                }
            }
            None => {}
        }
    }
    let mtu = mtu.ok_or_else(|| Unreadable::new("no MTU in the answer of ifconfig"))?;
    Ok(Some(Interface {
        addresses,
        mtu,
        state: state.to_owned(),
    }))
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() {
        "no address".to_owned()
    } else {
        words.join(", ")
    }
}

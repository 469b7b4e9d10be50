//! Reads what the kernel reports about network interfaces: `ip -j address` on Linux, `ifconfig` on macOS.

use std::net::IpAddr;

use serde::Deserialize;

use crate::answer::{Answer, Unreadable, number};

/// What to do where the host has no interface of that name.
pub(crate) const NOT_THERE: &str =
    "no device matches its declaration (driver or MAC), or it has not been renamed yet";

/// One interface.
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) mtu: u32,
    /// `UP`, `DOWN`, `UNKNOWN`, …; on macOS `active` or `inactive`, and `None` without a carrier.
    pub(crate) state: Option<String>,
    pub(crate) addresses: Vec<Address>,
}

/// One address of an interface.
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    /// Bits of its network.
    prefix: Option<u8>,
}

impl Interface {
    /// Whether it has a carrier, or is of a kind that has none.
    pub(crate) fn is_up(&self) -> bool {
        // Tunnels and the like have no carrier to speak of.
        ["UP", "UNKNOWN", "active", "unknown"].contains(&self.state())
    }

    /// Its state, in the words of its platform.
    pub(crate) fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("unknown")
    }

    /// Its addresses as `address/prefix`.
    pub(crate) fn networks(&self) -> Vec<String> {
        self.addresses
            .iter()
            .filter_map(|address| Some(format!("{}/{}", address.ip, address.prefix?)))
            .collect()
    }
}

/// `words` for people.
pub(crate) fn or_no_address(words: &[String]) -> String {
    if words.is_empty() {
        "no address".to_owned()
    } else {
        words.join(", ")
    }
}

/// The interfaces in `ip -j address show`.
pub(crate) fn ip(answer: &Answer<'_>) -> Result<Vec<Interface>, Unreadable> {
    let shown: Vec<Shown> = answer.json()?;
    Ok(shown
        .into_iter()
        .map(|shown| Interface {
            name: shown.ifname,
            mtu: shown.mtu,
            state: Some(shown.operstate),
            addresses: shown
                .addr_info
                .into_iter()
                .filter_map(|address| {
                    let prefix = address.prefixlen;
                    address.local.map(|ip| Address { ip, prefix })
                })
                .collect(),
        })
        .collect())
}

/// The interface in `ifconfig NAME`: `en0: flags=8863<UP,…> mtu 9000`, then a line per property.
pub(crate) fn ifconfig(answer: &Answer<'_>) -> Result<Interface, Unreadable> {
    let (mut head, mut state, mut addresses) = (None, None, Vec::new());
    for line in answer.lines()? {
        if let Some((flags, size)) = line.split_once("> mtu ") {
            let name = flags.split(':').next().unwrap_or_default();
            head = Some((name.to_owned(), number("mtu", size)?));
        } else if let Some(rest) = line.strip_prefix("inet ") {
            addresses.push(inet(rest)?);
        } else if let Some(rest) = line.strip_prefix("inet6 ") {
            addresses.extend(inet6(rest));
        } else if let Some(rest) = line.strip_prefix("status: ") {
            state = Some(rest.to_owned());
        }
    }
    let (name, mtu) = head.ok_or_else(|| Unreadable::new("no MTU as ifconfig prints it"))?;
    Ok(Interface {
        name,
        mtu,
        state,
        addresses,
    })
}

/// `10.0.0.2 netmask 0xffffff00 broadcast 10.0.0.255`; a tunnel's is `10.0.0.2 --> 10.0.0.1 netmask 0xffffff00`.
fn inet(text: &str) -> Result<Address, Unreadable> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let unreadable = || Unreadable(format!("`{text}` is no address of ifconfig"));
    let ([address, "netmask", mask, ..] | [address, "-->", _, "netmask", mask, ..]) = words[..]
    else {
        return Err(unreadable());
    };
    let ip = address.parse().map_err(|_| unreadable())?;
    let bits = mask
        .strip_prefix("0x")
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .ok_or_else(|| Unreadable(format!("`{mask}` is no netmask")))?;
    Ok(Address {
        ip,
        prefix: u8::try_from(bits.leading_ones()).ok(),
    })
}

/// `fe80::1%en0 prefixlen 64 scopeid 0x4`: link-local addresses bear their interface. No prefix of IPv6 is declared
/// on a Mac, so none is read.
fn inet6(text: &str) -> Option<Address> {
    let word = text.split_whitespace().next()?;
    let ip = word.split('%').next()?.parse().ok()?;
    Some(Address { ip, prefix: None })
}

/// One object of `ip -j address show`.
#[derive(Deserialize)]
struct Shown {
    ifname: String,
    mtu: u32,
    operstate: String,
    #[serde(default)]
    addr_info: Vec<AddrInfo>,
}

#[derive(Deserialize)]
struct AddrInfo {
    local: Option<IpAddr>,
    prefixlen: Option<u8>,
}

//! Addresses and MTU of a Mac's interfaces, as the kernel has them.

use deployctl_core::inventory::network::Network;
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number};
use crate::concern::network::CONCERN;
use crate::{Check, Declared};

/// What `ifconfig` says of an interface.
struct Interface {
    mtu: u16,
    /// `address/prefix`, of IPv4.
    addresses: Vec<String>,
    /// `active`, `inactive`; nothing for those without a carrier.
    status: Option<String>,
}

/// Address and MTU decide confirm where boot requires the interface, as on Linux: a static address goes with the
/// cable.
pub(in crate::concern) fn checks(facts: &Network, _: &Declared<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, interface) in &facts.interfaces {
        let name = name.as_ref();
        let query = Query::new(
            format!("network/mac-interface.{name}"),
            format!("/sbin/ifconfig {}", quote(name)),
        );
        let check = |what: String, expected: String, judge: Judge| {
            Check::new(CONCERN, &what, &query, expected, move |answer| {
                if answer.status != 0 {
                    return Ok(Found::when(false, answer.everything())
                        .or_hint("`networksetup -listallhardwareports` names the devices"));
                }
                Ok(judge(&parse(answer)?))
            })
            .reading_failures()
        };
        for wanted in &interface.addresses {
            let wanted = wanted.to_string();
            checks.push(
                check(
                    format!("address/{name}/{wanted}"),
                    format!("{name} has {wanted}"),
                    Box::new(move |found: &Interface| {
                        let shown = match found.addresses[..] {
                            [] => "no address".to_owned(),
                            _ => found.addresses.join(", "),
                        };
                        Found::when(found.addresses.contains(&wanted), shown)
                            .or_hint("without a cable macOS takes a static address away")
                    }),
                )
                .gate_if(interface.required_for_boot == Some(true)),
            );
        }
        let wanted = interface.mtu;
        checks.push(
            check(
                format!("mtu/{name}"),
                format!("{name} has MTU {wanted}"),
                Box::new(move |found| {
                    Found::when(found.mtu == wanted, format!("MTU {}", found.mtu)).or_hint(
                        "its hardware may have no jumbo frames: `networksetup -listValidMTURange`",
                    )
                }),
            )
            .gate_if(interface.required_for_boot == Some(true)),
        );
        checks.push(check(
            format!("up/{name}"),
            format!("{name} has a carrier"),
            Box::new(|found| {
                let status = found.status.as_deref().unwrap_or("no status");
                Found::when(status == "active", status)
                    .or_hint("look at the cable and the other end")
            }),
        ));
    }
    checks
}

type Judge = Box<dyn Fn(&Interface) -> Found + Send + Sync>;

fn parse(answer: &Answer<'_>) -> Result<Interface, Unreadable> {
    let (mut mtu, mut status, mut addresses) = (None, None, Vec::new());
    for line in answer.lines()? {
        if let Some((_, size)) = line.split_once("> mtu ") {
            mtu = Some(number("mtu", size)?);
        } else if let Some(rest) = line.strip_prefix("inet ") {
            addresses.push(parse_address(rest)?);
        } else if let Some(rest) = line.strip_prefix("status: ") {
            status = Some(rest.to_owned());
        }
    }
    let mtu = mtu.ok_or_else(|| Unreadable::new("no MTU as ifconfig prints it"))?;
    Ok(Interface {
        mtu,
        addresses,
        status,
    })
}

/// `10.0.0.2 netmask 0xffffff00 broadcast 10.0.0.255` as `10.0.0.2/24`.
fn parse_address(text: &str) -> Result<String, Unreadable> {
    let mut words = text.split_whitespace();
    let (Some(address), Some("netmask"), Some(mask)) = (words.next(), words.next(), words.next())
    else {
        return Err(Unreadable(format!("`{text}` is no address of ifconfig")));
    };
    let bits = mask
        .strip_prefix("0x")
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .ok_or_else(|| Unreadable(format!("`{mask}` is no netmask")))?;
    Ok(format!("{address}/{}", bits.leading_ones()))
}

//! Addresses and MTU of a Mac's interfaces, as the kernel has them, and what it sends in one datagram.

use deployctl_core::inventory::network::Network;
use deployctl_core::query::{Query, quote};

use crate::answer::{Found, number, value};
use crate::concern::network::CONCERN;
use crate::link::MOST;
use crate::reader::interface::{self, Interface};
use crate::{Check, Declared};

/// Address and MTU decide confirm where boot requires the interface, as on Linux: a static address goes with the
/// cable.
pub(in crate::concern) fn checks(facts: &Network, declared: &Declared<'_>) -> Vec<Check> {
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
                Ok(judge(&interface::ifconfig(answer)?))
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
                        let has = found.networks();
                        Found::when(has.contains(&wanted), interface::or_no_address(&has))
                            .or_hint("without a cable macOS takes a static address away")
                    }),
                )
                .gate_if(interface.required_for_boot == Some(true)),
            );
        }
        let wanted = u32::from(interface.mtu);
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
                let status = found.state.as_deref().unwrap_or("no status");
                Found::when(status == "active", status)
                    .or_hint("look at the cable and the other end")
            }),
        ));
    }
    checks.extend(datagram(declared));
    checks
}

/// Bytes that macOS sends in one datagram of ping unless told otherwise; `darwin.nix` raises it where a link has more.
const OWN_DATAGRAM: u16 = 8192;

/// A whole packet of the largest link is not too long for a ping, whoever makes it.
fn datagram(declared: &Declared<'_>) -> Option<Check> {
    let here = &declared.rendered.host;
    let links = declared.cluster.links.values();
    let own = links.filter(|link| link.endpoints.contains_key(here));
    let wanted = own.map(|link| link.mtu).max()?;
    if wanted <= OWN_DATAGRAM {
        return None;
    }
    let query = Query::new("network/mac-datagram", format!("/usr/sbin/sysctl {MOST}"));
    let expected = format!("{MOST} is at least {wanted}, the MTU of a link");
    let check = Check::new(CONCERN, "datagram", &query, expected, move |answer| {
        let pairs = answer.pairs(':')?;
        let found: u32 = number(MOST, value(&pairs, MOST)?)?;
        Ok(
            Found::when(found >= u32::from(wanted), format!("it is {found}")).or_hint(format!(
                "apply, or on the host, as root: `sysctl {MOST}={wanted}`"
            )),
        )
    });
    Some(check)
}

type Judge = Box<dyn Fn(&Interface) -> Found + Send + Sync>;

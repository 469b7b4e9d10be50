//! The checks of shared concerns on macOS: the same facts, asked of other programs.
//!
//! Everything runs by absolute path: what comes first in a login's PATH may be GNU's or Homebrew's.

use std::collections::BTreeSet;

use deployctl_core::inventory::network::Network;
use deployctl_core::inventory::ssh::Ssh;
use deployctl_core::inventory::system::System;
use deployctl_core::query::{Query, quote};

use super::system::Entitled;
use super::{network, ssh, system};
use crate::answer::{Found, Unreadable, number, value};
use crate::link::MOST;
use crate::reader::interface::Interface;
use crate::reader::{interface, socket};
use crate::{Check, Declared};

/// Addresses and MTU of a Mac's interfaces, as the kernel has them, and what it sends in one datagram.
///
/// Address and MTU decide confirm where boot requires the interface, as on Linux: a static address goes with the
/// cable.
pub(super) fn network(facts: &Network, declared: &Declared<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, interface) in &facts.interfaces {
        let name = name.as_ref();
        let query = Query::new(
            format!("network/mac-interface.{name}"),
            format!("/sbin/ifconfig {}", quote(name)),
        );
        let check = |what: String, expected: String, judge: Judge| {
            Check::new(network::CONCERN, &what, &query, expected, move |answer| {
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
    let check = Check::new(
        network::CONCERN,
        "datagram",
        &query,
        expected,
        move |answer| {
            let pairs = answer.pairs(':')?;
            let found: u32 = number(MOST, value(&pairs, MOST)?)?;
            Ok(
                Found::when(found >= u32::from(wanted), format!("it is {found}")).or_hint(format!(
                    "apply, or on the host, as root: `sysctl {MOST}={wanted}`"
                )),
            )
        },
    );
    Some(check)
}

type Judge = Box<dyn Fn(&Interface) -> Found + Send + Sync>;

/// Remote Login of a Mac: sshd's settings in effect, launchd's socket, and the operators' keys.
pub(super) fn ssh(facts: &Ssh, declared: &Declared<'_>) -> Vec<Check> {
    let effective = Query::new("ssh/mac-effective", "/usr/sbin/sshd -T");
    let mut checks = ssh::effective(facts, declared, &effective);
    let listening = Query::new("ssh/mac-listening", "/usr/sbin/netstat -an -p tcp");
    let port = facts.port.number();
    checks.push(
        Check::new(
            ssh::CONCERN,
            "listening",
            &listening,
            format!("something listens on TCP port {port}"),
            move |answer| {
                let locals = socket::netstat(answer)?;
                Ok(socket::on_ports(&locals, '.', &BTreeSet::from([port]))?
                    .or_hint("on the Mac: `systemsetup -setremotelogin on`, and full disk access for what runs it"))
            },
        )
        .gate_if(true),
    );
    for (name, operator) in &declared.cluster.operators {
        checks.push(ssh::keys(
            name.as_str(),
            operator.keys.iter(),
            &keys(name.as_str()),
        ));
    }
    checks.extend(ssh::other_keys(facts, declared, keys));
    checks
}

/// A user's keys: those that nix-darwin lets sshd ask for, and the user's own.
fn keys(user: &str) -> Query {
    let name = quote(user);
    Query::new(
        format!("ssh/mac-keys/{user}"),
        format!(
            "home=$(/usr/bin/dscl . -read /Users/{name} NFSHomeDirectory 2>/dev/null | /usr/bin/sed -n 's/^NFSHomeDirectory: //p')\n\
             [ -n \"$home\" ] || {{ echo no such user; exit 0; }}\n\
             printf 'home %s\\n' \"$home\"\n\
             for f in /etc/ssh/nix_authorized_keys.d/{name} \"$home/.ssh/authorized_keys\"; do\n  \
             [ -r \"$f\" ] && printf 'file %s\\n' \"$f\" && cat \"$f\" && echo\ndone\n:"
        ),
    )
}

/// Names and time zone of a Mac.
pub(super) fn system(facts: &System, declared: &Declared<'_>) -> Vec<Check> {
    let query = Query::new(
        "system/mac-names",
        "printf 'hostname=%s\\n' \"$(/usr/sbin/scutil --get HostName 2>/dev/null)\"\n\
         printf 'local=%s\\n' \"$(/usr/sbin/scutil --get LocalHostName 2>/dev/null)\"\n\
         printf 'zone=%s\\n' \"$(/usr/bin/readlink /etc/localtime)\"",
    );
    let hostname = facts.hostname.to_string();
    let name = |what: &str, key: &'static str, expected: String, hint: &'static str| {
        let wanted = hostname.clone();
        Check::new(system::CONCERN, what, &query, expected, move |answer| {
            let pairs = answer.pairs('=')?;
            let found = value(&pairs, key)?;
            let shown = if found.is_empty() { "not set" } else { found };
            Ok(Found::when(found == wanted, shown).or_hint(hint))
        })
    };
    let zone = facts.timezone.to_string();
    vec![
        name(
            "hostname",
            "hostname",
            format!("its name is {hostname}"),
            "without one of its own, a Mac is named by whatever network it is in: apply",
        ),
        name(
            "local-hostname",
            "local",
            format!("others find it as {hostname}.local"),
            "macOS renames itself where it hears the name from another machine: `scutil --set LocalHostName`",
        ),
        Check::new(
            system::CONCERN,
            "timezone",
            &query,
            format!("the time zone is {zone}"),
            move |answer| {
                let pairs = answer.pairs('=')?;
                let link = value(&pairs, "zone")?;
                let found = link.split_once("zoneinfo/").map_or(link, |(_, name)| name);
                let shown = if found.is_empty() { "not set" } else { found };
                Ok(Found::when(found == zone, shown)
                    .or_hint("the setting that follows the machine's place may have changed it"))
            },
        ),
        root_access(declared),
    ]
}

/// Administrators of a Mac may become root by sudo; only those whom facts name are.
fn root_access(declared: &Declared<'_>) -> Check {
    let query = Query::new(
        "system/mac-root-access",
        "/usr/bin/dscl . -read /Groups/admin GroupMembership",
    );
    let entitled = Entitled::of(declared);
    Check::new(
        system::CONCERN,
        "root-access",
        &query,
        "only those whom facts name are administrators".to_owned(),
        move |answer| {
            let members = answer.lines()?.next().unwrap_or_default();
            let members = members
                .strip_prefix("GroupMembership:")
                .ok_or_else(|| Unreadable::new("no members of the group `admin` in the answer"))?;
            let others: Vec<String> = members
                .split_whitespace()
                .filter(|member| !entitled.by_group(member, "admin"))
                .map(|member| format!("`{member}`"))
                .collect();
            Ok(Found::none_of(&others, "nobody else").or_hint(
                "declare the account as an operator; or on the Mac: `dseditgroup -o edit -d USER -t user admin`",
            ))
        },
    )
}

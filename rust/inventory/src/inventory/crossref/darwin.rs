//! What a Mac cannot do, though a Linux host can. nix-darwin would say it too, in its own words and later.

use std::net::Ipv4Addr;

use crate::inventory::error::Findings;
use crate::inventory::extra::{Extra, ExtraFile};
use crate::inventory::host::Host;
use crate::inventory::network::Network;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    if let Some(ssh) = &host.ssh
        && ssh.port.number() != 22
    {
        findings.add_with_hint(
            FactPath::host(name).keys("ssh.port"),
            format!("is {}; on a Mac it is 22", ssh.port.number()),
            "launchd owns the socket there, and sshd's own `Port` does nothing",
        );
    }
    if let Some(nix) = &host.nix {
        let version = nix.state_version.as_str();
        if !matches!(version.parse(), Ok(1..=7_u8)) {
            findings.add_with_hint(
                FactPath::host(name).keys("nix.state_version"),
                format!("is `{version}`; on a Mac it is a number from 1 to 7"),
                "it is the one that its first nix-darwin had, and stays",
            );
        }
    }
    if let Some(network) = &host.network {
        check_network(name, network, findings);
    }
    if let Some(extra) = &host.extra {
        check_extra(name, extra, findings);
    }
}

fn check_network(name: &HostName, network: &Network, findings: &mut Findings<'_>) {
    for (interface_name, interface) in &network.interfaces {
        let at = FactPath::host(name)
            .keys("network.interfaces")
            .key(interface_name);
        if interface.service.is_none() {
            findings.add_with_hint(
                at.clone().key("service"),
                "is missing; a macOS host needs it",
                "`networksetup -listallnetworkservices` names them",
            );
        }
        let ipv4 = |address: &str| {
            let address = address.split('/').next().unwrap_or_default();
            address.parse::<Ipv4Addr>().is_ok()
        };
        if !matches!(interface.addresses.as_slice(), [one] if ipv4(one.as_str())) {
            findings.add_with_hint(
                at.key("addresses"),
                "holds something else than one IPv4 address",
                "`networksetup` gives a network service of a Mac no more than that",
            );
        }
    }
}

fn check_extra(name: &HostName, extra: &Extra, findings: &mut Findings<'_>) {
    let at = FactPath::host(name).key("extra");
    let more = format!("what is more than that is for `hosts/{name}/configuration.nix`");
    for (index, file) in extra.files.iter().flatten().enumerate() {
        if !is_plain(file) {
            findings.add_with_hint(
                at.clone().key("files").index(index),
                "is not below /etc with mode 0644, root:wheel, as a file on a Mac is",
                &more,
            );
        }
    }
    for (package, version) in extra.packages.iter().flatten() {
        if version.is_some() {
            findings.add_with_hint(
                at.clone().key("packages").key(package),
                "names a version; on a Mac it is null",
                "the pinned nixpkgs says which it is",
            );
        }
    }
    if extra.units.iter().flatten().next().is_some() {
        findings.add_with_hint(
            at.key("units"),
            "holds units, and a Mac has no systemd",
            format!("declare `launchd.daemons` in `hosts/{name}/configuration.nix`"),
        );
    }
}

fn is_plain(file: &ExtraFile) -> bool {
    file.path.as_str().starts_with("/etc/")
        && file.mode.as_str() == "0644"
        && file.owner.as_str() == "root"
        && matches!(file.group.as_str(), "root" | "wheel")
}

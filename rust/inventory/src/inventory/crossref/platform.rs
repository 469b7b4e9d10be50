//! What a platform has, what it needs to be told, and what it cannot do.

use std::net::Ipv4Addr;

use super::SoundHost;
use crate::concern::Concerns;
use crate::inventory::error::Findings;
use crate::inventory::extra::{Extra, ExtraFile};
use crate::inventory::host::{Host, OsId, Platform};
use crate::inventory::network::Network;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(
    name: &HostName,
    sound: &SoundHost,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    let host = &sound.host;
    let platform = host.platform;
    let fits = match platform {
        Platform::Ubuntu => matches!(host.os.id, OsId::Ubuntu | OsId::Debian),
        Platform::Nixos => host.os.id == OsId::Nixos,
        Platform::Darwin => host.os.id == OsId::Macos,
    };
    if !fits {
        findings.add(
            FactPath::host(name).keys("os.id"),
            format!(
                "is `{}`, which platform `{}` does not run on",
                host.os.id.as_str(),
                platform
            ),
        );
    }
    for concern in concerns {
        if let Some(reason) = concern.manifest.unavailable(platform)
            && concern.is_declared(host)
        {
            findings.add_with_hint(
                FactPath::host(name).key(&concern.name),
                format!("is not available on platform `{platform}`"),
                reason,
            );
        }
    }
    if platform.is_linux() {
        linux_needs(name, host, findings);
        check_release(name, host, findings);
    } else {
        check_mac(name, host, findings);
    }
    // A closed firewall needs to know the way in; without one, sshd may stay as it is.
    if host.firewall.is_some() && host.ssh.is_none() && !sound.broken.contains("ssh") {
        findings.add(
            FactPath::host(name).key("ssh"),
            "is missing; a host with `firewall` declares its way in",
        );
    }
}

/// Facts that are optional in the schema because macOS has no such thing.
fn linux_needs(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let mut need = |path: FactPath, present: bool| {
        if !present {
            findings.add(path, "is missing; a Linux host needs it");
        }
    };
    if let Some(system) = &host.system {
        let at = |key| FactPath::host(name).key("system").key(key);
        need(at("journald"), system.journald.is_some());
        need(
            at("unattended_upgrades"),
            system.unattended_upgrades.is_some(),
        );
        need(
            at("needrestart_exempt"),
            system.needrestart_exempt.is_some(),
        );
        need(at("sudo_passwordless"), system.sudo_passwordless.is_some());
        need(at("users"), system.users.is_some());
    }
    if let Some(network) = &host.network {
        let at = |key| FactPath::host(name).key("network").key(key);
        need(at("sysctl"), network.sysctl.is_some());
        for (interface_name, interface) in &network.interfaces {
            let at = |key| at("interfaces").key(interface_name).key(key);
            need(at("match"), interface.matches.is_some());
            need(at("dhcp"), interface.dhcp.is_some());
            need(
                at("required_for_boot"),
                interface.required_for_boot.is_some(),
            );
        }
    }
}

/// What `NixOS` takes for `system.stateVersion`.
fn check_release(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let Some(nix) = &host.nix else {
        return;
    };
    let version = nix.state_version.as_str();
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(version.split_once('.'), Some((year, month)) if digits(year) && digits(month)) {
        findings.add_with_hint(
            FactPath::host(name).keys("nix.state_version"),
            format!("is `{version}`; on Linux it is a release such as `26.05`"),
            "it is the one that NixOS was installed from, and stays",
        );
    }
}

/// What a Mac cannot do, though a Linux host can. nix-darwin would say it too, in its own words and later.
fn check_mac(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
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
        check_mac_network(name, network, findings);
    }
    if let Some(extra) = &host.extra {
        check_mac_extra(name, extra, findings);
    }
}

fn check_mac_network(name: &HostName, network: &Network, findings: &mut Findings<'_>) {
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

fn check_mac_extra(name: &HostName, extra: &Extra, findings: &mut Findings<'_>) {
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

//! What a platform has, and what it needs to be told.

use super::{SoundHost, darwin};
use crate::concern::Concerns;
use crate::inventory::error::Findings;
use crate::inventory::host::{Host, OsId, Platform};
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
        darwin::check(name, host, findings);
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

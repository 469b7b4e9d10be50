//! What a change to a path entails, as far as its place says.

use crate::name::ManagedPath;
use crate::rendered::FollowUp;

/// Directories whose readers have to be told, and how.
const BY_DIRECTORY: [(&str, &[FollowUp]); 17] = [
    ("/etc/sysusers.d/", &[FollowUp::Sysusers]),
    ("/etc/tmpfiles.d/", &[FollowUp::Tmpfiles]),
    ("/etc/modules-load.d/", &[FollowUp::Modules]),
    ("/etc/sysctl.d/", &[FollowUp::Sysctl]),
    ("/etc/udev/rules.d/", &[FollowUp::Udev]),
    ("/etc/systemd/system/", &[FollowUp::DaemonReload]),
    ("/etc/systemd/system.control/", &[FollowUp::DaemonReload]),
    ("/run/systemd/system/", &[FollowUp::DaemonReload]),
    ("/usr/local/lib/systemd/system/", &[FollowUp::DaemonReload]),
    ("/usr/lib/systemd/system/", &[FollowUp::DaemonReload]),
    ("/lib/systemd/system/", &[FollowUp::DaemonReload]),
    ("/etc/systemd/system.conf.d/", &[FollowUp::DaemonReload]),
    ("/etc/nftables.d/", &[FollowUp::Firewall]),
    ("/etc/netplan/", &[FollowUp::Network]),
    (
        "/etc/systemd/network/",
        &[FollowUp::Udev, FollowUp::Network],
    ),
    // Modules that are in the initramfs are loaded with the options that are there.
    ("/etc/modprobe.d/", &[FollowUp::Initramfs]),
    (
        "/etc/default/grub.d/",
        &[FollowUp::Bootloader, FollowUp::Reboot],
    ),
];

/// What has to happen after a change at `path`, independently of the module.
pub(super) fn implied(path: &ManagedPath) -> Vec<FollowUp> {
    let path = path.as_str();
    let mut follow_ups: Vec<FollowUp> = BY_DIRECTORY
        .iter()
        .filter(|(directory, _)| path.starts_with(directory))
        .flat_map(|(_, follow_ups)| follow_ups.iter().copied())
        .collect();
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    if path.starts_with("/etc/systemd/system/") && ending == Some("mount") {
        follow_ups.push(FollowUp::Mounts);
    }
    follow_ups
}

//! Where a module may put something, and what a change there entails.

use super::error::Fault;
use super::template_set::is_template;
use crate::name::ManagedPath;
use crate::rendered::FollowUp;

/// What belongs to the host's administrator, not to packages, users or the kernel.
const FOLDERS: [&str; 5] = ["/etc", "/opt", "/srv", "/usr/local", "/var/lib"];

/// Places that are not for managing: the kernel's, what a boot clears, deployctl's own, and the files of
/// accounts, whose tools (`sysusers.d`, drop-ins) change them a line at a time.
const RESERVED: [&str; 12] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/lib/deployctl",
    "/etc/systemd/system/deployctl-recover.service",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
];

/// What to do about a path elsewhere.
pub(super) const HINT: &str = "what is elsewhere belongs to packages, to users or to the kernel; where facts name the whole path, `facts_choose_paths` of module.toml can say why";

/// Whether the path is in one of the folders.
pub fn is_permitted(path: &str) -> bool {
    let mut folders = FOLDERS.iter();
    folders.any(|folder| path != *folder && is_below(path, folder))
}

/// The reserved place at or above the path.
pub(super) fn reserved(path: &str) -> Option<&'static str> {
    RESERVED.into_iter().find(|place| is_below(path, place))
}

fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is wrong with a path, as module.toml writes it: no facts could bring it into one of the folders. What is no
/// path at all, and what is reserved, is told when it is rendered.
pub(super) fn literal_fault(text: &str) -> Option<Fault> {
    if !text.starts_with('/') || reserved(text).is_some() {
        return None;
    }
    let possible = if is_template(text) {
        let literal = text.split('{').next().unwrap_or_default();
        // A template may continue the folder's name.
        let mut continued = FOLDERS.iter().map(|folder| format!("{folder}/"));
        is_permitted(literal) || continued.any(|folder| folder.starts_with(literal))
    } else {
        is_permitted(text)
    };
    (!possible).then(|| outside(text))
}

/// What is wrong with a path that is in none of the folders.
pub(super) fn outside(path: &str) -> Fault {
    Fault::PathOutside {
        path: path.to_owned(),
        folders: FOLDERS.join(", "),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_can_be_in_a_folder_are_taken() {
        for good in [
            "/etc/web.conf",
            "/usr/local/bin/web",
            "/srv/{{ key }}",
            "{{ item.path }}",
            "/{{ item.path }}",
            "/usr/{{ item.path }}",
            "/var/lib{{ item.path }}",
            "told/elsewhere",
            "/proc/told/elsewhere",
        ] {
            assert_eq!(literal_fault(good), None, "{good}");
        }
        for bad in [
            "/etc",
            "/etcetera/web",
            "/root/web",
            "/usr/lib/web",
            "/home/{{ key }}",
            "/usr/bin/{{ key }}",
        ] {
            assert_eq!(literal_fault(bad), Some(outside(bad)), "{bad}");
        }
    }
}

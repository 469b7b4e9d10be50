//! What runs: live settings, reboots, and what was changed behind our back.

use deployctl_core::name::ModuleName;
use deployctl_core::observed::Places;
use deployctl_core::rendered::{Entry, FollowUp, OnChange, PathState, Sha256Hex};

use super::fixture::{Case, ownership, path, planned, table};

#[test]
fn live_values() {
    let key = |text: &str| deployctl_core::name::SysctlKey::new(text).unwrap();
    let module = |text: &str| ModuleName::new(text).unwrap();
    let told = table(vec![
        (
            "another value",
            planned(|case| {
                case.observed
                    .sysctls
                    .insert(key("vm.swappiness"), "60".to_owned());
            }),
        ),
        (
            "blanks do not matter",
            planned(|case| {
                case.sysctl("net.ipv4.tcp_rmem", "4096  131072 16777216");
                case.observed
                    .sysctls
                    .insert(key("net.ipv4.tcp_rmem"), "4096 131072 16777216".to_owned());
            }),
        ),
        (
            "no longer declared",
            planned(|case| {
                case.rendered.sysctls.clear();
            }),
        ),
        (
            "unknown to the kernel",
            planned(|case| {
                case.sysctl("net.ipv4.tcp_x", "1");
                case.observed.sysctls.remove(&key("net.ipv4.tcp_x"));
            }),
        ),
        (
            "unknown, but a module comes",
            planned(|case| {
                case.sysctl("net.bridge.x", "1");
                case.observed.sysctls.remove(&key("net.bridge.x"));
                case.module("br_netfilter");
            }),
        ),
        (
            "of an interface that is not there",
            planned(|case| {
                case.sysctl("net.ipv4.conf.cluster0.rp_filter", "2");
                case.observed
                    .sysctls
                    .remove(&key("net.ipv4.conf.cluster0.rp_filter"));
            }),
        ),
        (
            "of an interface that is not there, without udev, and packages come",
            planned(|case| {
                case.sysctl("net.ipv6.conf.lan0/5.accept_ra", "0");
                case.observed
                    .sysctls
                    .remove(&key("net.ipv6.conf.lan0/5.accept_ra"));
                case.observed.udev = false;
                case.observed.packages.clear();
            }),
        ),
        (
            "of an interface that is there, and has no such setting",
            planned(|case| {
                case.sysctl("net.ipv4.conf.lan0.rp_filtre", "2");
                case.observed
                    .sysctls
                    .remove(&key("net.ipv4.conf.lan0.rp_filtre"));
                case.observed.interfaces.insert("lan0".to_owned());
            }),
        ),
        (
            "loaded modules stay",
            planned(|case| {
                case.module("tcp_bbr");
                case.observed.modules.insert(module("tcp_bbr"));
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

const LIMITS: &str = "/etc/udev/rules.d/60-deployctl.rules";

/// Declares a file that is read at boot.
fn limits(case: &mut Case, content: &str) {
    let entry = Entry::File {
        content: content.to_owned(),
        ownership: ownership(0o644),
    };
    case.declare(LIMITS, "kernel", entry, &[FollowUp::Reboot]);
}

fn at_boot(case: &mut Case, state: &str) {
    case.observed.at_boot.insert(path(LIMITS), state.to_owned());
}

#[test]
fn reboots() {
    let grub = "/etc/default/grub.d/90-deployctl.cfg";
    let text = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT isolcpus=4-7 nohz_full=4-7 preempt=full nmi_watchdog=0\"\n";
    let boot = [FollowUp::Bootloader, FollowUp::Reboot];
    let declare = move |case: &mut super::fixture::Case| {
        case.declare(
            grub,
            "kernel",
            Entry::File {
                content: text.to_owned(),
                ownership: ownership(0o644),
            },
            &boot,
        );
    };
    let told = table(vec![
        ("a command line", planned(declare)),
        (
            "one that is in effect already",
            planned(|case| {
                declare(case);
                case.observed
                    .command_line
                    .push_str(" isolcpus=4-7 nohz_full=4-7 preempt=full nmi_watchdog=0");
            }),
        ),
        (
            "one that waits since the last apply",
            planned(|case| {
                case.file(grub, text, 0o644, &boot);
                case.observed
                    .command_line
                    .push_str(" nohz_full=4-7 preempt=full nmi_watchdog=0");
                case.observed.next_command_line = "ro isolcpus=4-7 nohz_full=4-7".to_owned();
            }),
        ),
        (
            "a parameter goes",
            planned(|case| {
                case.file(grub, text, 0o644, &boot);
                case.edit(grub, "GRUB_CMDLINE_LINUX_DEFAULT=\"isolcpus=4-7\"\n");
                case.observed
                    .command_line
                    .push_str(" isolcpus=4-7 nohz_full=4-7 preempt=full nmi_watchdog=0");
            }),
        ),
        (
            "all of it goes",
            planned(|case| {
                case.file(grub, text, 0o644, &boot);
                case.commit();
                case.rendered.entries.remove(&path(grub));
            }),
        ),
        (
            "a file that is read at boot",
            planned(|case| limits(case, "a\n")),
        ),
        (
            "it waits, and goes back to what it was at boot",
            planned(|case| {
                limits(case, "b\n");
                at_boot(
                    case,
                    &format!("f {} 644 0 0", Sha256Hex::of(b"b\n").as_str()),
                );
            }),
        ),
        (
            "it waits, and becomes a third",
            planned(|case| {
                limits(case, "b\n");
                at_boot(
                    case,
                    &format!("f {} 644 0 0", Sha256Hex::of(b"c\n").as_str()),
                );
            }),
        ),
        (
            "it waits, was not there at boot, and goes",
            planned(|case| {
                limits(case, "b\n");
                case.commit();
                case.rendered.entries.remove(&path(LIMITS));
                case.observed.places = Some(Places::default());
                at_boot(case, "a - - - -");
            }),
        ),
        (
            "the same where another stood before deployctl",
            planned(|case| {
                limits(case, "b\n");
                case.commit();
                case.rendered.entries.remove(&path(LIMITS));
                let mut places = Places::default();
                places.originals.insert(path(LIMITS));
                case.observed.places = Some(places);
                at_boot(case, "a - - - -");
            }),
        ),
        (
            "options of a loaded module",
            planned(|case| {
                case.module("nvidia_uvm");
                case.observed
                    .modules
                    .insert(ModuleName::new("nvidia_uvm").unwrap());
                case.declare(
                    "/etc/modprobe.d/x.conf",
                    "nvidia",
                    Entry::File {
                        content: "options nvidia-uvm a=1\noptions other b=2\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[FollowUp::Initramfs],
                );
            }),
        ),
        (
            "a kernel and a driver",
            planned(|case| {
                case.package("linux-image-6.12.1-deployctl", "kernel", Some("1"), true);
                case.observed
                    .packages
                    .remove("linux-image-6.12.1-deployctl");
                case.package(
                    "nvidia-utils-580-server",
                    "nvidia",
                    Some("580.173.02-1"),
                    true,
                );
                case.observed
                    .packages
                    .get_mut("nvidia-utils-580-server")
                    .unwrap()
                    .version = "580.95.05-1".to_owned();
                case.unit(
                    "nvidia-persistenced.service",
                    "nvidia",
                    OnChange::Restart,
                    &[],
                );
            }),
        ),
        (
            "the host asks for one",
            planned(|case| case.observed.reboot_required = true),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn drift() {
    let key = |text: &str| deployctl_core::name::SysctlKey::new(text).unwrap();
    let told = table(vec![
        (
            "one byte edited by hand",
            planned(|case| case.found("/etc/app/app.conf", "level = 9\n", 0o644)),
        ),
        (
            "mode and owner",
            planned(|case| {
                let mut other = ownership(0o777);
                other.owner = deployctl_core::name::AccountName::new("nobody").unwrap();
                let PathState::File { ownership, .. } = case
                    .observed
                    .paths
                    .get_mut(&path("/etc/app/app.conf"))
                    .unwrap()
                else {
                    panic!()
                };
                *ownership = other;
            }),
        ),
        (
            "removed by hand, and no longer declared either",
            planned(|case| {
                case.rendered.entries.remove(&path("/etc/app/app.conf"));
                case.observed
                    .paths
                    .insert(path("/etc/app/app.conf"), PathState::Absent);
            }),
        ),
        (
            "a hostile link",
            planned(|case| {
                case.observed.paths.insert(
                    path("/etc/app/app.conf"),
                    PathState::Symlink {
                        target: "x\x1b[2J\n\u{202e}y".to_owned(),
                    },
                );
            }),
        ),
        (
            "live value, package, unit",
            planned(|case| {
                case.observed
                    .sysctls
                    .insert(key("vm.swappiness"), "60".to_owned());
                let package = case.observed.packages.get_mut("app").unwrap();
                package.version = "1.2-1".to_owned();
                package.held = false;
                case.state("app.service", "loaded", "failed", "disabled");
            }),
        ),
        (
            "a package removed by hand",
            planned(|case| {
                case.observed.packages.clear();
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

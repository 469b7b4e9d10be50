//! One case a kind of change.

use deployctl_core::name::ModuleName;
use deployctl_core::rendered::{Entry, FollowUp, OnChange, PathState};

use super::fixture::{ownership, path, planned, table, unit};

#[test]
fn a_settled_host_has_an_empty_plan() {
    let plan = planned(|_| {});
    assert!(plan.is_empty());
    assert_eq!(plan.change_count(), 0);
    insta::assert_json_snapshot!(plan);
}

#[test]
fn paths() {
    let told = table(vec![
        (
            "an edited file restarts what watches it, and nothing else",
            planned(|case| {
                case.unit(
                    "other.service",
                    "app",
                    OnChange::Restart,
                    &["/etc/app/other"],
                );
                case.edit("/etc/app/app.conf", "level = 2\n");
            }),
        ),
        (
            "a new file",
            planned(|case| {
                case.declare(
                    "/etc/app/new.conf",
                    "app",
                    Entry::File {
                        content: "a\nb\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[FollowUp::Tmpfiles, FollowUp::Sysusers],
                )
            }),
        ),
        (
            "a secret's bytes are in no diff",
            planned(|case| {
                case.edit("/etc/app/key", "hunter3\n");
            }),
        ),
        (
            "nor are those of a file that becomes one",
            planned(|case| {
                case.found("/etc/app/key", "hunter2\n", 0o644);
            }),
        ),
        (
            "nor those of a secret that becomes readable",
            planned(|case| {
                case.observed.contents.clear();
                case.declare(
                    "/etc/app/key",
                    "app",
                    Entry::File {
                        content: "public\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[],
                );
            }),
        ),
        (
            "a mode alone",
            planned(|case| case.found("/etc/app/app.conf", "level = 1\n", 0o664)),
        ),
        (
            "a text without its last line end",
            planned(|case| {
                case.edit("/etc/app/app.conf", "level = 1");
            }),
        ),
        (
            "directory, link, absence",
            planned(|case| {
                case.declare(
                    "/etc/app/dir",
                    "app",
                    Entry::Directory {
                        ownership: ownership(0o750),
                    },
                    &[],
                );
                case.declare(
                    "/etc/app/link",
                    "app",
                    Entry::Symlink {
                        target: "app.conf".to_owned(),
                    },
                    &[],
                );
                case.declare("/etc/app/old", "app", Entry::Absent, &[]);
                case.found("/etc/app/old", "x\n", 0o644);
            }),
        ),
        (
            "a link in the place of a file is replaced",
            planned(|case| {
                case.observed.paths.insert(
                    path("/etc/app/app.conf"),
                    PathState::Symlink {
                        target: "/dev/null".to_owned(),
                    },
                );
            }),
        ),
        (
            "what is no longer declared goes back to what it was",
            planned(|case| {
                case.rendered
                    .entries
                    .remove(&path("/etc/systemd/system/app.service"));
                case.rendered.entries.remove(&path("/etc/app/app.conf"));
            }),
        ),
        (
            "a whole concern is removed",
            planned(|case| {
                case.rendered.entries.clear();
                case.rendered.units.clear();
                case.rendered.packages.clear();
                case.rendered.sysctls.clear();
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn packages() {
    let told = table(vec![
        (
            "not installed",
            planned(|case| {
                case.package("lib", "app", Some("2.0"), true);
                case.observed.packages.remove("lib");
            }),
        ),
        (
            "not installed, any version",
            planned(|case| {
                case.package("lib", "app", None, false);
                case.observed.packages.remove("lib");
            }),
        ),
        (
            "known but removed",
            planned(|case| {
                case.observed.packages.get_mut("app").unwrap().installed = false;
            }),
        ),
        (
            "older: upgraded, and its concern's unit restarts",
            planned(|case| {
                case.observed.packages.get_mut("app").unwrap().version = "1.2-2".to_owned();
            }),
        ),
        (
            "older in the archive's order, not the alphabet's",
            planned(|case| {
                case.package("lib", "lib", Some("1.10"), false);
                case.observed.packages.get_mut("lib").unwrap().version = "1.9".to_owned();
            }),
        ),
        (
            "newer: never downgraded",
            planned(|case| {
                case.observed.packages.get_mut("app").unwrap().version = "1:0.1".to_owned();
            }),
        ),
        (
            "any version will do",
            planned(|case| {
                case.package("lib", "app", None, false);
                case.observed.packages.get_mut("lib").unwrap().version = "9".to_owned();
            }),
        ),
        (
            "not held",
            planned(|case| {
                case.observed.packages.get_mut("app").unwrap().held = false;
            }),
        ),
        (
            "no longer held",
            planned(|case| {
                case.rendered.packages.get_mut("app").unwrap().hold = false;
            }),
        ),
        (
            "no longer declared: the hold goes, the package stays",
            planned(|case| {
                case.rendered.packages.remove("app");
            }),
        ),
        (
            "somebody else's hold is left alone",
            planned(|case| {
                case.package("lib", "app", None, false);
                case.observed.packages.get_mut("lib").unwrap().held = true;
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn units() {
    let told = table(vec![
        (
            "stopped behind our back",
            planned(|case| case.state("app.service", "loaded", "inactive", "enabled")),
        ),
        (
            "failed",
            planned(|case| case.state("app.service", "loaded", "failed", "enabled")),
        ),
        (
            "its start condition is not met",
            planned(|case| {
                case.state("app.service", "loaded", "inactive", "enabled");
                case.passed_over("app.service");
            }),
        ),
        (
            "still starting counts as running",
            planned(|case| case.state("app.service", "loaded", "activating", "enabled")),
        ),
        (
            "does not start at boot",
            planned(|case| case.state("app.service", "loaded", "active", "disabled")),
        ),
        (
            "static units cannot be enabled",
            planned(|case| case.state("app.service", "loaded", "active", "static")),
        ),
        (
            "new, with its file",
            planned(|case| {
                case.state("app.service", "not-found", "inactive", "");
                case.observed
                    .paths
                    .insert(path("/etc/systemd/system/app.service"), PathState::Absent);
            }),
        ),
        (
            "declared stopped and off",
            planned(|case| {
                let want = case.rendered.units.get_mut(&unit("app.service")).unwrap();
                want.enabled = Some(false);
                want.running = Some(false);
            }),
        ),
        (
            "left alone when it says nothing",
            planned(|case| {
                let want = case.rendered.units.get_mut(&unit("app.service")).unwrap();
                want.enabled = None;
                want.running = None;
                case.state("app.service", "loaded", "inactive", "disabled");
                case.edit("/etc/app/app.conf", "level = 2\n");
            }),
        ),
        (
            "reloads",
            planned(|case| {
                case.unit(
                    "app.service",
                    "app",
                    OnChange::Reload,
                    &["/etc/app/app.conf"],
                );
                case.edit("/etc/app/app.conf", "level = 2\n");
            }),
        ),
        (
            "not restarted on change",
            planned(|case| {
                case.unit(
                    "app.service",
                    "app",
                    OnChange::Nothing,
                    &["/etc/app/app.conf"],
                );
                case.edit("/etc/app/app.conf", "level = 2\n");
            }),
        ),
        (
            "its own file, a drop-in, and more",
            planned(|case| {
                case.edit(
                    "/etc/systemd/system/app.service",
                    "[Service]\nExecStart=/usr/bin/app -v\n",
                );
                case.edit("/etc/app/app.conf", "level = 2\n");
                case.declare(
                    "/etc/systemd/system/app.service.d/10-x.conf",
                    "app",
                    Entry::File {
                        content: "[Service]\nNice=5\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[FollowUp::DaemonReload],
                );
            }),
        ),
        (
            "an instance follows its template",
            planned(|case| {
                case.unit("app@one.service", "app", OnChange::Restart, &[]);
                case.declare(
                    "/etc/systemd/system/app@.service",
                    "app",
                    Entry::File {
                        content: "[Service]\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[FollowUp::DaemonReload],
                );
            }),
        ),
        (
            "what it watched before counts too",
            planned(|case| {
                case.rendered
                    .units
                    .get_mut(&unit("app.service"))
                    .unwrap()
                    .watch
                    .clear();
                case.rendered.entries.remove(&path("/etc/app/app.conf"));
            }),
        ),
        (
            "no longer declared",
            planned(|case| {
                case.rendered.units.remove(&unit("app.service"));
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

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
                case.rendered.modules.insert(module("br_netfilter"));
            }),
        ),
        (
            "loaded modules stay",
            planned(|case| {
                case.rendered.modules.insert(module("tcp_bbr"));
                case.observed.modules.insert(module("tcp_bbr"));
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
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
            "options of a loaded module",
            planned(|case| {
                case.rendered
                    .modules
                    .insert(ModuleName::new("nvidia_uvm").unwrap());
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

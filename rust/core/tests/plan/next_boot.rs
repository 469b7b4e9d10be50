//! What is in effect at the next boot: files of others that win, and interfaces by their new names.

use deployctl_core::rendered::FollowUp;

use super::effect::{files, put};
use super::fixture::{path, planned, table};

#[test]
fn of_files_that_have_the_last_word() {
    let sysctl = "/etc/sysctl.d/60-deployctl-network.conf";
    let grub = "/etc/default/grub.d/90-deployctl.cfg";
    let ours =
        "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT preempt=full skew_tick=1\"\n";
    let theirs = (
        "/etc/default/grub.d/hetzner.cfg",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"consoleblank=0\"\n",
    );
    let applied = |next: &'static str| {
        planned(move |case| {
            case.file(grub, ours, 0o644, &[FollowUp::Bootloader, FollowUp::Reboot]);
            case.commit();
            next.clone_into(&mut case.observed.next_command_line);
        })
    };
    let told = table(vec![
        (
            "sysctls, before the reboot",
            planned(|case| {
                let content = "net.core.somaxconn = 4096\nnet.ipv4.tcp_mtu_probing = 1\n";
                case.file(sysctl, content, 0o644, &[]);
                case.commit();
                case.observed.config = files(&[
                    ("/etc/sysctl.d/99-x.conf", "net.core.somaxconn = 128\n"),
                    (
                        "/usr/lib/sysctl.d/zz-vendor.conf",
                        "net/ipv4/tcp_mtu_probing = 0\n",
                    ),
                ]);
            }),
        ),
        (
            "a tmpfile, a module, an interface and a drop-in",
            planned(|case| {
                for (path, content) in [
                    (
                        "/etc/tmpfiles.d/deployctl.conf",
                        "d /var/lib/app 0750 app app\n",
                    ),
                    ("/etc/modules-load.d/deployctl.conf", "nvme_tcp\n"),
                    (
                        "/etc/systemd/network/10-deployctl-lan0.network",
                        "[Match]\nName=lan0\n",
                    ),
                    (
                        "/etc/systemd/system/app.service.d/10-deployctl.conf",
                        "[Service]\nNice=-5\n",
                    ),
                ] {
                    case.file(path, content, 0o644, &[]);
                }
                case.commit();
                case.observed.config = files(&[
                    (
                        "/usr/lib/tmpfiles.d/app.conf",
                        "d /var/lib/app 0755 root root\n",
                    ),
                    (
                        "/etc/modprobe.d/hardening.conf",
                        "# CIS\ninstall nvme-tcp /bin/false\n",
                    ),
                    ("/etc/systemd/network/05-all.network", "[Match]\nName=*\n"),
                    (
                        "/etc/systemd/system/app.service.d/override.conf",
                        "[Service]\nNice=0\n",
                    ),
                ]);
            }),
        ),
        (
            "a setting that a program wrote, as its file does not say",
            planned(|case| {
                let content = "net.core.somaxconn = 4096\n";
                case.file(sysctl, content, 0o644, &[]);
                case.sysctl("net.core.somaxconn", "4096");
                case.commit();
                let key = deployctl_core::name::SysctlKey::new("net.core.somaxconn").unwrap();
                case.observed.sysctls.insert(key, "128".to_owned());
                case.observed.config = files(&[(sysctl, content)]);
            }),
        ),
        (
            "a command line that is lost",
            planned(|case| {
                put(case, grub, "kernel", ours);
                case.observed.config = files(&[theirs]);
            }),
        ),
        (
            "one that was lost",
            planned(|case| {
                case.file(grub, ours, 0o644, &[FollowUp::Bootloader, FollowUp::Reboot]);
                case.commit();
                case.observed.config = files(&[theirs]);
                "ro consoleblank=0".clone_into(&mut case.observed.next_command_line);
            }),
        ),
        (
            "one that waits",
            applied("ro quiet preempt=full skew_tick=1"),
        ),
        (
            "one that the boot loader has in part",
            applied("ro quiet preempt=full"),
        ),
        ("no boot loader of ours", applied("")),
        (
            "taken back before it was ever booted",
            planned(|case| {
                case.file(grub, ours, 0o644, &[FollowUp::Bootloader, FollowUp::Reboot]);
                case.commit();
                case.rendered.entries.remove(&path(grub));
                case.observed.config = files(&[(grub, ours)]);
            }),
        ),
        (
            "an operator leaves",
            planned(|case| {
                case.file(
                    "/etc/ssh/authorized_keys.d/bob",
                    "ssh-ed25519 AAAA bob\n",
                    0o644,
                    &[],
                );
                case.commit();
                case.rendered
                    .entries
                    .remove(&path("/etc/ssh/authorized_keys.d/bob"));
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_interfaces_that_are_named_at_the_next_boot() {
    let link = "/etc/systemd/network/10-deployctl-lan0.link";
    let network = "/etc/systemd/network/10-deployctl-lan0.network";
    let renamed = |interfaces: &[&str], wants: &'static str| {
        let interfaces: Vec<String> = interfaces.iter().map(|&name| name.to_owned()).collect();
        planned(move |case| {
            case.target.interface_addresses =
                vec!["10.57.0.1/24".to_owned(), "192.0.2.7/24".to_owned()];
            put(
                case,
                link,
                "network",
                "[Match]\nDriver=ixgbe\n\n[Link]\nName=lan0\n",
            );
            put(case, network, "network", wants);
            case.observed.interfaces = interfaces.into_iter().collect();
        })
    };
    let wants = "[Match]\nName=lan0\n\n[Network]\nAddress=10.57.0.1/24\n";
    let told = table(vec![
        ("renamed", renamed(&["lo", "cluster0"], wants)),
        ("named already", renamed(&["lo", "lan0"], wants)),
        (
            "without an address",
            renamed(&["lo"], "[Match]\nName=lan0\n"),
        ),
        ("not asked", renamed(&[], wants)),
    ]);
    insta::assert_snapshot!(told);
}

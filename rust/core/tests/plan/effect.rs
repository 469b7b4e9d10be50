//! What is in effect, now and at the next boot: files of others, the daemon that runs, and the way in.

use deployctl_core::observed::{Account, Listener, SshUnit, WayIn};
use deployctl_core::plan::Plan;
use deployctl_core::precedence::ConfigFiles;
use deployctl_core::rendered::{Entry, FollowUp, OnChange};
use serde_json::{Map, Value, json};

use super::fixture::{Case, KEY, ownership, path, planned, table, unit};

const MAIN: &str = "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n";
const OURS: &str = "/etc/ssh/sshd_config.d/00-deployctl.conf";
const SUDOERS: &str = "/etc/sudoers.d/90-deployctl";

/// The files of the host that are read together.
fn files(of: &[(&str, &str)]) -> ConfigFiles {
    let all: Map<String, Value> = of
        .iter()
        .map(|(path, content)| {
            let lines: Map<String, Value> = content
                .lines()
                .zip(1..)
                .map(|(line, number): (&str, u32)| (number.to_string(), json!(line)))
                .collect();
            ((*path).to_owned(), Value::Object(lines))
        })
        .collect();
    serde_json::from_value(Value::Object(all)).unwrap()
}

fn state(active: &str, file: &str) -> SshUnit {
    SshUnit {
        active: active.to_owned(),
        file: file.to_owned(),
        since: "2026-11-26 14:41:20.123456".to_owned(),
    }
}

/// A host that we came to over SSH, as Debian ships it.
fn way_in() -> WayIn {
    WayIn {
        account: Some(Account {
            name: "operator".to_owned(),
            groups: Some(vec!["operator".to_owned(), "sudo".to_owned()]),
            has_password: Some(true),
            from: "198.51.100.9".parse().ok(),
            to: "192.0.2.7".parse().ok(),
            port: 22,
        }),
        units: [
            ("ssh.service", state("active", "enabled")),
            ("ssh.socket", state("inactive", "disabled")),
        ]
        .into_iter()
        .map(|(name, unit)| (name.to_owned(), unit))
        .collect(),
        newest: Some((
            "/etc/ssh/sshd_config".to_owned(),
            "2026-11-26 14:40:00.5".to_owned(),
        )),
        listeners: vec![Listener {
            port: 22,
            pid: 830,
            unit: Some("ssh.service".to_owned()),
            program: "sshd".to_owned(),
        }],
        sudoers: serde_json::from_value(json!([
            {"file": "/etc/sudoers", "line": 3, "who": "%sudo", "tag": "-", "last": "ALL"},
            {"file": "/etc/sudoers", "line": 4, "who": "@includedir", "tag": "/etc/sudoers.d", "last": "-"},
            {"file": "/etc/sudoers.d/10-installer", "line": 1, "who": "operator", "tag": "NOPASSWD", "last": "ALL"},
        ]))
        .unwrap(),
    }
}

/// A settled host with sshd declared, and one thing changed.
fn host(change: impl FnOnce(&mut Case)) -> Plan {
    planned(|case| {
        case.file(OURS, "Port 22\nAllowUsers operator\n", 0o644, &[]);
        case.unit("ssh.service", "ssh", OnChange::Reload, &[OURS]);
        case.rendered
            .units
            .get_mut(&unit("ssh.service"))
            .unwrap()
            .enabled = None;
        case.commit();
        case.observed.way_in = way_in();
        case.observed.config = files(&[
            ("/etc/ssh/sshd_config", MAIN),
            (OURS, "Port 22\nAllowUsers operator\n"),
        ]);
        change(case);
    })
}

fn put(case: &mut Case, at: &str, by: &str, content: &str) {
    let entry = Entry::File {
        content: content.to_owned(),
        ownership: ownership(0o644),
    };
    case.declare(at, by, entry, &[]);
}

#[test]
fn of_the_sshd_that_runs() {
    let another = |case: &mut Case, of: Option<&str>| {
        case.state("ssh.service", "loaded", "inactive", "enabled");
        let way_in = &mut case.observed.way_in;
        way_in.units.get_mut("ssh.service").unwrap().active = "inactive".to_owned();
        way_in.listeners[0].unit = of.map(str::to_owned);
        case.edit("/etc/app/app.conf", "level = 2\n");
    };
    let boot = |service: &'static str, socket: &'static str| {
        move |case: &mut Case| {
            let units = &mut case.observed.way_in.units;
            service.clone_into(&mut units.get_mut("ssh.service").unwrap().file);
            socket.clone_into(&mut units.get_mut("ssh.socket").unwrap().file);
        }
    };
    let told = table(vec![
        ("as declared", host(|_| {})),
        (
            "a drop-in of extra's that nobody watches",
            host(|case| {
                put(
                    case,
                    "/etc/ssh/sshd_config.d/10-m.conf",
                    "extra",
                    "X11Forwarding no\n",
                );
            }),
        ),
        (
            "a file that sshd is started with",
            host(|case| put(case, "/etc/default/ssh", "extra", "SSHD_OPTS=-4\n")),
        ),
        (
            "a drop-in of the unit",
            host(|case| {
                put(
                    case,
                    "/etc/systemd/system/ssh.service.d/x.conf",
                    "extra",
                    "[Service]\nNice=1\n",
                );
            }),
        ),
        (
            "keys, which are read at every login",
            host(|case| {
                put(
                    case,
                    "/etc/ssh/authorized_keys.d/operator",
                    "ssh",
                    &format!("{KEY}\n"),
                );
            }),
        ),
        (
            "a drop-in while a socket starts each sshd",
            host(|case| {
                let units = &mut case.observed.way_in.units;
                units.insert("ssh.service".to_owned(), state("inactive", "disabled"));
                units.insert("ssh.socket".to_owned(), state("active", "enabled"));
                case.state("ssh.service", "loaded", "active", "enabled");
                put(
                    case,
                    "/etc/ssh/sshd_config.d/10-m.conf",
                    "extra",
                    "X11Forwarding no\n",
                );
            }),
        ),
        (
            "changed behind its back",
            host(|case| {
                case.observed.way_in.newest = Some((
                    "/etc/ssh/sshd_config.d/10-x.conf".to_owned(),
                    "2026-11-26 14:52:07.5".to_owned(),
                ));
            }),
        ),
        (
            "changed behind its back, and not declared at all",
            host(|case| {
                case.rendered.units.remove(&unit("ssh.service"));
                case.rendered.entries.remove(&path(OURS));
                case.observed.manifest = None;
                case.observed.generation = 0;
                case.observed.way_in.newest = Some((
                    "/etc/ssh/sshd_config".to_owned(),
                    "2026-11-26 14:52:07.5".to_owned(),
                ));
            }),
        ),
        (
            "an sshd of another unit",
            host(|case| another(case, Some("mysshd.service"))),
        ),
        (
            "an sshd that systemd has lost",
            host(|case| another(case, Some("ssh.service"))),
        ),
        ("an sshd started by hand", host(|case| another(case, None))),
        (
            "systemd listens for it",
            host(|case| {
                another(case, None);
                case.observed.way_in.listeners[0].pid = 1;
            }),
        ),
        ("nothing starts at boot", host(boot("disabled", "disabled"))),
        ("masked", host(boot("masked", "disabled"))),
        (
            "the socket starts at boot",
            host(boot("disabled", "enabled")),
        ),
        ("a generator decides", host(boot("disabled", "static"))),
        (
            "nothing starts at boot, and ssh is not declared",
            host(|case| {
                boot("disabled", "")(case);
                case.rendered.units.remove(&unit("ssh.service"));
                case.observed.manifest = None;
                case.observed.generation = 0;
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_what_sshd_would_load() {
    let drop_in = |content: &'static str| {
        host(move |case| put(case, "/etc/ssh/sshd_config.d/10-m.conf", "extra", content))
    };
    let theirs = |path: &'static str, content: &'static str| {
        host(move |case| {
            case.observed.config = files(&[
                ("/etc/ssh/sshd_config", MAIN),
                (OURS, "Port 22\n"),
                (path, content),
            ]);
            case.edit(OURS, "Port 22\nMaxAuthTries 3\n");
        })
    };
    let told = table(vec![
        (
            "a block about the operator",
            drop_in("Match User operator\nPubkeyAuthentication no\n"),
        ),
        (
            "a block about where we come from",
            drop_in("Match Address 198.51.100.0/24\nAllowUsers root\n"),
        ),
        (
            "a block about another",
            drop_in("Match User bob\nPubkeyAuthentication no\n"),
        ),
        (
            "a block that cannot be judged",
            drop_in("Match Host *.example.com\nX11Forwarding no\nMatch all\nDenyUsers operator\n"),
        ),
        ("no file of keys", drop_in("AuthorizedKeysFile none\n")),
        (
            "a file of others, not loaded so far",
            theirs(
                "/etc/ssh/sshd_config.d/00-aaa.conf",
                "AllowUsers root\nDenyUsers oper*\n",
            ),
        ),
        (
            "the main file includes nothing",
            host(|case| {
                case.observed.config = files(&[
                    ("/etc/ssh/sshd_config", "UsePAM yes\n"),
                    (OURS, "Port 22\n"),
                ]);
                case.edit(OURS, "Port 22\nMaxAuthTries 3\n");
            }),
        ),
        (
            "the port moves",
            host(|case| case.edit(OURS, "Port 2222\nPort 22\nAllowUsers operator\n")),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_sudo() {
    let asks = "operator ALL=(ALL:ALL) ALL\n";
    let with = |content: &'static str, password: Option<bool>, given: bool| {
        host(move |case| {
            put(case, SUDOERS, "system", content);
            let account = case.observed.way_in.account.as_mut().unwrap();
            account.has_password = password;
            case.options.password = given;
        })
    };
    let told = table(vec![
        (
            "still without a password",
            with("operator ALL=(ALL) NOPASSWD: ALL\n", Some(false), false),
        ),
        (
            "a password from now on, and the account has none",
            with(asks, Some(false), false),
        ),
        (
            "that, with one on the command line",
            with(asks, Some(false), true),
        ),
        (
            "a password from now on, and none was given",
            with(asks, Some(true), false),
        ),
        ("one was given", with(asks, Some(true), true)),
        (
            "nothing at all",
            with("operator ALL=(ALL) !ALL\n", Some(true), true),
        ),
        (
            "a later file of others still asks for none",
            host(|case| {
                put(case, SUDOERS, "system", "operator ALL=(ALL:ALL) ALL\n");
                let rule = json!({"file": "/etc/sudoers.d/95-x", "line": 1, "who": "%sudo", "tag": "NOPASSWD", "last": "ALL"});
                case.observed
                    .way_in
                    .sudoers
                    .push(serde_json::from_value(rule).unwrap());
            }),
        ),
        (
            "asked all along",
            host(|case| {
                case.observed.way_in.sudoers.pop();
                put(case, SUDOERS, "system", "operator ALL=(ALL:ALL) ALL\n");
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

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

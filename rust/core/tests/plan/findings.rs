//! One case a kind of finding.

use std::collections::BTreeSet;

use deployctl_core::observed::PendingApply;
use deployctl_core::plan::{Guard, Plan, Target};
use deployctl_core::rendered::{Entry, FollowUp, OnChange, PathState};

use super::fixture::{Case, KEY, ownership, path, planned, table, unit};

fn pending(phase: &str, holder: &str) -> PendingApply {
    PendingApply {
        apply: "a-17".to_owned(),
        phase: phase.to_owned(),
        holder: holder.to_owned(),
        overdue: false,
    }
}

#[test]
fn of_the_host() {
    let told = table(vec![
        (
            "another machine",
            planned(|case| case.observed.identity.machine_id_sha256 = "beef".to_owned()),
        ),
        (
            "not adopted",
            planned(|case| case.target.machine_id_sha256 = None),
        ),
        (
            "another os",
            planned(|case| case.observed.os.id = "debian".to_owned()),
        ),
        (
            "another version",
            planned(|case| case.observed.os.version = "22.04".to_owned()),
        ),
        (
            "a mac",
            planned(|case| {
                case.observed.os.id = "darwin".to_owned();
                case.observed.os.version.clear();
            }),
        ),
        (
            "another platform",
            planned(|case| case.target.platform = "darwin".to_owned()),
        ),
        ("not root", planned(|case| case.observed.root = false)),
        (
            "no systemd",
            planned(|case| {
                case.observed.systemd = false;
                case.observed.units.clear();
                case.observed
                    .unanswered
                    .insert("units".to_owned(), "exit status 1".to_owned());
            }),
        ),
        (
            "read-only",
            planned(|case| {
                case.observed.read_only.insert("/etc".to_owned());
            }),
        ),
        (
            "an open apply",
            planned(|case| case.observed.pending = Some(pending("activating", "ann@laptop"))),
        ),
        (
            "an overdue apply",
            planned(|case| {
                case.observed.pending = Some(PendingApply {
                    overdue: true,
                    ..pending("activated", "ann@laptop")
                });
            }),
        ),
        (
            "an open apply, stolen",
            planned(|case| {
                case.observed.pending = Some(pending("activated", ""));
                case.options.steal = true;
            }),
        ),
        (
            "a rollback that failed cannot be stolen",
            planned(|case| {
                case.observed.pending = Some(pending("rollback-failed", "ann@laptop"));
                case.options.steal = true;
            }),
        ),
        (
            "no answer",
            planned(|case| {
                for id in ["paths", "packages", "units", "failed", "sysctls", "modules"] {
                    case.observed
                        .unanswered
                        .insert(id.to_owned(), "no answer in time".to_owned());
                }
            }),
        ),
        (
            "in a sandbox none of this counts",
            planned(|case| {
                case.options.sandbox = true;
                case.observed.identity.machine_id_sha256.clear();
                case.observed.os.id.clear();
                case.observed.root = false;
                case.observed.systemd = false;
                case.observed.units.clear();
                case.observed.packages.clear();
                case.observed.sysctls.clear();
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_paths_and_units() {
    let told = table(vec![
        (
            "a pipe, a directory, a file in the way",
            planned(|case| {
                case.observed
                    .paths
                    .insert(path("/etc/app/app.conf"), PathState::Other { letter: 'p' });
                case.observed.paths.insert(
                    path("/etc/app/key"),
                    PathState::Directory {
                        ownership: ownership(0o755),
                    },
                );
                case.declare(
                    "/etc/app/dir",
                    "app",
                    Entry::Directory {
                        ownership: ownership(0o755),
                    },
                    &[],
                );
                case.found("/etc/app/dir", "x", 0o644);
            }),
        ),
        (
            "masked",
            planned(|case| {
                case.unit("lib.service", "app", OnChange::Restart, &[]);
                case.state("lib.service", "masked", "inactive", "masked");
            }),
        ),
        (
            "nothing brings it",
            planned(|case| {
                case.unit("lib.service", "app", OnChange::Restart, &[]);
                case.state("lib.service", "not-found", "inactive", "");
            }),
        ),
        (
            "a package may bring it",
            planned(|case| {
                case.unit("lib.service", "app", OnChange::Restart, &[]);
                case.state("lib.service", "not-found", "inactive", "");
                case.package("lib", "app", None, false);
                case.observed.packages.remove("lib");
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_room() {
    let full = |place: &'static str, free: u64| {
        move |case: &mut Case| {
            case.edit("/etc/app/app.conf", "level = 2\n");
            case.observed.free_kib.insert(place.to_owned(), free);
        }
    };
    let told = table(vec![
        ("full", planned(full("/", 100))),
        (
            "no room for state",
            planned(full("/var/lib/deployctl", 60_000)),
        ),
        (
            "nothing to do needs no room",
            planned(|case| {
                case.observed.free_kib.insert("/".to_owned(), 0);
            }),
        ),
        (
            "a small /boot is enough for files",
            planned(full("/boot", 100)),
        ),
        (
            "but not for an initramfs",
            planned(|case| {
                full("/boot", 100_000)(case);
                case.declare(
                    "/etc/modprobe.d/x.conf",
                    "app",
                    Entry::File {
                        content: "options x y=1\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[FollowUp::Initramfs],
                );
            }),
        ),
        (
            "not known",
            planned(|case| {
                case.edit("/etc/app/app.conf", "level = 2\n");
                case.observed.free_kib.clear();
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

fn guarded(clock: Option<&'static str>) -> impl Fn(&mut Case) {
    move |case| {
        case.target.guards.push(Guard {
            concern: "app".to_owned(),
            timezone: "Australia/Sydney".to_owned(),
            days: "Mon-Fri".to_owned(),
            open: "10:00".to_owned(),
            close: "16:12".to_owned(),
        });
        if let Some(clock) = clock {
            case.observed
                .local_times
                .insert("Australia/Sydney".to_owned(), clock.to_owned());
        }
        case.edit("/etc/app/app.conf", "level = 2\n");
    }
}

#[test]
fn of_sessions() {
    let told = table(vec![
        ("open", planned(guarded(Some("2:11:30")))),
        ("closed", planned(guarded(Some("2:16:12")))),
        ("no clock", planned(guarded(None))),
        (
            "forced",
            planned(|case| {
                guarded(Some("2:11:30"))(case);
                case.options.force = true;
            }),
        ),
        (
            "open, and another concern's unit",
            planned(|case| {
                guarded(Some("2:11:30"))(case);
                case.rendered
                    .units
                    .get_mut(&unit("app.service"))
                    .unwrap()
                    .concern = super::fixture::concern("lib");
            }),
        ),
        (
            "open, and nothing restarts",
            planned(|case| {
                guarded(Some("2:11:30"))(case);
                case.rendered
                    .units
                    .get_mut(&unit("app.service"))
                    .unwrap()
                    .on_change = OnChange::Nothing;
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

fn sshd(lines: &'static str) -> Plan {
    planned(|case| {
        case.declare(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            "ssh",
            Entry::File {
                content: lines.to_owned(),
                ownership: ownership(0o644),
            },
            &[],
        );
    })
}

fn only_findings(plan: Plan) -> Plan {
    Plan {
        paths: Vec::new(),
        follow_ups: BTreeSet::new(),
        ..plan
    }
}

#[test]
fn of_sshd() {
    let cases = [
        "Port 22\nAllowUsers operator root\nPubkeyAuthentication yes\n",
        "AllowUsers root\n",
        "AllowUsers root\nAllowUsers oper*@192.0.2.*\n",
        "DenyUsers op?rator\n",
        "AllowGroups admins\n",
        "PubkeyAuthentication no\n",
        "PubkeyAuthentication yes\nPubkeyAuthentication no\n",
        "AuthenticationMethods publickey,password\n",
        "Port 2222\n",
        "Port 2222\nPort 22\n",
        "Port=\"2222\"\n",
        "Match User guest\nAllowUsers guest\nPort 1\n",
        "# AllowUsers root\n",
        "PermitRootLogin no\n",
    ];
    let told = table(
        cases
            .into_iter()
            .map(|lines| (lines.trim(), only_findings(sshd(lines))))
            .collect(),
    );
    insta::assert_snapshot!(told);
    let root = planned(|case| {
        case.target.user = "root".to_owned();
        case.declare(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            "ssh",
            Entry::File {
                content: "PermitRootLogin no\n".to_owned(),
                ownership: ownership(0o644),
            },
            &[],
        );
    });
    let told = table(vec![("root, and no root login", only_findings(root))]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_the_firewall() {
    let rules = |input: &str| {
        let text = format!(
            "table inet deployctl {{\n chain input {{\n  type filter hook input priority filter; policy drop;\n  ct state established,related accept\n  {input}\n }}\n}}\n"
        );
        only_findings(planned(|case| {
            case.declare(
                "/etc/nftables.d/deployctl.nft",
                "firewall",
                Entry::File {
                    content: text,
                    ownership: ownership(0o644),
                },
                &[FollowUp::Firewall],
            );
        }))
    };
    let accepting = "table inet x {\n chain input {\n type filter hook input priority filter; policy accept;\n }\n}\n";
    let told = table(vec![
        ("accepted", rules("tcp dport { 22 } accept comment \"ssh\"")),
        ("not accepted", rules("tcp dport { 8000 } accept")),
        (
            "accepted in one place",
            rules("iifname { \"lan\" } tcp dport { 22 } accept"),
        ),
        (
            "nothing drops",
            only_findings(planned(|case| {
                case.declare(
                    "/etc/nftables.d/x.nft",
                    "firewall",
                    Entry::File {
                        content: accepting.to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[],
                )
            })),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn of_keys_sudo_addresses_and_ssh_itself() {
    let put = |case: &mut Case, at: &str, text: &str, mode: u16| {
        case.declare(
            at,
            "system",
            Entry::File {
                content: text.to_owned(),
                ownership: ownership(mode),
            },
            &[],
        );
    };
    let told = table(vec![
        (
            "a key of ours, with options",
            only_findings(planned(|case| {
                put(
                    case,
                    "/etc/ssh/authorized_keys.d/operator",
                    &format!("no-pty {KEY}\n"),
                    0o644,
                )
            })),
        ),
        (
            "no key of ours",
            only_findings(planned(|case| {
                put(
                    case,
                    "/etc/ssh/authorized_keys.d/operator",
                    "ssh-ed25519 AAAA other\n",
                    0o644,
                )
            })),
        ),
        (
            "somebody else's keys",
            only_findings(planned(|case| {
                put(
                    case,
                    "/etc/ssh/authorized_keys.d/guest",
                    "ssh-ed25519 AAAA other\n",
                    0o644,
                )
            })),
        ),
        (
            "sudoers taken away",
            only_findings(planned(|case| {
                case.declare("/etc/sudoers.d/ours", "system", Entry::Absent, &[]);
                case.found(
                    "/etc/sudoers.d/ours",
                    "operator ALL=(ALL) NOPASSWD: ALL\n",
                    0o440,
                );
            })),
        ),
        (
            "sudoers back to what it was",
            only_findings(planned(|case| {
                case.file(
                    "/etc/sudoers.d/ours",
                    "operator ALL=(ALL) NOPASSWD: ALL\n",
                    0o440,
                    &[],
                );
                case.commit();
                case.rendered.entries.remove(&path("/etc/sudoers.d/ours"));
            })),
        ),
        (
            "sudoers changed, still granted",
            only_findings(planned(|case| {
                put(
                    case,
                    "/etc/sudoers.d/ours",
                    "operator ALL=(ALL) ALL\n",
                    0o440,
                );
            })),
        ),
        (
            "our address goes to nobody",
            only_findings(planned(|case| {
                case.target.interface_addresses = vec!["192.0.2.9/24".to_owned()];
                case.edit("/etc/app/app.conf", "level = 2\n");
            })),
        ),
        (
            "our address stays",
            only_findings(planned(|case| {
                case.target.interface_addresses = vec!["192.0.2.7/24".to_owned()];
                case.edit("/etc/app/app.conf", "level = 2\n");
            })),
        ),
        (
            "a file loses our address",
            only_findings(planned(|case| {
                case.file(
                    "/etc/systemd/network/10-x.network",
                    "Address=192.0.2.7/24\n",
                    0o644,
                    &[],
                );
                case.edit(
                    "/etc/systemd/network/10-x.network",
                    "Address=198.51.100.1/24\n",
                );
            })),
        ),
        (
            "ssh stopped",
            only_findings(planned(|case| {
                case.unit("ssh.service", "ssh", OnChange::Reload, &[]);
                case.rendered
                    .units
                    .get_mut(&unit("ssh.service"))
                    .unwrap()
                    .running = Some(false);
            })),
        ),
        (
            "ssh stopped, its socket runs",
            only_findings(planned(|case| {
                case.unit("ssh.service", "ssh", OnChange::Reload, &[]);
                case.unit("ssh.socket", "ssh", OnChange::Reload, &[]);
                case.rendered
                    .units
                    .get_mut(&unit("ssh.service"))
                    .unwrap()
                    .running = Some(false);
            })),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_target_is_read_from_the_inventory() {
    let inventory = serde_json::json!({
        "version": 1,
        "cluster": { "operators": { "ann": { "keys": [KEY] } } },
        "hosts": { "box": {
            "platform": "ubuntu",
            "os": { "id": "debian", "version": "12" },
            "connection": { "address": "192.0.2.7", "port": 2222, "user": "ann", "become": "sudo" },
            "identity": { "machine_id_sha256": "5a1e", "hostname": "box" },
            "network": { "interfaces": { "lan": { "addresses": ["192.0.2.7/24"] } } },
            "trading": { "session": { "timezone": "Australia/Sydney", "days": "Mon-Fri", "open": "10:00", "close": "16:12" } },
            "other": { "session": null }
        } }
    });
    let host = deployctl_core::name::HostName::new("box").unwrap();
    let target = Target::of(&inventory, &host).unwrap();
    assert_eq!(target.timezones(), ["Australia/Sydney"]);
    insta::assert_debug_snapshot!(target);
    let missing = deployctl_core::name::HostName::new("missing").unwrap();
    assert_eq!(Target::of(&inventory, &missing), None);
}

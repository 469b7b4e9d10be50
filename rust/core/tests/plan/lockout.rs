//! Whether the operator could still log in, and the port that an apply opens beside the one that we come in by.

use std::collections::BTreeSet;

use deployctl_core::observed::{Account, Listener};
use deployctl_core::plan::{Plan, new_port};
use deployctl_core::rendered::{Entry, FollowUp, OnChange};
use serde_json::json;

use super::effect::{host, put};
use super::fixture::{Case, KEY, ownership, path, planned, table, unit};

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
    insta::assert_snapshot!(told, @"
    ## root, and no root login
    refuse [lockout] sshd would no longer let `root` in: `PermitRootLogin no` in `/etc/ssh/sshd_config.d/00-deployctl.conf:1`
        set `ssh.permit_root_login` to `prohibit-password`, or `connection.user` to an operator with sudo
    ");
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
    insta::assert_snapshot!(told, @"
    ## accepted
    nothing

    ## not accepted
    refuse [lockout] `/etc/nftables.d/deployctl.nft` would drop new connections to port 22, the one we come in by
        declare a firewall service for it, or change `connection.port`

    ## accepted in one place
    warn [lockout] `/etc/nftables.d/deployctl.nft` accepts port 22 from some places only; whether ours is one is not known
        confirm goes over a new connection: without it everything is rolled back

    ## nothing drops
    nothing
    ");
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
            "keys of another person",
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
            "no interface keeps our address",
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

const SUDOERS: &str = "/etc/sudoers.d/90-deployctl";

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
    let later = |file: &str, who: &str, tag: &str, last: &str| {
        let rule = json!({"file": file, "line": 4, "who": who, "tag": tag, "last": last});
        host(|case| {
            let ours = "operator ALL=(ALL:ALL) ALL\nbob ALL=(ALL:ALL) NOPASSWD: ALL\n";
            case.file(SUDOERS, ours, 0o440, &[]);
            case.commit();
            case.observed
                .way_in
                .sudoers
                .push(serde_json::from_value(rule).unwrap());
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
            "nothing changes, and a later file of others asks for none",
            later("/etc/sudoers.d/95-x", "operator", "NOPASSWD", "ALL"),
        ),
        (
            "nothing changes, and a later file asks a group",
            later("/etc/sudoers.d/95-x", "%sudo", "-", "ALL"),
        ),
        (
            "nothing changes, and a later file asks everybody",
            later("/etc/sudoers.d/95-x", "ALL", "PASSWD", "ALL"),
        ),
        (
            "nothing changes, and a later file forbids it",
            later("/etc/sudoers.d/95-x", "bob", "-", "!ALL"),
        ),
        (
            "nothing changes, and an earlier file asks for none",
            later("/etc/sudoers.d/80-x", "operator", "NOPASSWD", "ALL"),
        ),
        (
            "nothing changes, and a later file is about one command",
            later("/etc/sudoers.d/95-x", "operator", "NOPASSWD", "/bin/x"),
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

/// What systemd reads for every service, it reads for those of deployctl, too.
#[test]
fn of_the_dead_man_timer() {
    for (drop_in, refused) in [
        ("/etc/systemd/system/service.d/x.conf", true),
        ("/etc/systemd/system/timer.d/x.conf", true),
        ("/usr/local/lib/systemd/system/service.d/x.conf", true),
        ("/etc/systemd/system/deployctl-.service.d/x.conf", true),
        (
            "/etc/systemd/system/deployctl-recover.service.d/x.conf",
            true,
        ),
        ("/etc/systemd/system/web.service.d/x.conf", false),
        ("/etc/systemd/system/socket.d/x.conf", false),
        ("/etc/service.d/x.conf", false),
    ] {
        let plan = planned(|case| {
            let content = "[Unit]\n".to_owned();
            let ownership = ownership(0o644);
            let entry = Entry::File { content, ownership };
            case.declare(drop_in, "extra", entry, &[]);
        });
        let words = "the dead-man timer may not start";
        let told = plan.refusals().any(|it| it.message.contains(words));
        assert_eq!(told, refused, "{drop_in}");
    }
}

#[test]
fn a_new_port_is_known_where_no_gateway_is_on_the_way() {
    for (declared, came_to, listening, expected) in [
        (None, 22, 22, None),
        (Some(22), 22, 22, None),
        (Some(2222), 22, 22, Some(2222)),
        // Both are open since an earlier apply.
        (Some(2222), 22, 2222, None),
        // A gateway calls port 22 of the host another.
        (Some(2222), 2200, 22, None),
    ] {
        let mut case = Case::settled();
        case.target.ssh_port = declared;
        let way_in = &mut case.observed.way_in;
        way_in.account = Some(Account {
            port: came_to,
            ..Account::default()
        });
        way_in.listeners = vec![Listener {
            port: listening,
            pid: 830,
            unit: None,
            program: "sshd".to_owned(),
        }];
        let found = new_port(&case.target, &case.observed);
        assert_eq!(found, expected, "{declared:?} {came_to} {listening}");
    }
}

//! What is in effect, now and at the next boot: files of others, the daemon that runs, and the way in.

use deployctl_core::observed::{Account, Listener, SshUnit, WayIn};
use deployctl_core::plan::Plan;
use deployctl_core::precedence::ConfigFiles;
use deployctl_core::rendered::{Entry, FollowUp, OnChange};
use serde_json::{Map, Value, json};

use super::fixture::{Case, KEY, ownership, path, planned, table, unit};

const MAIN: &str = "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n";
const OURS: &str = "/etc/ssh/sshd_config.d/00-deployctl.conf";

/// The files of the host that are read together.
pub(super) fn files(of: &[(&str, &str)]) -> ConfigFiles {
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
        started: "2026-11-26 14:30:00.5".to_owned(),
        needs_reload: false,
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
        newest_of_start: Some((
            "/lib/systemd/system/ssh.service".to_owned(),
            "2026-11-20 10:00:00.5".to_owned(),
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
pub(super) fn host(change: impl FnOnce(&mut Case)) -> Plan {
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

/// Our drop-in with other content, declared, committed and there.
fn settle(case: &mut Case, content: &str) {
    case.file(OURS, content, 0o644, &[]);
    case.commit();
}

pub(super) fn put(case: &mut Case, at: &str, by: &str, content: &str) {
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
            "a drop-in of extra's that no unit watches",
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

/// Every file that systemd reads for the unit takes effect at its next start: that is now.
#[test]
fn of_the_files_that_sshd_is_started_by() {
    let drop_in = |at: &'static str| {
        host(move |case| {
            put(case, at, "extra", "[Service]\nNice=1\n");
            case.rendered.entries.get_mut(&path(at)).unwrap().follow_ups =
                [FollowUp::DaemonReload].into();
        })
    };
    let by_socket = |at: &'static str| {
        host(move |case| {
            let units = &mut case.observed.way_in.units;
            units.insert("ssh.service".to_owned(), state("inactive", "disabled"));
            units.insert("ssh.socket".to_owned(), state("active", "enabled"));
            case.state("ssh.service", "loaded", "active", "enabled");
            put(case, at, "extra", "[Socket]\nListenStream=2222\n");
        })
    };
    let told = table(vec![
        (
            "of another name of the unit",
            drop_in("/etc/systemd/system/sshd.service.d/x.conf"),
        ),
        (
            "of every service",
            drop_in("/etc/systemd/system/service.d/x.conf"),
        ),
        (
            "where packages put theirs",
            drop_in("/usr/lib/systemd/system/ssh.service.d/x.conf"),
        ),
        ("the unit", drop_in("/etc/systemd/system/ssh.service")),
        (
            "of units that begin otherwise",
            drop_in("/etc/systemd/system/ssh-.service.d/x.conf"),
        ),
        (
            "of a socket that does not listen",
            drop_in("/etc/systemd/system/ssh.socket.d/x.conf"),
        ),
        (
            "of the socket that listens",
            by_socket("/etc/systemd/system/sshd.socket.d/x.conf"),
        ),
        (
            "of every socket",
            by_socket("/etc/systemd/system/socket.d/x.conf"),
        ),
        (
            "of the service, which the socket starts for who comes next",
            by_socket("/etc/systemd/system/ssh.service.d/x.conf"),
        ),
        (
            "changed behind its back, and not loaded by systemd",
            host(|case| {
                let units = &mut case.observed.way_in.units;
                units.get_mut("ssh.service").unwrap().needs_reload = true;
            }),
        ),
        (
            "changed behind its back, and not started since",
            host(|case| {
                case.observed.way_in.newest_of_start = Some((
                    "/etc/systemd/system/sshd.service.d/y.conf".to_owned(),
                    "2026-11-26 14:52:07.5".to_owned(),
                ));
            }),
        ),
        (
            "a file that sshd includes from elsewhere",
            host(|case| {
                let main = format!("{MAIN}Include /etc/sshd.d/*.conf\n");
                case.observed.config = files(&[
                    ("/etc/ssh/sshd_config", main.as_str()),
                    (OURS, "Port 22\nAllowUsers operator\n"),
                ]);
                put(case, "/etc/sshd.d/10-x.conf", "extra", "X11Forwarding no\n");
            }),
        ),
        (
            "a file like it that sshd does not include",
            host(|case| put(case, "/etc/sshd.d/10-x.conf", "extra", "X11Forwarding no\n")),
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
            "no file of keys in a home directory",
            drop_in("AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n"),
        ),
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
            "a file of others that is read first, on a host where nothing changes",
            host(|case| {
                let theirs = "PasswordAuthentication yes\nMaxAuthTries 9\nport 22\nPermitRootLogin without-password\n";
                let ours = "Port 22\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxAuthTries 3\n";
                settle(case, ours);
                case.observed.config = files(&[
                    ("/etc/ssh/sshd_config", MAIN),
                    ("/etc/ssh/sshd_config.d/00-aaa.conf", theirs),
                    (
                        "/etc/ssh/sshd_config.d/50-cloud-init.conf",
                        "PasswordAuthentication yes\n",
                    ),
                ]);
            }),
        ),
        (
            "a block about the operator, on a host where nothing changes",
            host(|case| {
                settle(case, "PasswordAuthentication no\n");
                let main = format!(
                    "{MAIN}Match User operator\nPasswordAuthentication yes\nMatch User bob\nPasswordAuthentication yes\n"
                );
                case.observed.config = files(&[("/etc/ssh/sshd_config", main.as_str())]);
            }),
        ),
        (
            "the main file includes nothing, on a host where nothing changes",
            host(|case| {
                case.observed.config = files(&[("/etc/ssh/sshd_config", "UsePAM yes\n")]);
            }),
        ),
        (
            "the main file says it before it includes ours",
            host(|case| {
                settle(case, "PasswordAuthentication no\n");
                let main = format!("passwordauthentication=yes\n{MAIN}");
                case.observed.config = files(&[("/etc/ssh/sshd_config", main.as_str())]);
            }),
        ),
        (
            "the port moves",
            host(|case| case.edit(OURS, "Port 2222\nPort 22\nAllowUsers operator\n")),
        ),
    ]);
    insta::assert_snapshot!(told);
}

//! One case a kind of change.

use deployctl_core::rendered::{Entry, FollowUp, OnChange, PathState};

use super::fixture::{ownership, path, planned, table, unit};

#[test]
fn a_settled_host_has_an_empty_plan() {
    let plan = planned(|_| {});
    assert!(plan.is_empty());
    assert_eq!(plan.change_count(), 0);
    insta::assert_json_snapshot!(plan, @r#"
    {
      "id": "9fe3ee27f35bb44d",
      "host": "box",
      "identity": {
        "machine_id_sha256": "5a1e",
        "hostname": "box"
      },
      "os": {
        "id": "ubuntu",
        "version": "24.04"
      },
      "boot_id": "b007",
      "base_generation": 4,
      "failed_units": [],
      "paths": [],
      "packages": [],
      "units": [],
      "sysctls": [],
      "modules": [],
      "follow_ups": [],
      "reboot": [],
      "drift": [],
      "findings": []
    }
    "#);
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
            "older: upgraded, and the unit of another concern that needs it restarts",
            planned(|case| {
                case.package("lib", "lib", Some("2"), false);
                let want = case.rendered.packages.get_mut("lib").unwrap();
                want.others.insert(super::fixture::concern("app"));
                case.observed.packages.get_mut("lib").unwrap().version = "1".to_owned();
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
            "a hold that is not ours is left alone",
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
            "drop-ins of its other name, of names that begin alike, and of its type",
            planned(|case| {
                case.unit("a-b.service", "app", OnChange::Restart, &[]);
                case.unit("reloads.service", "app", OnChange::Reload, &[]);
                case.observed.units.insert(unit("old.service"), {
                    let mut other = case.observed.units[&unit("reloads.service")].clone();
                    other.alias_of = Some(unit("reloads.service"));
                    other
                });
                for directory in ["old.service.d", "a-.service.d", "timer.d"] {
                    case.declare(
                        &format!("/etc/systemd/system/{directory}/x.conf"),
                        "app",
                        Entry::File {
                            content: "[Unit]\nDescription=x\n".to_owned(),
                            ownership: ownership(0o644),
                        },
                        &[FollowUp::DaemonReload],
                    );
                }
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

//! One case a kind of finding.

use deployctl_core::concern::Concerns;
use deployctl_core::inventory::{Cluster, Host, Platform};
use deployctl_core::observed::PendingApply;
use deployctl_core::plan::{BlackoutWindow, Target};
use deployctl_core::rendered::{Entry, FollowUp, OnChange, PathState};

use super::fixture::{Case, KEY, ownership, path, planned, table, unit};

fn pending(phase: &str, holder: &str) -> PendingApply {
    PendingApply {
        apply: "a-17".to_owned(),
        phase: phase.to_owned(),
        holder: holder.to_owned(),
        overdue: false,
        left_seconds: None,
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
            planned(|case| case.target.platform = Platform::Darwin),
        ),
        (
            "a stock kernel where a custom one is declared",
            planned(|case| {
                case.file(
                    "/etc/deployctl/kernel.fragment",
                    "CONFIG_BPF=y\n",
                    0o644,
                    &[],
                )
            }),
        ),
        (
            "its own kernel",
            planned(|case| {
                case.file(
                    "/etc/deployctl/kernel.fragment",
                    "CONFIG_BPF=y\n",
                    0o644,
                    &[],
                );
                case.observed.kernel = "6.12.1-deployctl".to_owned();
            }),
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
            "an apply that waits to be confirmed",
            planned(|case| {
                case.observed.pending = Some(PendingApply {
                    left_seconds: Some(24),
                    ..pending("activated", "ann@laptop")
                });
            }),
        ),
        (
            "an open apply, stolen",
            planned(|case| {
                case.observed.pending = Some(pending("activated", ""));
                case.overrides.steal = true;
            }),
        ),
        (
            "a rollback that failed cannot be stolen",
            planned(|case| {
                case.observed.pending = Some(pending("rollback-failed", "ann@laptop"));
                case.overrides.steal = true;
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
    insta::assert_snapshot!(told, @"
    ## a pipe, a directory, a file in the way
    drift /etc/app/app.conf: file 0644 root:root 9259f773c285 -> something else (`p`)
    drift /etc/app/key: file 0600 root:root 46a9d5bde718 -> directory 0755 root:root
    refuse [path] `/etc/app/app.conf` is a named pipe
        look at `/etc/app/app.conf` on the host and move it out of the way
    refuse [path] `/etc/app/dir` is not a directory, and one is declared there
        look at `/etc/app/dir` on the host and move it out of the way
    refuse [path] `/etc/app/key` is a directory
        look at `/etc/app/key` on the host and move it out of the way

    ## masked
    refuse [unit] `lib.service` is masked on the host, and declared to run
        `systemctl unmask lib.service` on the host, or declare it neither enabled nor running

    ## nothing brings it
    refuse [unit] there is no `lib.service` on the host, and nothing declared provides it
        declare the package or the file that holds it

    ## a package may bring it
    package lib Install: None -> None
    unit lib.service [Enable, Start]: does not start at boot, is new
    ");
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
        case.target.blackouts.push(BlackoutWindow {
            concern: "app".to_owned(),
            timezone: "Australia/Sydney".to_owned(),
            days: "Mon-Fri".to_owned(),
            open: "10:00".to_owned(),
            close: "16:12".to_owned(),
        });
        if let Some(clock) = clock {
            case.observed
                .clocks
                .local
                .insert("Australia/Sydney".to_owned(), clock.to_owned());
        }
        case.edit("/etc/app/app.conf", "level = 2\n");
    }
}

/// The host's clock is so many seconds behind.
fn apart(case: &mut Case, behind: i64) {
    case.observed.clocks.host = Some(1_795_392_000);
    case.observed.clocks.controller = 1_795_392_000_u64.checked_add_signed(behind);
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
                case.overrides.force = true;
            }),
        ),
        (
            "open by the controller's clock, by which the host's is behind",
            planned(|case| {
                guarded(Some("2:05:30"))(case);
                apart(case, 6 * 3600);
            }),
        ),
        (
            "the same, forced",
            planned(|case| {
                guarded(Some("2:05:30"))(case);
                apart(case, 6 * 3600);
                case.overrides.force = true;
            }),
        ),
        (
            "open by the host's clock, which is a day ahead",
            planned(|case| {
                guarded(Some("1:11:30"))(case);
                apart(case, -26 * 3600);
            }),
        ),
        (
            "closed by both clocks, and one of them is wrong",
            planned(|case| {
                guarded(Some("2:20:00"))(case);
                apart(case, 1000);
            }),
        ),
        (
            "open by both clocks, which differ",
            planned(|case| {
                guarded(Some("2:11:30"))(case);
                apart(case, 1000);
            }),
        ),
        (
            "closed, and as far apart as an answer takes",
            planned(|case| {
                guarded(Some("2:09:59"))(case);
                apart(case, 100);
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

#[test]
fn a_target_is_read_from_the_inventory() {
    let cluster = serde_json::json!({
        "name": "here",
        "operators": { "ann": { "keys": [KEY] } },
        "links": {},
        "findings": [],
    });
    let host = serde_json::json!({
        "description": "A box",
        "platform": "ubuntu",
        "architecture": "x86_64",
        "tags": [],
        "os": { "id": "debian", "version": "12" },
        "connection": {
            "address": "192.0.2.7", "port": 2222, "user": "ann", "become": "sudo", "jump": null
        },
        "identity": { "machine_id_sha256": "5a1e", "hostname": "box", "host_keys": [] },
        "network": { "interfaces": { "lan": { "addresses": ["192.0.2.7/24"], "mtu": 1500 } } },
    });
    let name = deployctl_core::name::HostName::new("box").unwrap();
    let cluster: Cluster = serde_json::from_value(cluster).unwrap();
    let mut host: Host = serde_json::from_value(host).unwrap();
    let hours = serde_json::json!({
        "timezone": "Australia/Sydney", "days": "Mon-Fri", "open": "10:00", "close": "16:12"
    });
    let hours = serde_json::from_value(hours).unwrap();
    host.blackouts.insert("trading".to_owned(), hours);
    let target = Target::of(&name, &host, &cluster, Concerns::built_in());
    assert_eq!(target.timezones(), ["Australia/Sydney"]);
    insta::assert_debug_snapshot!(target);
    host.blackouts.clear();
    host.connection.user = deployctl_core::name::AccountName::new("root").unwrap();
    let target = Target::of(&name, &host, &cluster, Concerns::built_in());
    assert_eq!(target.blackouts, []);
    assert!(target.keys.is_empty(), "root is no operator: {target:?}");
}

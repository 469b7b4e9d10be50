//! Observes directories and this machine by real shells.
#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: what the script means is what a shell makes of it"
)]

mod processes;
#[path = "../shellcheck/mod.rs"]
mod shellcheck;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use deployctl_core::closure::{Closure, StorePath};
use deployctl_core::inventory::Platform;
use deployctl_core::name::{
    AccountName, ConcernName, HostName, ManagedPath, ModuleName, SysctlKey,
};
use deployctl_core::observed::{
    ObserveError, ObserveScope, Observed, generation_lists, queries, read,
};
use deployctl_core::query::{Marker, parse, script};
use deployctl_core::rendered::{
    Entry, FollowUp, ManagedEntry, Mode, OnChange, Ownership, PackageWant, PathState, Rendered,
    SysctlWant, UnitWant,
};

const SHELLS: [&[&str]; 2] = [&["dash", "-s"], &["bash", "--posix", "-s"]];

fn sysctl(value: &str) -> SysctlWant {
    SysctlWant {
        value: value.to_owned(),
        concerns: BTreeSet::new(),
    }
}

fn observe(shell: &[&str], root: Option<&Path>, scope: &ObserveScope<'_>) -> Observed {
    try_observe(shell, root, scope).unwrap()
}

fn try_observe(
    shell: &[&str],
    root: Option<&Path>,
    scope: &ObserveScope<'_>,
) -> Result<Observed, ObserveError> {
    let marker = Marker::new([9; 16]);
    let mut command = Command::new(shell[0]);
    command
        .args(&shell[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(root) = root {
        command
            .env("DEPLOYCTL_ROOT", root)
            .env("DEPLOYCTL_SANDBOX", "1");
    }
    let mut child = command.spawn().unwrap();
    let text = script(&marker, &queries(scope));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    read(&parse(&marker, &output.stdout).unwrap(), scope)
}

fn path(text: &str) -> ManagedPath {
    ManagedPath::new(text).unwrap()
}

fn ownership(mode: u16) -> Ownership {
    Ownership {
        mode: Mode::new(mode).unwrap(),
        owner: AccountName::new("root").unwrap(),
        group: AccountName::new("root").unwrap(),
    }
}

fn managed(entry: Entry) -> ManagedEntry {
    ManagedEntry {
        concern: ConcernName::new("extra").unwrap(),
        template: None,
        facts: BTreeSet::new(),
        entry,
        follow_ups: BTreeSet::new(),
        validator: None,
        validator_package: None,
    }
}

fn file(content: &str, mode: u16) -> ManagedEntry {
    managed(Entry::File {
        content: content.to_owned(),
        ownership: ownership(mode),
    })
}

fn rendered() -> Rendered {
    let mut rendered = Rendered::empty(HostName::new("box").unwrap());
    for (at, entry) in [
        ("/etc/same", file("same\n", 0o644)),
        ("/etc/differs", file("wanted\n", 0o644)),
        ("/etc/secret", file("hidden\n", 0o600)),
        ("/etc/opened-secret", file("hidden\n", 0o600)),
        ("/etc/missing", file("new\n", 0o644)),
        ("/etc/binary", file("text\n", 0o644)),
        ("/etc/big", file("small\n", 0o644)),
        (
            "/etc/dir",
            managed(Entry::Directory {
                ownership: ownership(0o755),
            }),
        ),
        (
            "/etc/link",
            managed(Entry::Symlink {
                target: "a b".to_owned(),
            }),
        ),
        ("/etc/gone", managed(Entry::Absent)),
        ("/etc/pipe", file("x", 0o644)),
    ] {
        rendered.entries.insert(path(at), entry);
    }
    rendered
}

/// A root in which every kind of difference stands.
fn root() -> tempfile::TempDir {
    let root = tempfile::Builder::new()
        .prefix("a 'quoted' root")
        .tempdir()
        .unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir_all(at("etc/dir")).unwrap();
    for (name, bytes, mode) in [
        ("etc/same", b"same\n".as_slice(), 0o644),
        ("etc/differs", b"found\n", 0o644),
        ("etc/secret", b"other\n", 0o600),
        ("etc/opened-secret", b"other\n", 0o644),
        ("etc/binary", b"\xff\x00", 0o644),
        ("etc/big", &vec![b'x'; 70_000], 0o644),
        (
            "etc/machine-id",
            b"0123456789abcdef0123456789abcdef\n",
            0o444,
        ),
        (
            "etc/os-release",
            b"NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"24.04\"\n",
            0o644,
        ),
        ("etc/once-ours", b"still here\n", 0o640),
    ] {
        fs::write(at(name), bytes).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(at("etc/dir"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("c\nd", at("etc/link")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(at("etc/pipe"))
            .status()
            .unwrap()
            .success()
    );
    root
}

/// What a directory is asked that stands for a host.
fn of_a_directory(rendered: &Rendered) -> ObserveScope<'_> {
    ObserveScope {
        rendered,
        sandbox: true,
        timezones: &[],
    }
}

/// Links that were committed beside a system are looked at, though nothing is declared there any more.
#[test]
fn a_nix_host_is_asked_for_what_its_platform_may_have_beside_the_system() {
    let asked = |platform| {
        let mut rendered = Rendered::empty(HostName::new("box").unwrap());
        rendered.closure = Some(Closure {
            platform,
            toplevel: StorePath::new("/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system").unwrap(),
        });
        let scope = ObserveScope {
            rendered: &rendered,
            sandbox: false,
            timezones: &[],
        };
        let queries = queries(&scope).into_iter();
        let beside = queries.filter(|query| ["paths", "places"].contains(&query.id.as_str()));
        beside.map(|query| query.id).collect::<Vec<_>>()
    };
    assert_eq!(asked(Platform::Nixos), ["paths", "places"]);
    assert_eq!(asked(Platform::Darwin), ["paths"]);
}

#[test]
fn a_directory_is_observed_by_files_alone() {
    let root = root();
    let rendered = rendered();
    let scope = of_a_directory(&rendered);
    let mut seen = Vec::new();
    for shell in SHELLS {
        let mut observed = observe(shell, Some(root.path()), &scope);
        assert!(observed.free_kib["/"] > 0);
        observed.free_kib.clear();
        observed.root = true;
        seen.push(observed);
    }
    assert_eq!(seen[0], seen[1]);
    insta::assert_json_snapshot!(seen[0]);
}

#[test]
fn the_committed_generation_adds_its_own_paths_and_an_open_apply_is_seen() {
    let root = root();
    let state = root.path().join("var/lib/deployctl");
    let mut old = Rendered::empty(HostName::new("box").unwrap());
    old.entries
        .insert(path("/etc/once-ours"), file("ours\n", 0o640));
    old.entries.insert(path("/etc/lost"), file("ours\n", 0o640));
    fs::create_dir_all(state.join("generations/7")).unwrap();
    fs::write(state.join("generation"), "7\n").unwrap();
    let manifest = old.manifest();
    fs::write(
        state.join("generations/7/manifest.json"),
        serde_json::to_vec(&manifest).unwrap(),
    )
    .unwrap();
    for (name, text) in generation_lists(&manifest) {
        fs::write(state.join("generations/7").join(name), text).unwrap();
    }
    for (apply, phase) in [("a1", "committed"), ("b2", "activating"), ("c3", "staged")] {
        fs::create_dir_all(state.join("applies").join(apply)).unwrap();
        fs::write(
            state.join("applies").join(apply).join("phase"),
            format!("{phase}\n"),
        )
        .unwrap();
    }
    fs::write(state.join("lease"), "apply b2\nholder ann@laptop\n").unwrap();
    let rendered = Rendered::empty(HostName::new("box").unwrap());
    let scope = of_a_directory(&rendered);
    for shell in SHELLS {
        let observed = observe(shell, Some(root.path()), &scope);
        assert_eq!(observed.generation, 7);
        assert_eq!(observed.manifest.as_ref(), Some(&manifest));
        assert_eq!(observed.paths[&path("/etc/lost")], PathState::Absent);
        assert!(matches!(
            observed.paths[&path("/etc/once-ours")],
            PathState::File { .. }
        ));
        let pending = observed.pending.unwrap();
        assert_eq!(
            (
                pending.apply.as_str(),
                pending.phase.as_str(),
                pending.holder.as_str()
            ),
            ("b2", "activating", "ann@laptop")
        );
        assert_eq!(observed.unanswered.len(), 0);
    }
}

#[test]
fn an_empty_directory_is_a_host_that_has_nothing() {
    let root = tempfile::tempdir().unwrap();
    let rendered = rendered();
    let scope = of_a_directory(&rendered);
    for shell in SHELLS {
        let observed = observe(shell, Some(root.path()), &scope);
        assert!(
            observed
                .paths
                .values()
                .all(|state| *state == PathState::Absent)
        );
        assert_eq!(observed.paths.len(), rendered.entries.len());
        assert_eq!(
            (
                observed.generation,
                observed.identity.machine_id_sha256.as_str()
            ),
            (0, "")
        );
    }
}

/// A table of ours and the package that loads it.
fn firewall(rendered: &mut Rendered) {
    let mut entry = file("table inet deployctl { }\n", 0o644);
    entry.follow_ups.insert(FollowUp::Firewall);
    let at = path("/etc/nftables.d/deployctl.nft");
    rendered.entries.insert(at, entry);
    rendered.packages.insert(
        "nftables".to_owned().try_into().unwrap(),
        PackageWant {
            concern: ConcernName::new("firewall").unwrap(),
            others: std::collections::BTreeSet::new(),
            version: None,
            hold: false,
            replaces: BTreeSet::new(),
            file: None,
        },
    );
}

/// Files that sshd and netplan read together with those of others.
fn read_by_others(rendered: &mut Rendered) {
    for at in ["/etc/ssh/sshd_config.d/00-x.conf", "/etc/netplan/60-x.yaml"] {
        let entry = file("# none\n", 0o600);
        rendered.entries.insert(path(at), entry);
    }
}

#[test]
fn a_number_that_is_none_is_told_with_the_newest_generation() {
    let rendered = Rendered::empty(HostName::new("box").unwrap());
    let scope = of_a_directory(&rendered);
    let mut told = Vec::new();
    for (number, generations) in [
        ("", &["3", "12"][..]),
        ("many\n", &["3"]),
        ("", &[]),
        ("12\n", &["3"]),
    ] {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("var/lib/deployctl");
        for generation in generations {
            fs::create_dir_all(state.join("generations").join(generation)).unwrap();
        }
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("generation"), number).unwrap();
        let said: BTreeSet<_> = SHELLS
            .iter()
            .map(
                |shell| match try_observe(shell, Some(root.path()), &scope) {
                    Ok(observed) => format!("{:?}", observed.unanswered),
                    Err(error) => error.to_string(),
                },
            )
            .collect();
        told.extend(said);
    }
    insta::assert_snapshot!(told.join("\n"), @"
    `/var/lib/deployctl/generation` on the host is empty, and its newest generation is 12; if that is what runs there, write it down: `echo 12 >/var/lib/deployctl/generation`
    `/var/lib/deployctl/generation` on the host says `many`, which is no number, and its newest generation is 3; if that is what runs there, write it down: `echo 3 >/var/lib/deployctl/generation`
    {}
    the record of generation 12 on the host, `/var/lib/deployctl/generations/12/manifest.json`, cannot be read: it is missing or empty; put the file back, or go on from an older generation: move `/var/lib/deployctl/generations/12` away and write the older number into `/var/lib/deployctl/generation`
    ");
}

#[test]
fn this_machine_answers_whatever_it_is() {
    let mut rendered = Rendered::empty(HostName::new("box").unwrap());
    let concern = ConcernName::new("extra").unwrap();
    rendered
        .entries
        .insert(path("/etc/passwd"), file("", 0o644));
    rendered
        .sysctls
        .insert(SysctlKey::new("kernel.ostype").unwrap(), sysctl("Linux"));
    rendered
        .sysctls
        .insert(SysctlKey::new("kernel.pid_max").unwrap(), sysctl("1"));
    rendered.sysctls.insert(
        SysctlKey::new("net.ipv4.tcp_rmem").unwrap(),
        sysctl("1 2 3"),
    );
    rendered
        .sysctls
        .insert(SysctlKey::new("kernel.no_such_key").unwrap(), sysctl("1"));
    let module = ModuleName::new("no-such-module").unwrap();
    rendered.modules.insert(module, BTreeSet::new());
    for name in ["dash", "no-such-package"] {
        rendered.packages.insert(
            name.to_owned().try_into().unwrap(),
            PackageWant {
                concern: concern.clone(),
                others: std::collections::BTreeSet::new(),
                version: None,
                hold: false,
                replaces: std::collections::BTreeSet::new(),
                file: None,
            },
        );
    }
    rendered.units.insert(
        "ssh.service".to_owned().try_into().unwrap(),
        UnitWant {
            concern,
            enabled: Some(true),
            running: Some(true),
            on_change: OnChange::Restart,
            watch: BTreeSet::new(),
            start_timeout_seconds: 90,
            early: false,
        },
    );
    let scope = ObserveScope {
        rendered: &rendered,
        sandbox: false,
        timezones: &["UTC", "Mars/Olympus"],
    };
    for shell in SHELLS {
        let observed = observe(shell, None, &scope);
        assert!(!observed.os.id.is_empty());
        assert!(!observed.kernel.is_empty());
        assert_eq!(observed.boot_id.len(), 36);
        // A number: such files answer one question only, so it must be asked whole.
        assert_eq!(
            observed.sysctls[&SysctlKey::new("kernel.pid_max").unwrap()],
            fs::read_to_string("/proc/sys/kernel/pid_max")
                .unwrap()
                .trim()
        );
        assert_eq!(
            observed.sysctls[&SysctlKey::new("kernel.ostype").unwrap()],
            "Linux"
        );
        assert_eq!(observed.sysctls.len(), 3);
        assert!(!observed.sysctls.values().any(|value| value.contains('\t')));
        assert!(!observed.clocks.local.contains_key("Mars/Olympus"));
        assert!(observed.clocks.host.unwrap() > 1_700_000_000);
        assert!(matches!(
            observed.paths[&path("/etc/passwd")],
            PathState::File { .. }
        ));
        let accounts = observed.accounts.unwrap();
        let root = AccountName::new("root").unwrap();
        assert!(accounts.is_member(&root, &root));
        let places = observed.places.unwrap();
        assert!(places.mounts.contains_key("/proc"));
        assert_eq!(places.above["/etc"].uid, 0);
        assert!(observed.apt.is_some());
        // What needs the programs of a Debian is told as unanswered elsewhere, never invented.
        if observed.unanswered.contains_key("packages") {
            assert!(observed.packages.is_empty());
        } else {
            let dash = &observed.packages["dash"];
            assert!(dash.installed && !dash.version.is_empty());
        }
        assert!(observed.systemd || observed.unanswered.contains_key("units"));
    }
}

#[test]
fn the_observing_script_is_clean_by_shellcheck() {
    let mut rendered = rendered();
    firewall(&mut rendered);
    read_by_others(&mut rendered);
    let scope = ObserveScope {
        rendered: &rendered,
        sandbox: false,
        timezones: &["UTC"],
    };
    let queries = queries(&scope);
    for id in ["places", "apt", "complaints"] {
        assert!(queries.iter().any(|query| query.id == id), "{id}");
    }
    for query in queries {
        shellcheck::clean(&query.id, &query.command, "");
    }
}

//! Observes the system of a host of a Nix platform by real shells: a root with a store of links, and
//! stand-ins for the programs of Nix and of macOS.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: what the script means is what a shell makes of it"
)]

mod mac;
#[path = "../shellcheck/mod.rs"]
mod shellcheck;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use deployctl_core::closure::{Closure, StorePath};
use deployctl_core::inventory::Platform;
use deployctl_core::name::HostName;
use deployctl_core::observed::{ObserveScope, Observed, queries, read};
use deployctl_core::precedence;
use deployctl_core::query::{Answers, Section};
use deployctl_core::rendered::Rendered;

const OLD: &str = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-1";
const NEW: &str = "/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-2";
/// Stands for NixOS' bash, Debian's dash, and a userland that is not GNU's.
const SHELLS: [&[&str]; 3] = [
    &["bash", "--posix", "-c"],
    &["dash", "-c"],
    &["busybox", "sh", "-c"],
];

/// Programs by name, as sh.
type Programs = &'static [(&'static str, &'static str)];

/// Nix, for a store below a root.
const NIX: Programs = &[
    (
        "nix",
        r#"case $1 in
--version) echo 'nix (Nix) 2.31.2' ;;
*)
  for p; do :; done
  echo "$p     	       1024"
  echo "/nix/store/3c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-openssh-${p##*-}.0	        7"
  ;;
esac"#,
    ),
    ("nix-store", r#"[ -e "$DEPLOYCTL_ROOT$2/complete" ]"#),
];
/// No store, and nothing to look at it with.
const WITHOUT: Programs = &[("nix", "exit 127"), ("nix-store", "exit 127")];
/// One that finds everything and can list nothing.
const FAILING: Programs = &[
    ("nix", "echo error: no such option; exit 1"),
    ("nix-store", ":"),
];
/// One whose store may not be asked.
const DEAR: Programs = &[
    ("nix", "[ \"$1\" = --version ] || echo dear >&2"),
    ("nix-store", "echo dear >&2"),
];
/// A folder with `programs`, first on the search path.
fn path(programs: Programs) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, body) in programs {
        let file = folder.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    (folder, path)
}

fn rendered(platform: Platform, toplevel: &str) -> Rendered {
    Rendered {
        closure: Some(Closure {
            platform,
            toplevel: StorePath::new(toplevel).unwrap(),
        }),
        ..Rendered::empty(HostName::new("box").unwrap())
    }
}

fn ask(
    shell: &[&str],
    root: &Path,
    rendered: &Rendered,
    programs: Programs,
) -> (Vec<String>, Observed) {
    let (_folder, path) = path(programs);
    let scope = ObserveScope {
        rendered,
        sandbox: false,
        timezones: &["Australia/Sydney", "Mars/Olympus"],
    };
    let asked = queries(&scope);
    let answers: Answers = asked
        .iter()
        .map(|query| {
            let output = Command::new(shell[0])
                .args(&shell[1..])
                .arg(&query.command)
                .env("PATH", &path)
                .env("DEPLOYCTL_ROOT", root)
                .env("LC_ALL", "C")
                .output()
                .unwrap();
            let section = Section {
                status: output.status.code(),
                stdout: output.stdout,
                stderr: output.stderr,
                truncated: false,
            };
            assert_eq!(String::from_utf8_lossy(&section.stderr), "", "{}", query.id);
            (query.id.clone(), section)
        })
        .collect();
    let ids = asked.iter().map(|query| query.id.clone()).collect();
    (ids, read(&answers, &scope).unwrap())
}

/// A root that runs and boots `OLD`, and has `NEW`.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let base = root.path().canonicalize().unwrap();
    for (system, kernel) in [(OLD, "6.12.1"), (NEW, "6.12.2")] {
        let at = base.join(system.trim_start_matches('/'));
        fs::create_dir_all(at.join("bin")).unwrap();
        fs::write(at.join("complete"), "").unwrap();
        fs::write(at.join("kernel-params"), format!("quiet release={kernel}")).unwrap();
        fs::write(
            at.join("switch-inhibitors"),
            format!("{{\"dbus-implementation\": \"dbus\", \"kernel\": \"{kernel}\"}}"),
        )
        .unwrap();
        let package = format!("3c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-linux-{kernel}");
        fs::create_dir_all(base.join("nix/store").join(&package)).unwrap();
        fs::write(base.join("nix/store").join(&package).join("bzImage"), "").unwrap();
        symlink(format!("../{package}/bzImage"), at.join("kernel")).unwrap();
        let switch = at.join("bin/switch-to-configuration");
        fs::write(
            &switch,
            "#!/bin/sh\n[ \"$1$NIXOS_NO_SYNC\" = dry-activate1 ] || exit 1\n\
             echo 'would activate the configuration...'\n\
             echo 'would restart the following units: a.service' >&2\n",
        )
        .unwrap();
        fs::set_permissions(&switch, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir_all(base.join("run")).unwrap();
    fs::create_dir_all(base.join("nix/var/nix/profiles")).unwrap();
    fs::create_dir_all(base.join("etc")).unwrap();
    fs::write(
        base.join("etc/os-release"),
        "ID=nixos\nVERSION_ID=\"26.05\"\n",
    )
    .unwrap();
    fs::write(
        base.join("etc/machine-id"),
        "0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    symlink(format!("..{OLD}"), base.join("run/current-system")).unwrap();
    symlink(format!("..{OLD}"), base.join("run/booted-system")).unwrap();
    let profiles = base.join("nix/var/nix/profiles");
    symlink("system-7-link", profiles.join("system")).unwrap();
    symlink(format!("../../../..{OLD}"), profiles.join("system-7-link")).unwrap();
    root
}

#[test]
fn a_system_that_waits_in_the_store_is_compared_with_what_runs() {
    let root = root();
    let base = root.path().canonicalize().unwrap();
    for shell in SHELLS {
        let (ids, observed) = ask(shell, &base, &rendered(Platform::Nixos, NEW), NIX);
        assert_eq!(
            ids,
            [
                "host",
                "generation",
                "paths",
                "failed",
                "places",
                "system",
                "closures",
                "inhibitors",
                "dry-activate",
                "clock"
            ]
        );
        let mut system = observed.system.unwrap();
        assert!(system.store_free_kib.take().is_some(), "{shell:?}");
        insta::assert_json_snapshot!(
            "a_system_that_waits",
            (observed.os, observed.unanswered, system)
        );
    }
}

/// Files below `boot`, and what they say that is started.
type Loader = (
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
);

const LOADERS: [Loader; 5] = [
    (&[], None),
    (
        &[(
            "grub/grub.cfg",
            "set default=\"0\"\nmenuentry a {\n  linux /k init=NEW/init quiet\n}\nmenuentry b {\n  linux /k init=OLD/init\n}\n",
        )],
        Some(NEW),
    ),
    // Another file says what `saved_entry` means.
    (
        &[(
            "grub/grub.cfg",
            "set default=\"${saved_entry}\"\nlinux /k init=NEW/init\n",
        )],
        None,
    ),
    (
        &[
            (
                "loader/loader.conf",
                "timeout 5\ndefault nixos-generation-9.conf\n",
            ),
            (
                "loader/entries/nixos-generation-9.conf",
                "options init=OLD/init quiet\n",
            ),
            (
                "loader/entries/nixos-generation-10.conf",
                "options init=NEW/init quiet\n",
            ),
        ],
        Some(OLD),
    ),
    (
        &[
            ("loader/loader.conf", "default nixos-*\n"),
            (
                "loader/entries/nixos-generation-9.conf",
                "options init=OLD/init\n",
            ),
            (
                "loader/entries/nixos-generation-10.conf",
                "options init=NEW/init\n",
            ),
        ],
        Some(NEW),
    ),
];

#[test]
fn what_the_boot_loader_starts_is_read_where_it_tells() {
    for (files, wanted) in LOADERS {
        let root = root();
        let base = root.path().canonicalize().unwrap();
        for (name, text) in files {
            let at = base.join("boot").join(name);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, text.replace("OLD", OLD).replace("NEW", NEW)).unwrap();
        }
        for shell in SHELLS {
            let (_, observed) = ask(shell, &base, &rendered(Platform::Nixos, OLD), DEAR);
            let boot = observed.system.unwrap().boot_default;
            let boot = boot.as_ref().map(StorePath::as_str);
            assert_eq!(boot, wanted, "{shell:?}: {files:?}");
        }
    }
}

#[test]
fn a_host_that_runs_what_is_wanted_is_asked_for_links_alone() {
    let root = root();
    let base = root.path().canonicalize().unwrap();
    for shell in SHELLS {
        let (_, observed) = ask(shell, &base, &rendered(Platform::Nixos, OLD), DEAR);
        let system = observed.system.unwrap();
        let there = system.wanted.unwrap();
        assert_eq!(system.booted, there.boot);
        assert_eq!(there.boot.len(), 2, "{:?}", there.boot);
        assert!(system.closure.is_empty() && there.closure.is_empty());
        assert_eq!(there.dry_activate, None);
        assert!(observed.unanswered.is_empty());
    }
}

#[test]
fn what_is_not_there_or_not_complete_is_not_wanted_yet() {
    let root = root();
    let base = root.path().canonicalize().unwrap();
    fs::remove_file(base.join(&NEW[1..]).join("complete")).unwrap();
    let absent = "/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-3";
    for shell in SHELLS {
        for toplevel in [NEW, absent] {
            let (_, observed) = ask(shell, &base, &rendered(Platform::Nixos, toplevel), NIX);
            let system = observed.system.unwrap();
            assert_eq!(system.current, Some(StorePath::new(OLD).unwrap()));
            assert_eq!(system.wanted, None);
            assert!(observed.unanswered.is_empty(), "{:?}", observed.unanswered);
        }
    }
}

#[test]
fn a_host_without_nix_says_so() {
    let root = tempfile::tempdir().unwrap();
    for shell in SHELLS {
        let (_, observed) = ask(shell, root.path(), &rendered(Platform::Nixos, NEW), WITHOUT);
        let system = observed.system.unwrap();
        assert_eq!((system.nix_version, system.current), (None, None));
        assert_eq!((system.profile, system.wanted), (None, None));
    }
}

#[test]
fn a_rehearsal_that_fails_says_how() {
    let root = root();
    let base = root.path().canonicalize().unwrap();
    fs::write(
        base.join(&NEW[1..]).join("bin/switch-to-configuration"),
        "#!/bin/sh\nprintf 'init differs'\nexit 100\n",
    )
    .unwrap();
    for shell in SHELLS {
        let (_, observed) = ask(shell, &base, &rendered(Platform::Nixos, NEW), FAILING);
        let there = observed.system.unwrap().wanted.unwrap();
        assert_eq!(there.dry_activate, Some((100, "\ninit differs".to_owned())));
        assert_eq!(observed.unanswered["closures"], "`nix path-info` failed");
    }
}

#[test]
fn its_questions_are_clean_by_shellcheck() {
    for platform in [Platform::Nixos, Platform::Darwin] {
        let rendered = rendered(platform, NEW);
        let scope = ObserveScope {
            rendered: &rendered,
            sandbox: false,
            timezones: &["UTC"],
        };
        for query in queries(&scope) {
            shellcheck::clean(&query.id, &query.command, "");
        }
    }
}

/// netplan's files may hold passwords and keys: what is no known value stays on the host.
#[test]
fn of_netplan_only_what_is_compared_is_printed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/netplan");
    fs::create_dir_all(&folder).unwrap();
    let content = "network:\n  wifis:\n    w0:\n      mtu: 1400 # POISON\n      access-points:\n        \"home\":\n          password: \"POISON\"\n          auth:\n            password: POISON\n      dhcp4: {POISON: yes}\n      name: \"POISON with blanks\"\n  ethernets: # POISON\n    \"lan0\":\n      \"dhcp4\": yes\n      addresses:\n        - 192.0.2.7/24\n  tunnels:\n    wg0:\n      key: POISON=\n";
    fs::write(folder.join("90-x.yaml"), content).unwrap();
    let ask = ["/etc/netplan", "/run/netplan", "/lib/netplan"]
        .iter()
        .fold(precedence::ASK.to_owned(), |ask, place| {
            ask.replace(place, &format!("{}{place}", root.path().display()))
        });
    for shell in SHELLS {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .arg(&ask)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = said
            .lines()
            .filter_map(|line| line.split_once("90-x.yaml\0"))
            .map(|(_, line)| line)
            .collect();
        assert!(!said.contains("POISON"), "{said}");
        assert_eq!(
            lines,
            [
                "1:network:",
                "2:  wifis:",
                "3:    w0:",
                "4:      mtu: 1400 ",
                "5:      access-points:",
                "6:        \"home\":",
                "8:          auth:",
                "12:  ethernets: ",
                "13:    \"lan0\":",
                "14:      \"dhcp4\": yes",
                "15:      addresses:",
                "17:  tunnels:",
                "18:    wg0:",
            ]
        );
    }
}

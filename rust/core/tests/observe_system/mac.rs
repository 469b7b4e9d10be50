//! A Mac, which is asked by its own programs.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use deployctl_core::inventory::Platform;
use deployctl_core::observed::{ObserveScope, queries};

use super::{NEW, Programs, SHELLS, path, rendered};

/// The programs of macOS.
const MAC: Programs = &[
    (
        "uname",
        "if [ \"$1\" = -s ]; then echo Darwin; else echo 25.1.0; fi",
    ),
    (
        "ioreg",
        r#"printf '  | {\n  |   "IOPlatformUUID" = "11111111-2222-3333-4444-555555555555"\n  | }\n'"#,
    ),
    ("sw_vers", "echo 26.1"),
    (
        "sysctl",
        r#"case $2 in
kern.boottime) echo "{ sec = $(($(date +%s) - 500)), usec = 0 } Mon Nov 23 04:00:00 2026" ;;
*) echo 0F0F0F0F-0000-4000-8000-000000000000 ;;
esac"#,
    ),
    ("hostname", "echo mini.local"),
];

/// Lines about a Mac that are the same on every computer.
const TOLD_OF_A_MAC: [&str; 7] = [
    "machine ",
    "os ID=macos",
    "os VERSION_ID=26",
    "hostname ",
    "boot ",
    "kernel ",
    "overdue ",
];

/// State with an open apply on each side of its deadline, for a Mac that was booted 500 seconds ago.
fn applies_of_a_mac() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    for (apply, deadline) in [("late", "400"), ("early", "900")] {
        let at = state.path().join("var/lib/deployctl/applies").join(apply);
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("phase"), "armed\n").unwrap();
        fs::write(at.join("deadline"), format!("{deadline}\n")).unwrap();
    }
    state
}

#[test]
fn a_mac_is_asked_by_its_own_programs() {
    let rendered = rendered(Platform::Darwin, NEW);
    let scope = ObserveScope {
        rendered: &rendered,
        sandbox: false,
        timezones: &[],
    };
    let asked = queries(&scope);
    let ids: Vec<_> = asked.iter().map(|query| query.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "host",
            "generation",
            "paths",
            "failed",
            "system",
            "closures"
        ]
    );
    let (_folder, path) = path(MAC);
    let state = applies_of_a_mac();
    // busybox has its own of most of them.
    for shell in &SHELLS[..2] {
        // This machine has a /proc, which a Mac has not.
        let command = asked[0]
            .command
            .replace("/proc/sys ]", "/no/proc ]")
            .replace("S=$R/var", &format!("S={}/var", state.path().display()));
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .arg(command)
            .env("PATH", &path)
            .env_remove("DEPLOYCTL_ROOT")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let is_kept = |line: &&str| TOLD_OF_A_MAC.iter().any(|key| line.starts_with(key));
        let kept: Vec<_> = said.lines().filter(is_kept).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(kept.join("\n"), @"
            machine 825f7e517588650ca6f3db34713ae5088320f2811ae9ddab7c3a7e30d732eb98
            os ID=macos
            os VERSION_ID=26.1
            overdue late
            hostname mini.local
            boot 0F0F0F0F-0000-4000-8000-000000000000
            kernel 25.1.0
            ");
        }
    }
}

/// Before a system of Nix brings others.
const MAC_TOOLS: Programs = &[
    ("find", "exit 1"),
    (
        "stat",
        r#"if [ "$1" != -f ]; then exit 1; fi
if [ "$2" != '%Lp %u %g %z|%Su|%Sg' ]; then exit 2; fi
/usr/bin/stat -c '%a %u %g %s|DOMAIN\two words|%G' "$3""#,
    ),
    ("sha256sum", "exit 127"),
    (
        "shasum",
        "[ \"$1 $2\" = '-a 256' ] && /usr/bin/sha256sum \"$3\"",
    ),
];

#[test]
fn links_beside_the_system_of_a_mac_are_seen_by_its_own_tools() {
    let root = tempfile::tempdir().unwrap();
    let generation = root.path().join("var/lib/deployctl/generations/1");
    fs::create_dir_all(&generation).unwrap();
    fs::write(root.path().join("var/lib/deployctl/generation"), "1\n").unwrap();
    fs::write(
        generation.join("paths.list"),
        "/opt/link\n/opt/folder\n/opt/file\n/opt/none\n",
    )
    .unwrap();
    fs::create_dir_all(root.path().join("opt/folder")).unwrap();
    fs::write(root.path().join("opt/file"), "text\n").unwrap();
    symlink("releases/a b", root.path().join("opt/link")).unwrap();
    let rendered = rendered(Platform::Darwin, NEW);
    let scope = ObserveScope {
        rendered: &rendered,
        sandbox: false,
        timezones: &[],
    };
    let asked = queries(&scope);
    let paths = asked.iter().find(|query| query.id == "paths").unwrap();
    for tools in [MAC_TOOLS, &[]] {
        let (_folder, path) = path(tools);
        for shell in &SHELLS[..2] {
            let output = Command::new(shell[0])
                .args(&shell[1..])
                .arg(&paths.command)
                .env("own", root.path().join("asked"))
                .env("PATH", &path)
                .env("DEPLOYCTL_ROOT", root.path())
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let fields: Vec<_> = said.split('\0').collect();
            let each = fields.chunks_exact(9);
            let (rest, each) = (each.remainder(), each);
            let each: Vec<_> = each.map(|it| (it[0], it[7], it[8])).collect();
            assert_eq!(
                each,
                [
                    ("l", "releases/a b", "./opt/link"),
                    ("d", "", "./opt/folder"),
                    ("f", "", "./opt/file"),
                ],
                "{shell:?}"
            );
            let sums =
                "b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733  ./opt/file\n";
            assert_eq!(rest, ["", sums, ""]);
            assert_eq!(
                fields[4 + 9 * 2 - 1] == "DOMAIN\\two words",
                !tools.is_empty()
            );
            assert_eq!((fields[1 + 9 * 2], fields[6 + 9 * 2]), ("644", "5"));
        }
    }
}

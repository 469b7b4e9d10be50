//! Places where nothing can be put, and packages that cannot be installed: told before anything starts.

use deployctl_core::observed::{Above, Holder, ObservedApt, Places, Unfinished};
use deployctl_core::rendered::{Entry, FollowUp, PathState};

use super::fixture::{Case, ownership, path, planned, table};

/// A plan that edits `/etc/app/app.conf`, where `spoil` has changed what is known of places.
fn edited(spoil: impl FnOnce(&mut Places)) -> deployctl_core::plan::Plan {
    planned(|case| {
        case.edit("/etc/app/app.conf", "level = 2\n");
        let mut places = places();
        spoil(&mut places);
        case.observed.places = Some(places);
    })
}

fn above(kind: &str, uid: u32, gid: u32, mode: u32) -> Above {
    Above {
        kind: kind.to_owned(),
        uid,
        gid,
        mode,
    }
}

fn places() -> Places {
    let mut places = Places::default();
    places.mounts.insert("/".to_owned(), false);
    for at in ["/etc", "/etc/app"] {
        places
            .above
            .insert(at.to_owned(), above("directory", 0, 0, 0o755));
    }
    places
}

fn link(places: &mut Places, at: &str, to: &str) {
    places.links.insert(at.to_owned(), to.to_owned());
}

fn put(places: &mut Places, at: &str, what: Above) {
    places.above.insert(at.to_owned(), what);
}

/// `/etc/old/x` was committed and is declared no more; `/etc/old` is a file now.
fn undeclared(case: &mut Case, original: bool) {
    case.file("/etc/old/x", "x\n", 0o644, &[]);
    case.commit();
    case.rendered.entries.remove(&path("/etc/old/x"));
    case.observed
        .paths
        .insert(path("/etc/old/x"), PathState::Absent);
    let mut places = places();
    put(&mut places, "/etc/old", above("regular file", 0, 0, 0o644));
    if original {
        places.originals.insert(path("/etc/old/x"));
    }
    case.observed.places = Some(places);
}

#[test]
fn paths() {
    let lock = |at: &'static str, flag| {
        move |places: &mut Places| {
            places.locked.insert(at.to_owned(), flag);
        }
    };
    let told = table(vec![
        ("nothing in the way", edited(|_| {})),
        (
            "a mount point",
            edited(|places| {
                places.mounts.insert("/etc/app/app.conf".to_owned(), false);
            }),
        ),
        (
            "a mount that is read-only",
            edited(|places| {
                places.mounts.insert("/etc/app".to_owned(), true);
            }),
        ),
        ("immutable", edited(lock("/etc/app/app.conf", 'i'))),
        ("append-only", edited(lock("/etc/app/app.conf", 'a'))),
        ("in an immutable directory", edited(lock("/etc/app", 'i'))),
        (
            "in a directory of another user",
            edited(|p| put(p, "/etc/app", above("directory", 1000, 0, 0o755))),
        ),
        (
            "in a directory open to all",
            edited(|p| put(p, "/etc/app", above("directory", 0, 0, 0o1777))),
        ),
        (
            "in a directory open to a group",
            edited(|p| put(p, "/etc/app", above("directory", 0, 100, 0o775))),
        ),
        (
            "in a directory open to root's group",
            edited(|p| put(p, "/etc/app", above("directory", 0, 0, 0o775))),
        ),
        (
            "below a file",
            edited(|p| put(p, "/etc/app", above("regular file", 0, 0, 0o644))),
        ),
        (
            "below a file, and only to be forgotten",
            planned(|case| undeclared(case, false)),
        ),
        (
            "below a file, and to be put back",
            planned(|case| undeclared(case, true)),
        ),
        ("behind a link", edited(|p| link(p, "/etc/app", "/srv/app"))),
        (
            "behind a link into a directory of another user",
            edited(|p| {
                link(p, "/etc/app", "/home/bob/app");
                put(p, "/home/bob", above("directory", 1000, 1000, 0o755));
                put(p, "/home/bob/app", above("directory", 0, 0, 0o755));
            }),
        ),
        (
            "behind a link of the distribution",
            edited(|p| link(p, "/etc", "/usr/etc")),
        ),
        (
            "behind a link, and as declared; opened by an access control list",
            planned(|case| {
                case.commit();
                let mut places = places();
                link(&mut places, "/etc/app", "/srv/app");
                places.lists.insert("/etc/app/key".to_owned());
                places.lists.insert("/etc/not-ours".to_owned());
                case.observed.places = Some(places);
            }),
        ),
        (
            "what does not change may be anywhere",
            planned(|case| {
                let mut places = places();
                places.mounts.insert("/etc/app/app.conf".to_owned(), false);
                put(&mut places, "/etc/app", above("directory", 1000, 0, 0o777));
                case.observed.places = Some(places);
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn settings_and_devices() {
    let key = |text: &str| deployctl_core::name::SysctlKey::new(text).unwrap();
    let container = |case: &mut Case| {
        let mut places = places();
        places.mounts.insert("/proc/sys".to_owned(), true);
        places.mounts.insert("/proc/sys/net".to_owned(), false);
        case.observed.places = Some(places);
    };
    let told = table(vec![
        (
            "read-only, and another value is declared",
            planned(|case| {
                container(case);
                case.observed
                    .sysctls
                    .insert(key("vm.swappiness"), "60".to_owned());
            }),
        ),
        ("read-only, and as declared", planned(container)),
        (
            "read-only, and declared no more",
            planned(|case| {
                container(case);
                case.rendered.sysctls.clear();
            }),
        ),
        (
            "writable again below",
            planned(|case| {
                container(case);
                case.sysctl("net.ipv4.tcp_mtu_probing", "1");
                case.observed
                    .sysctls
                    .insert(key("net.ipv4.tcp_mtu_probing"), "0".to_owned());
            }),
        ),
        (
            "files for udev, which does not run",
            planned(|case| {
                case.observed.udev = false;
                let content = "[Match]\n".to_owned();
                let ownership = ownership(0o644);
                case.declare(
                    "/etc/systemd/network/10-x.link",
                    "network",
                    Entry::File { content, ownership },
                    &[FollowUp::Udev],
                );
            }),
        ),
    ]);
    insta::assert_snapshot!(told, @r#"
    ## read-only, and another value is declared
    drift vm.swappiness: 1 -> 60
    refuse [sysctl] `vm.swappiness` cannot be set: `/proc/sys` is mounted read-only there, as in a container
        set it on the machine that runs the container, or take it out of the facts

    ## read-only, and as declared
    nothing

    ## read-only, and declared no more
    nothing

    ## writable again below
    sysctl net.ipv4.tcp_mtu_probing: Some("0") -> Some("1")

    ## files for udev, which does not run
    path /etc/systemd/network/10-x.link: absent -> file 0644 root:root 76fbef3b0193
        @@ -0,0 +1 @@
        +[Match]
    follow-ups {Udev}
    warn [udev] udev does not run on `box`: its rules and link files are not read there
        in a container, the machine that runs it names and sets up the devices
    "#);
}

#[test]
fn packages() {
    let apt = |interrupted, unfinished: &[(&str, &str)]| ObservedApt {
        interrupted,
        unfinished: unfinished
            .iter()
            .map(|(name, state)| {
                let (flag, state) = state.split_once(' ').unwrap_or(("ok", state));
                let package = Unfinished {
                    state: state.to_owned(),
                    reinstall: flag == "reinstreq",
                };
                ((*name).to_owned(), package)
            })
            .collect(),
        locks: std::collections::BTreeMap::new(),
    };
    let installing = |case: &mut Case, apt| {
        case.observed.packages.clear();
        case.observed.apt = Some(apt);
    };
    let told = table(vec![
        (
            "dpkg was killed",
            planned(|case| installing(case, apt(true, &[("t44", "half-configured")]))),
        ),
        (
            "dpkg was killed, all packages whole",
            planned(|case| installing(case, apt(true, &[]))),
        ),
        (
            "unfinished packages",
            planned(|case| {
                let names = [
                    ("a", "half-configured"),
                    ("b", "unpacked"),
                    ("c", "triggers-pending"),
                    ("d", "unpacked"),
                    ("e", "reinstreq unpacked"),
                    ("f", "reinstreq half-installed"),
                    ("g", "half-installed"),
                    ("app", "half-installed"),
                ];
                installing(case, apt(false, &names));
            }),
        ),
        (
            "other programs hold the locks of apt",
            planned(|case| {
                let mut apt = apt(false, &[]);
                let holder = |pid, command: &str| Holder {
                    pid,
                    command: command.to_owned(),
                };
                apt.locks.insert(
                    "/var/lib/dpkg/lock-frontend".to_owned(),
                    holder(20779, "unattended-upgr"),
                );
                apt.locks
                    .insert("/var/lib/apt/lists/lock".to_owned(), holder(20780, ""));
                installing(case, apt);
            }),
        ),
        (
            "dpkg is at work, in the middle of a package",
            planned(|case| {
                let mut apt = apt(true, &[("t44", "unpacked")]);
                let holder = Holder {
                    pid: 356,
                    command: "dpkg".to_owned(),
                };
                apt.locks.insert("/var/lib/dpkg/lock".to_owned(), holder);
                installing(case, apt);
            }),
        ),
        (
            "dpkg was killed, and nothing is to be installed",
            planned(|case| case.observed.apt = Some(apt(true, &[]))),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn archives() {
    let one = "/etc/apt/sources.list.d/vendor.sources";
    let file = |content: &str| Entry::File {
        content: content.to_owned(),
        ownership: ownership(0o644),
    };
    let sources = |key: &str| {
        format!("URIs: https://a.example/x\nSuites: /\nSigned-By: /etc/apt/keyrings/{key}\n")
    };
    let told = table(vec![
        (
            "a new archive, with its key",
            planned(|case| {
                case.declare(one, "apt", file(&sources("vendor.asc")), &[]);
                case.file("/etc/apt/keyrings/vendor.asc", PUBLIC_KEY, 0o644, &[]);
            }),
        ),
        (
            "an archive that gets a key of the host",
            planned(|case| {
                case.file(one, &sources("vendor.asc"), 0o644, &[]);
                case.edit(one, &sources("host.gpg"));
            }),
        ),
        (
            "an archive that is no longer declared",
            planned(|case| {
                case.file(one, &sources("vendor.asc"), 0o644, &[]);
                case.commit();
                case.rendered.entries.remove(&path(one));
            }),
        ),
    ]);
    insta::assert_snapshot!(told, @r"
    ## a new archive, with its key
    path /etc/apt/sources.list.d/vendor.sources: absent -> file 0644 root:root 8d6665de2724
        @@ -0,0 +1,3 @@
        +URIs: https://a.example/x
        +Suites: /
        +Signed-By: /etc/apt/keyrings/vendor.asc
    note [archive] new archive `https://a.example/x` `/`, with the key 90CD1D2B1E845E88DA123C1676A849321FD15B44

    ## an archive that gets a key of the host
    path /etc/apt/sources.list.d/vendor.sources: file 0644 root:root 8d6665de2724 -> file 0644 root:root 6d0513703046
        @@ -1,3 +1,3 @@
         URIs: https://a.example/x
         Suites: /
        -Signed-By: /etc/apt/keyrings/vendor.asc
        +Signed-By: /etc/apt/keyrings/host.gpg
    note [archive] changed archive `https://a.example/x` `/`, with the keys of `/etc/apt/keyrings/host.gpg`

    ## an archive that is no longer declared
    path /etc/apt/sources.list.d/vendor.sources: file 0644 root:root 8d6665de2724 -> original
    note [archive] `/etc/apt/sources.list.d/vendor.sources` is no longer declared: packages that came from its archives stay
    ");
}

const PUBLIC_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawm2YxYJKwYBBAHaRw8BAQdAJhH8FE/QzUTzlK2bf403S9ODMpWdGbZHc3Oe
UhKYm160JUV4YW1wbGUgYXJjaGl2ZSA8YXJjaGl2ZUBleGFtcGxlLmNvbT6IkAQT
FggAOBYhBJDNHSsehF6I2hI8FnaoSTIf0VtEBQJrCbZjAhsDBQsJCAcCBhUKCQgL
AgQWAgMBAh4BAheAAAoJEHaoSTIf0VtEFi8BANUaonTMIDWqfSAWSgu+w0Wxic3F
denYZmBopLLal2flAPoD1fohqGUG1VPrn99jbnmLyXB+z386fDc6DU1ll1XQDQ==
=ohri
-----END PGP PUBLIC KEY BLOCK-----
";

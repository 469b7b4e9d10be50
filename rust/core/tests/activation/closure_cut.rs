//! Systems that Nix built, cut off at every step of running and committing them, and of taking them back, where the shells
//! take turns; and what of the systems before and after is read, kept and let go.

use std::fs;

use deployctl_core::activation::{Phase, command};
use deployctl_core::inventory::Platform::{Darwin, Nixos};

use crate::closure::{KINDS, each};
use crate::sandbox::{SHELLS, Sandbox, apply_id};
use crate::stand_in::{APPLY, NEW, NixHost, OLD};

/// How a host that was cut off is found again.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    /// The dead-man timer, or the next apply.
    Recover,
    /// It has booted, and its recovery unit runs.
    Booted,
    /// It has booted, and the controller asks for its status.
    Asked,
    /// From a console.
    ByHand,
}

const FOUND: [Found; 4] = [Found::Recover, Found::Booted, Found::Asked, Found::ByHand];

impl NixHost {
    fn found(&self, way: Found) -> crate::sandbox::Answer {
        match way {
            Found::Recover => self.recover(),
            Found::Booted => {
                self.reboot();
                self.run("sh \"$DEPLOYCTL_ROOT/var/lib/deployctl/host.sh\" recover --boot")
            }
            Found::Asked => {
                self.reboot();
                self.run(&command::status(&apply_id(APPLY), 0, None))
            }
            Found::ByHand => self.rollback(),
        }
    }
}

/// Where a program of the new system or of Nix dies and everything with it: in the activation, and in the commit.
const CUTS: [(&str, bool); 6] = [
    ("new-test", false),
    ("new-test-after", false),
    ("profile", true),
    ("profile-after", true),
    ("new-boot", true),
    ("new-boot-after", true),
];

#[test]
fn a_cut_in_any_program_is_put_back_however_the_host_is_found() {
    for shell in SHELLS {
        for kind in KINDS {
            for (n, (point, in_commit)) in CUTS.into_iter().enumerate() {
                if kind == Darwin && point.starts_with("new-boot") {
                    continue;
                }
                for (m, way) in FOUND.into_iter().enumerate() {
                    if SHELLS[(n + m) % 2] != shell {
                        continue;
                    }
                    let host = NixHost::new(shell, kind);
                    let before = host.state();
                    host.make(point, "kill once");
                    let mut cut = host.apply();
                    if in_commit {
                        assert_eq!(cut.phase(), Phase::Activated);
                        cut = host.confirm();
                    }
                    let case = format!("{shell} {kind:?} {point} {way:?}");
                    assert_eq!(cut.exit, None, "{case} {cut:?}");
                    let answer = host.found(way);
                    assert_eq!(answer.phase(), Phase::RolledBack, "{case} {answer:?}");
                    let status = if way == Found::Asked { 0 } else { 5 };
                    assert_eq!(answer.exit, Some(status), "{case}");
                    assert_eq!(host.state(), before, "{case}");
                    assert!(!host.sandbox.state("lease").exists(), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_rollback_that_is_cut_off_in_any_program_is_done_again() {
    for shell in SHELLS {
        for kind in KINDS {
            let points = ["old-boot", "old-boot-after", "old-test", "old-test-after"];
            for (n, point) in points.into_iter().enumerate() {
                if kind == Darwin && point.starts_with("old-boot") {
                    continue;
                }
                for (m, way) in FOUND.into_iter().enumerate() {
                    if SHELLS[(n + m) % 2] != shell {
                        continue;
                    }
                    let host = NixHost::new(shell, kind);
                    let before = host.state();
                    host.apply();
                    // So that the boot default has to go back as well.
                    host.make("new-boot-after", "fail 1 once");
                    host.make("profile-after", if kind == Darwin { "fail 1" } else { "" });
                    host.make(point, "kill once");
                    let case = format!("{shell} {kind:?} {point} {way:?}");
                    let cut = host.confirm();
                    assert_eq!(cut.exit, None, "{case} {cut:?}");
                    let answer = host.found(way);
                    assert_eq!(answer.phase(), Phase::RolledBack, "{case} {answer:?}");
                    assert_eq!(host.state(), before, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_confirm_that_was_cut_off_can_be_said_again() {
    each(|host| {
        for point in ["profile", "profile-after", "new-boot", "new-boot-after"] {
            if host.platform == Darwin && point.starts_with("new-boot") {
                continue;
            }
            let host = NixHost::new("dash", host.platform);
            host.apply();
            host.make(point, "kill once");
            assert_eq!(host.confirm().exit, None);
            let answer = host.confirm();
            assert_eq!(
                (answer.exit, answer.phase()),
                (Some(0), Phase::Committed),
                "{point} {answer:?}"
            );
            assert!(host.state().starts_with(
                "runs new\nprofile system -> system-42-link, system-41-link -> old, system-42-link -> new\n"
            ));
        }
    });
}

#[test]
fn a_commit_that_was_cut_off_is_completed_and_lets_go_of_what_is_not_needed() {
    each(|host| {
        let cut =
            "[ \"$phase\" != committed ] || [ -e \"$D/cut\" ] || { : >\"$D/cut\"; kill -9 0; }\n";
        host.put();
        let path = host.sandbox.state("applies/first-apply/commit.sh");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{cut}{text}")).unwrap();
        host.run(&command::start(&apply_id(APPLY), false));
        assert_eq!(host.confirm().exit, None);
        assert_eq!(
            host.roots(),
            "generation-1 new\npending new\nprevious old\n"
        );
        // It is one already, whoever finds it.
        host.reboot();
        let answer = host.recover();
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(0), Phase::Committed),
            "{answer:?}"
        );
        assert!(host.state().starts_with("runs new\n"), "{}", host.state());
        assert_eq!(host.roots(), "generation-1 new\nprevious old\n");
        assert_eq!(host.sandbox.generation(), 1);
    });
}

#[test]
fn a_generation_that_was_there_before_stays() {
    each(|host| {
        let link = host.sandbox.at("/nix/var/nix/profiles/system-42-link");
        std::os::unix::fs::symlink(NEW, link).unwrap();
        let before = host.state();
        host.apply();
        host.make("profile-after", "fail 1");
        assert_eq!(host.confirm().exit, Some(5));
        assert_eq!(host.state(), before);
    });
}

/// What the boot loader starts is read where its files tell.
#[test]
fn boot_loaders_are_read() {
    let grub = |lines: &str| vec![("/boot/grub/grub.cfg".to_owned(), lines.to_owned())];
    let systemd_boot = |default: &str| {
        let mut files = vec![(
            "/boot/loader/loader.conf".to_owned(),
            format!("timeout 5\ndefault {default}\n"),
        )];
        for (name, path) in [
            (
                "9",
                "/nix/store/9c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-nine",
            ),
            ("10", OLD),
            ("10-specialisation-x", NEW),
        ] {
            files.push((
                format!("/boot/loader/entries/nixos-generation-{name}.conf"),
                format!("title NixOS\noptions init={path}/init quiet\n"),
            ));
        }
        files
    };
    let menu = format!(
        "menuentry x {{\n  linux /k init={OLD}/init\n}}\nmenuentry y {{\n  linux /k init={NEW}/init\n}}\n"
    );
    for (files, boots) in [
        (grub(&format!("  set default=0\n{menu}")), OLD),
        (grub(&format!("set default=\"0\"\n{menu}")), OLD),
        (
            grub(&format!("set default=\"${{saved_entry}}\"\n{menu}")),
            "",
        ),
        (systemd_boot("nixos-generation-10.conf"), OLD),
        (systemd_boot("nixos-generation-*"), OLD),
        (systemd_boot("@saved"), ""),
    ] {
        let host = NixHost::new("dash", Nixos);
        fs::remove_dir_all(host.sandbox.at("/boot")).unwrap();
        for (path, text) in &files {
            host.sandbox.write(path, text, 0o644);
        }
        assert_eq!(host.apply().phase(), Phase::Activated);
        let checkpoint = host.sandbox.state("applies/first-apply/checkpoint/system");
        let text = fs::read_to_string(checkpoint).unwrap();
        assert!(
            text.ends_with(&format!("boot {boots}\n")),
            "{files:?} {text}"
        );
    }
}

/// The systems of the last five generations are kept.
#[test]
fn old_generations_are_let_go() {
    let host = NixHost::new("dash", Nixos);
    let root = |n: u32| {
        host.sandbox
            .at(&format!("/nix/var/nix/gcroots/deployctl/generation-{n}"))
    };
    for n in 1..=6 {
        std::os::unix::fs::symlink(OLD, root(n)).unwrap();
    }
    host.sandbox
        .write("/var/lib/deployctl/generation", "6\n", 0o600);
    fs::create_dir_all(host.sandbox.state("generations/6")).unwrap();
    host.apply();
    assert_eq!(host.confirm().exit, Some(0));
    let kept: Vec<u32> = (1..=7).filter(|n| root(*n).is_symlink()).collect();
    assert_eq!(kept, [3, 4, 5, 6, 7]);
}

#[test]
fn a_plain_sandbox_switches_nothing() {
    let stand_ins = NixHost::new("dash", Nixos);
    let host = Sandbox::new("dash");
    host.put(APPLY, &stand_ins.bundle(APPLY));
    let answer = host.run(&command::start(&apply_id(APPLY), false));
    assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
    let answer = host.confirm(APPLY);
    assert_eq!(
        (answer.exit, answer.phase()),
        (Some(0), Phase::Committed),
        "{answer:?}"
    );
    let log = host.log(APPLY);
    assert!(
        log.contains(&format!("skip(sandbox): switch to {NEW}\n")),
        "{log}"
    );
}

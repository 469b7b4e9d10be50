//! Systems that Nix built, cut off at every step of running and committing them, and of taking them back. The shells take
//! turns.

use std::fs;

use deployctl_core::activation::{Phase, command};
use deployctl_core::inventory::Platform::Darwin;

use crate::closure::{KINDS, each};
use crate::sandbox::{SHELLS, apply_id};
use crate::stand_in::{APPLY, NixHost};

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

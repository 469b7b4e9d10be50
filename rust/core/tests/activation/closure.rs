//! Systems that Nix built, with stand-ins for what is in them: every exit status in every phase, and a cut at every step.
//! Where all of them are tried, the shells take turns.

use std::fmt::Write as _;
use std::fs;

use deployctl_core::activation::{Phase, command};
use deployctl_core::inventory::Platform::{self, Darwin, Nixos};

use crate::sandbox::{SHELLS, apply_id};
use crate::stand_in::{APPLY, NEW, NixHost, OLD};
use crate::table::{EVENTS, bring, expected};

pub(crate) const KINDS: [Platform; 2] = [Nixos, Darwin];

/// A host for each shell and kind.
pub(crate) fn each(test: impl Fn(NixHost)) {
    for shell in SHELLS {
        for kind in KINDS {
            test(NixHost::new(shell, kind));
        }
    }
}

#[test]
fn a_system_runs_first_and_boots_only_once_it_is_confirmed() {
    each(|host| {
        let before = host.state();
        let answer = host.apply();
        assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
        assert_eq!(host.state(), before.replace("runs old", "runs new"));
        assert_eq!(host.roots(), "pending new\nprevious old\n");
        let answer = host.confirm();
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(0), Phase::Committed),
            "{answer:?}"
        );
        let boots = if host.platform == Nixos { "new" } else { "" };
        assert_eq!(
            host.state(),
            format!(
                "runs new\nprofile system -> system-42-link, system-41-link -> old, system-42-link -> new\nboots {boots}\n"
            )
        );
        assert_eq!(host.roots(), "generation-1 new\nprevious old\n");
        let (state, calls) = (host.state(), host.calls());
        assert_eq!(host.confirm().exit, Some(0));
        assert_eq!((host.state(), host.calls()), (state, calls));
    });
}

#[test]
fn the_programs_are_called_in_this_order() {
    let mut text = String::new();
    for kind in KINDS {
        for way in ["confirmed", "rolled back", "the profile failed"] {
            let host = NixHost::new("dash", kind);
            host.apply();
            match way {
                "confirmed" => drop(host.confirm()),
                "rolled back" => drop(host.rollback()),
                _ => {
                    host.make("profile-after", "fail 1");
                    host.confirm();
                }
            }
            let root = host.sandbox.root().display().to_string();
            let calls = host.calls().replace(&root, "");
            let _ = writeln!(text, "--- {kind:?}, {way}\n{calls}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_rollback_brings_the_old_system_back() {
    each(|host| {
        let before = host.state();
        host.apply();
        let answer = host.rollback();
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        assert_eq!(host.state(), before);
        // The copy is kept for another try.
        assert_eq!(host.roots(), "pending new\nprevious old\n");
        let again = host.run(&command::rollback(Some(&apply_id(APPLY)), None));
        assert_eq!(again.exit, Some(5));
        assert_eq!(host.state(), before);
    });
}

#[test]
fn a_system_goes_where_the_table_says() {
    for kind in KINDS {
        for (n, event) in EVENTS.into_iter().enumerate() {
            let host = NixHost::new(SHELLS[n % 2], kind);
            let before = host.state();
            let activated = host.apply().phase();
            assert_eq!(activated, Phase::Activated);
            bring(&host.sandbox, event, n);
            let found = host.run(&command::status(&apply_id(APPLY), 0, None));
            let phase = expected(activated, event);
            assert_eq!(found.phase(), phase, "{kind:?} {event:?}");
            assert_eq!(
                host.state() == before,
                phase == Phase::RolledBack,
                "{kind:?} {event:?}"
            );
        }
    }
}

/// Ways for a switch to end: exit status and what it says.
const ENDS: [(&str, &str, &str); 9] = [
    (
        "test",
        "1",
        "error: Pre-switch check `enoughSpace' failed\n",
    ),
    ("test", "2", "Failed to run activate script\n"),
    (
        "test-after",
        "2",
        "Activation script snippet 'users' failed (1)\n",
    ),
    ("test", "3", "Out of memory\n"),
    (
        "test-after",
        "4",
        "warning: the following units failed: app.service, bad.service\n\n× app.service - App\n",
    ),
    (
        "test-after",
        "4",
        "warning: the following units failed: bad.service\n",
    ),
    ("test-after", "4", "error: Failed to reload user units\n"),
    ("test", "100", "switching would need another init\n"),
    ("lock", "", ""),
];

/// Those that systems of `kind` have, and a shell for each.
fn ends(
    kind: Platform,
) -> impl Iterator<Item = (&'static str, (&'static str, &'static str, &'static str))> {
    SHELLS
        .into_iter()
        .cycle()
        .zip(ENDS)
        .filter(move |(_, (point, status, _))| {
            kind == Nixos || (*point != "lock" && *status != "100")
        })
}

#[test]
fn every_exit_status_of_a_switch_has_its_words() {
    let mut text = String::new();
    for kind in KINDS {
        for (shell, (point, status, says)) in ends(kind) {
            let host = NixHost::new(shell, kind);
            let before = host.state();
            host.make(&format!("new-{point}"), &format!("fail {status}"));
            host.says(&format!("new-{point}"), says);
            let answer = host.apply();
            let end = format!("{} {}", answer.phase(), answer.failure());
            let _ = writeln!(text, "{kind:?} {point} {status}: {}", end.trim_end());
            if answer.phase() == Phase::RolledBack {
                assert_eq!(host.state(), before, "{point} {status}");
            } else {
                assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
            }
            let nothing_switched = point == "lock" || status == "100";
            let back = if kind == Nixos {
                "switch-to-configuration test\n"
            } else {
                "activate \n"
            };
            let times = host.calls().matches(back).count();
            let expected = if nothing_switched || answer.phase() == Phase::Activated {
                1
            } else {
                2
            };
            assert_eq!(times, expected, "{point} {status}: {}", host.calls());
        }
    }
    insta::assert_snapshot!(text, @"
    Nixos test 1: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: it was refused before the switch, or could not go on: error: Pre-switch check `enoughSpace' failed
    Nixos test 2: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation script failed: Failed to run activate script
    Nixos test-after 2: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation script failed: activating the configuration... Activation script snippet 'users' failed (1)
    Nixos test 3: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation ended with 3: Out of memory
    Nixos test-after 4: rolled-back Step units failed: `app.service`
    Nixos test-after 4: activated
    Nixos test-after 4: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: units failed: activating the configuration... error: Failed to reload user units
    Nixos test 100: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: the init that runs is incompatible with it, so nothing was switched: the host has to be rebooted into it
    Nixos lock : rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: another switch is at work on this host: it holds `/run/nixos/switch-to-configuration.lock`
    Darwin test 1: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation ended with 1: error: Pre-switch check `enoughSpace' failed
    Darwin test 2: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation wants to be run by root: Failed to run activate script
    Darwin test-after 2: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation wants to be run by root: setting up /etc... Activation script snippet 'users' failed (1)
    Darwin test 3: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation ended with 3: Out of memory
    Darwin test-after 4: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation ended with 4: warning: the following units failed: app.service, bad.service  × app.service - App
    Darwin test-after 4: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation ended with 4: setting up /etc... warning: the following units failed: bad.service
    Darwin test-after 4: rolled-back Step `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: its activation ended with 4: setting up /etc... error: Failed to reload user units
    ");
}

#[test]
fn a_commit_that_the_dead_man_timer_was_too_late_for_has_no_failure() {
    for shell in SHELLS {
        let host = NixHost::new(shell, Nixos);
        host.apply();
        let failure = host.sandbox.state("applies/first-apply/failure");
        fs::write(failure, "deadline nobody confirmed in time\n").unwrap();
        let answer = host.confirm();
        assert_eq!(answer.phase(), Phase::Committed, "{answer:?}");
        assert_eq!(answer.failure(), "");
    }
}

/// What an activation script says of other locks does not mean that nothing was switched.
#[test]
fn only_the_lock_of_the_switch_leaves_the_host_untouched() {
    for shell in SHELLS {
        for (status, says) in [
            ("2", "Could not acquire lock of the package database\n"),
            (
                "1",
                "activating the configuration...\nCould not acquire lock\n",
            ),
            ("1", "app: could not acquire lock on /run/app\n"),
        ] {
            let host = NixHost::new(shell, Nixos);
            host.make("new-test", &format!("fail {status}"));
            host.says("new-test", says);
            let answer = host.apply();
            assert_eq!(answer.phase(), Phase::RolledBack, "{answer:?}");
            let switches = host
                .calls()
                .matches("switch-to-configuration test\n")
                .count();
            assert_eq!(switches, 2, "{says}: {}", host.calls());
        }
    }
}

#[test]
fn a_unit_that_had_failed_before_counts_where_the_switch_starts_it_anew() {
    for shell in SHELLS {
        let mut host = NixHost::new(shell, Nixos);
        host.restarts = vec!["bad.service", "good.service"];
        host.make("new-test-after", "fail 4");
        host.says(
            "new-test-after",
            "warning: the following units failed: bad.service\n",
        );
        let answer = host.apply();
        assert_eq!(answer.phase(), Phase::RolledBack);
        assert_eq!(answer.failure(), "Step units failed: `bad.service`");
    }
}

#[test]
fn every_exit_status_of_going_back_has_its_words() {
    let mut text = String::new();
    for kind in KINDS {
        for (shell, (point, status, says)) in ends(kind) {
            let host = NixHost::new(shell, kind);
            let before = host.state();
            host.apply();
            host.make(&format!("old-{point}"), &format!("fail {status}"));
            host.says(&format!("old-{point}"), says);
            let answer = host.rollback();
            let _ = writeln!(
                text,
                "{kind:?} {point} {status}: {} {}",
                answer.phase(),
                answer.failure()
            );
            if answer.phase() == Phase::RolledBack {
                assert_eq!(host.state(), before);
                continue;
            }
            assert_eq!(answer.exit, Some(6), "{answer:?}");
            assert!(host.sandbox.state("lease").exists());
            // Whoever mends it can go on.
            host.behaves();
            let answer = host.rollback();
            assert_eq!(
                (answer.exit, answer.phase()),
                (Some(5), Phase::RolledBack),
                "{answer:?}"
            );
            assert_eq!(host.state(), before);
        }
    }
    insta::assert_snapshot!(text, @"
    Nixos test 1: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: it was refused before the switch, or could not go on: error: Pre-switch check `enoughSpace' failed, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Nixos test 2: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation script failed: Failed to run activate script, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Nixos test-after 2: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation script failed: activating the configuration... Activation script snippet 'users' failed (1)
    Nixos test 3: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation ended with 3: Out of memory, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Nixos test-after 4: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: units failed, and had not failed before: `app.service`
    Nixos test-after 4: rolled-back Requested a rollback was requested
    Nixos test-after 4: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: units failed, and had not failed before: activating the configuration... error: Failed to reload user units
    Nixos test 100: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: it has another init than the one that runs; the host boots it by default, so a reboot brings it back, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Nixos lock : rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: another switch is at work on this host: it holds `/run/nixos/switch-to-configuration.lock`, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Darwin test 1: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation ended with 1: error: Pre-switch check `enoughSpace' failed, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Darwin test 2: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation wants to be run by root: Failed to run activate script, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Darwin test-after 2: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation wants to be run by root: setting up /etc... Activation script snippet 'users' failed (1)
    Darwin test 3: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation ended with 3: Out of memory, `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` runs, and `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` did
    Darwin test-after 4: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation ended with 4: warning: the following units failed: app.service, bad.service  × app.service - App
    Darwin test-after 4: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation ended with 4: setting up /etc... warning: the following units failed: bad.service
    Darwin test-after 4: rollback-failed Rollback requested a rollback was requested; left: `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old`: its activation ended with 4: setting up /etc... error: Failed to reload user units
    ");
}

#[test]
fn a_commit_that_fails_rolls_all_of_it_back() {
    let mut text = String::new();
    let ways = [
        (
            Nixos,
            "profile",
            "error: creating symlink: No space left on device\n",
        ),
        (Nixos, "profile-after", "error: killed\n"),
        (Nixos, "new-boot", "Failed to install bootloader\n"),
        (Nixos, "new-boot-after", "Failed to sync\n"),
        (Nixos, "new-lock", ""),
        (Nixos, "lying-loader", ""),
        (
            Darwin,
            "profile",
            "error: creating symlink: No space left on device\n",
        ),
        (Darwin, "profile-after", "error: killed\n"),
    ];
    for (n, (kind, point, says)) in ways.into_iter().enumerate() {
        let host = NixHost::new(SHELLS[n % 2], kind);
        let before = host.state();
        assert_eq!(host.apply().phase(), Phase::Activated);
        host.make(point, "fail 1");
        host.says(point, says);
        let answer = host.confirm();
        let _ = writeln!(
            text,
            "{kind:?} {point}: {} {}",
            answer.phase(),
            answer.failure()
        );
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        assert_eq!(host.state(), before, "{point}");
        assert_eq!(host.roots(), "pending new\nprevious old\n");
        assert_eq!(host.sandbox.generation(), 0);
    }
    insta::assert_snapshot!(text, @"
    Nixos profile: rolled-back Step `closure profile /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: error: creating symlink: No space left on device
    Nixos profile-after: rolled-back Step `closure profile /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: error: killed
    Nixos new-boot: rolled-back Step cannot make `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` the one to boot: writing the boot loader's files ended with 1: Failed to install bootloader
    Nixos new-boot-after: rolled-back Step cannot make `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` the one to boot: writing the boot loader's files ended with 1: Failed to sync
    Nixos new-lock: rolled-back Step cannot make `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` the one to boot: another switch is at work on this host: it holds `/run/nixos/switch-to-configuration.lock`
    Nixos lying-loader: rolled-back Step the boot loader starts `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` after `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` was installed in it
    Darwin profile: rolled-back Step `closure profile /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: error: creating symlink: No space left on device
    Darwin profile-after: rolled-back Step `closure profile /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`: error: killed
    ");
}

#[test]
fn a_boot_default_that_does_not_go_back_is_no_rollback() {
    for shell in SHELLS {
        let host = NixHost::new(shell, Nixos);
        let before = host.state();
        host.apply();
        host.make("new-boot-after", "fail 1");
        host.make("old-boot", "fail 1");
        let answer = host.confirm();
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(6), Phase::RollbackFailed),
            "{answer:?}"
        );
        assert!(answer.failure().contains("the boot loader"), "{answer:?}");
        host.behaves();
        assert_eq!(host.rollback().exit, Some(5));
        assert_eq!(host.state(), before);
    }
}

#[test]
fn what_cannot_be_activated_is_refused_before_anything_changes() {
    let mut text = String::new();
    for shell in SHELLS {
        text.clear();
        for kind in KINDS {
            let mut refused = |what: &str, spoil: &dyn Fn(&NixHost)| {
                let host = NixHost::new(shell, kind);
                spoil(&host);
                let before = host.state();
                let answer = host.apply();
                let _ = writeln!(text, "{kind:?}, {what}: {}", answer.failure());
                assert_eq!(
                    (answer.exit, answer.phase()),
                    (Some(9), Phase::Refused),
                    "{what}"
                );
                assert_eq!(host.state(), before);
                assert!(!host.sandbox.state("lease").exists());
            };
            refused("not copied", &|host| {
                fs::remove_dir_all(host.sandbox.at(NEW)).unwrap();
            });
            refused("no system", &|host| host.lame(NEW));
            refused("damaged", &|host| {
                host.make("verify", "fail 1");
                host.says("verify", &format!("path '{NEW}' was modified!\n"));
            });
            refused("nothing to go back to", &|host| host.lame(OLD));
            refused("another system by now", &|host| {
                let current = host.sandbox.at("/run/current-system");
                fs::remove_file(&current).unwrap();
                std::os::unix::fs::symlink(NEW, current).unwrap();
            });
        }
        insta::allow_duplicates! { insta::assert_snapshot!(text, @"
        Nixos, not copied: Validate `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` is not in this host's store: error: path '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new' is not valid
        Nixos, no system: Validate `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` is no system: it has no `bin/switch-to-configuration`
        Nixos, damaged: Validate this host's store is damaged: path '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new' was modified!; `nix-store --repair-path` may mend it
        Nixos, nothing to go back to: Checkpoint `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` runs here and cannot be gone back to: it has no `bin/switch-to-configuration`
        Nixos, another system by now: Stale another system runs since the plan was made: `/run/current-system` leads to `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`
        Darwin, not copied: Validate `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` is not in this host's store: error: path '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new' is not valid
        Darwin, no system: Validate `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new` is no system: it has no `activate`
        Darwin, damaged: Validate this host's store is damaged: path '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new' was modified!; `nix-store --repair-path` may mend it
        Darwin, nothing to go back to: Checkpoint `/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old` runs here and cannot be gone back to: it has no `activate`
        Darwin, another system by now: Stale another system runs since the plan was made: `/run/current-system` leads to `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new`
        ") };
    }
}

#[test]
fn a_host_without_a_profile_has_none_afterwards() {
    each(|host| {
        for link in ["system", "system-41-link"] {
            fs::remove_file(host.sandbox.at(&format!("/nix/var/nix/profiles/{link}"))).unwrap();
        }
        let before = host.state();
        host.apply();
        host.make("profile-after", "fail 1");
        assert_eq!(host.confirm().exit, Some(5));
        let after = host.state();
        assert_eq!(
            after.lines().next(),
            before.lines().next(),
            "{after}{before}"
        );
        assert!(!after.contains("system ->"), "{after}");
    });
}

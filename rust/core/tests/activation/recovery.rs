//! What the host does when it was cut off. Where every line of a script is tried, the shells take turns.

use std::fs;
use std::ops::RangeInclusive;

use deployctl_core::activation::{Action, Bundle, Event, Phase, command, next};

use crate::sandbox::{SHELLS, Sandbox, Want, absent, apply_id, file, link};

fn two_files() -> Vec<(&'static str, Want)> {
    vec![
        ("/etc/a", file("new a\n", 0o644)),
        ("/etc/new/b", file("new b\n", 0o644)),
        ("/etc/z", absent()),
        ("/top", link("etc")),
    ]
}

fn host(shell: &'static str) -> Sandbox {
    let host = Sandbox::new(shell);
    host.write("/etc/a", "old a\n", 0o640);
    host.write("/etc/z", "old z\n", 0o600);
    host
}

/// `bundle` with `line` put into its script `name` after `lines` lines.
fn with_line(mut bundle: Bundle, name: &str, lines: usize, line: &str) -> Bundle {
    let file = bundle.files.iter_mut().find(|f| f.name == name).unwrap();
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    let mut all: Vec<&str> = text.lines().collect();
    all.insert(lines.min(all.len()), line);
    file.bytes = (all.join("\n") + "\n").into_bytes();
    bundle
}

/// Where a line can be put into the script `name`: after its header, and after each line behind that.
fn places_in(bundle: &Bundle, name: &str) -> RangeInclusive<usize> {
    let text = str::from_utf8(bundle.file(name).unwrap()).unwrap();
    let header = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .count();
    header..=text.lines().count()
}

#[test]
fn a_step_that_fails_anywhere_rolls_back_at_once() {
    for shell in SHELLS {
        let places = places_in(
            &host(shell).bundle("first-apply", 600, &two_files()),
            "apply.sh",
        );
        for at in places.clone().filter(|at| SHELLS[at % 2] == shell) {
            let host = host(shell);
            let tree = host.tree();
            let bundle = host.bundle("first-apply", 600, &two_files());
            host.put(
                "first-apply",
                &with_line(
                    bundle,
                    "apply.sh",
                    at,
                    "step fail; echo the cause; try false",
                ),
            );
            let answer = host.run(&command::start(&apply_id("first-apply"), false));
            assert_eq!(
                (answer.exit, answer.phase()),
                (Some(5), Phase::RolledBack),
                "{answer:?}"
            );
            assert_eq!(answer.failure(), "Step `fail`: the cause", "{at}");
            assert_eq!(host.tree(), tree, "{at}");
            assert!(!host.state("lease").exists());
        }
        assert_eq!(
            next(Phase::Activating, Event::ActivationFailed).action,
            Action::RollBack
        );
    }
}

/// A power cut at every line of every script: `recover` finds the way from there.
#[test]
fn a_cut_anywhere_is_recovered() {
    for shell in SHELLS {
        for (script, begins, ends) in [
            ("validate.sh", Phase::Staged, Phase::Refused),
            ("checkpoint.sh", Phase::Validated, Phase::Refused),
            ("apply.sh", Phase::Activating, Phase::RolledBack),
        ] {
            let places = places_in(
                &host(shell).bundle("first-apply", 600, &two_files()),
                script,
            );
            for at in places.clone().filter(|at| SHELLS[at % 2] == shell) {
                let host = host(shell);
                let tree = host.tree();
                let bundle = host.bundle("first-apply", 600, &two_files());
                host.put("first-apply", &with_line(bundle, script, at, "kill -9 0"));
                assert_eq!(
                    host.run(&command::start(&apply_id("first-apply"), false))
                        .exit,
                    None
                );
                let status = host.run(&command::status_of_host());
                assert_eq!(status.phase(), begins, "{script} {at}");
                let answer = host.recover("first-apply");
                assert_eq!(answer.phase(), ends, "{script} {at} {answer:?}");
                assert_eq!(answer.phase(), settled(begins), "{script} {at}");
                assert!(
                    answer.failure().starts_with("Interrupted"),
                    "{}",
                    answer.failure()
                );
                assert_eq!(host.tree(), tree, "{script} {at}");
                assert!(!host.state("lease").exists());
            }
        }
    }
}

/// Where the table says that an interrupted apply ends.
fn settled(phase: Phase) -> Phase {
    let step = next(phase, Event::Interrupted);
    match step.action {
        Action::RollBack => next(step.phase, Event::RolledBack).phase,
        _ => step.phase,
    }
}

#[test]
fn a_rollback_that_is_cut_off_is_done_again() {
    for shell in SHELLS {
        let places = places_in(
            &host(shell).bundle("first-apply", 600, &two_files()),
            "rollback.sh",
        );
        for at in places.clone().filter(|at| SHELLS[at % 2] == shell) {
            let host = host(shell);
            let tree = host.tree();
            // Once: the second time the mark is there.
            let cut = "[ -e \"$D/cut\" ] || { : >\"$D/cut\"; kill -9 0; }";
            let bundle = host.bundle("first-apply", 600, &two_files());
            host.put("first-apply", &with_line(bundle, "rollback.sh", at, cut));
            host.run(&command::start(&apply_id("first-apply"), false));
            assert_eq!(host.run(&command::rollback(None, None)).exit, None);
            assert_eq!(
                host.run(&command::status_of_host()).phase(),
                Phase::RollingBack
            );
            let answer = host.recover("first-apply");
            assert_eq!(
                (answer.exit, answer.phase()),
                (Some(5), Phase::RolledBack),
                "{answer:?}"
            );
            assert_eq!(host.tree(), tree, "{at}");
        }
    }
}

#[test]
fn a_commit_that_is_cut_off_is_completed() {
    for shell in SHELLS {
        for way in ["confirm", "recover", "next"] {
            let host = host(shell);
            let bundle = host.bundle("first-apply", 600, &two_files());
            // What is prepared before the phase changes is not cut here.
            let cut =
                "[ \"$phase\" != committed ] || [ -e \"$D/cut\" ] || { : >\"$D/cut\"; kill -9 0; }";
            host.put("first-apply", &with_line(bundle, "commit.sh", 1, cut));
            host.run(&command::start(&apply_id("first-apply"), false));
            assert_eq!(host.confirm("first-apply").exit, None);
            assert_eq!(host.generation(), 0);
            match way {
                "confirm" => assert_eq!(host.confirm("first-apply").exit, Some(0)),
                "recover" => assert_eq!(host.recover("first-apply").exit, Some(0)),
                _ => {
                    // It completes the commit, and so its own plan is stale.
                    let next = host.apply("second-apply", &[("/etc/c", file("c", 0o644))]);
                    assert!(next.failure().starts_with("Stale"), "{next:?}");
                }
            }
            assert_eq!(host.generation(), 1, "{way}");
            assert!(!host.state("lease").exists(), "{way}");
            assert!(host.state("original/index").exists());
        }
    }
}

/// Until its phase says so it is no commit: it can still go both ways.
#[test]
fn a_commit_that_is_cut_off_before_it_is_one_changes_nothing() {
    for shell in SHELLS {
        for way in ["confirm", "rollback"] {
            let host = host(shell);
            let tree = host.tree();
            let bundle = host.bundle("first-apply", 600, &two_files());
            let cut = "[ -e \"$D/cut\" ] || { originals; : >\"$D/cut\"; kill -9 0; }";
            host.put("first-apply", &with_line(bundle, "commit.sh", 1, cut));
            host.run(&command::start(&apply_id("first-apply"), false));
            assert_eq!(host.confirm("first-apply").exit, None);
            assert!(!host.state("original/index").exists());
            assert_eq!(
                host.run(&command::status_of_host()).phase(),
                Phase::Activated
            );
            if way == "confirm" {
                assert_eq!(host.confirm("first-apply").exit, Some(0));
                assert_eq!(host.generation(), 1);
            } else {
                assert_eq!(host.run(&command::rollback(None, None)).exit, Some(5));
                assert_eq!(host.tree(), tree);
                // Nothing of it is in the way of the next.
                let next = host.apply("second-apply", &two_files());
                assert_eq!(next.phase(), Phase::Activated, "{next:?}");
                assert_eq!(host.confirm("second-apply").exit, Some(0));
            }
            assert!(host.state("original/1/etc/a").exists());
        }
    }
}

#[test]
fn a_confirm_in_time_is_not_blamed_for_being_late() {
    for shell in SHELLS {
        let host = host(shell);
        let bundle = host.bundle("first-apply", 600, &two_files());
        let cut =
            "[ \"$phase\" != committed ] || [ -e \"$D/cut\" ] || { : >\"$D/cut\"; kill -9 0; }";
        host.put("first-apply", &with_line(bundle, "commit.sh", 1, cut));
        host.run(&command::start(&apply_id("first-apply"), false));
        host.confirm("first-apply");
        // What the dead-man timer writes before it has the lock.
        fs::write(
            host.state("applies/first-apply/failure"),
            "deadline nobody confirmed in time\n",
        )
        .unwrap();
        let answer = host.recover("first-apply");
        assert_eq!(answer.exit, Some(0), "{answer:?}");
        assert_eq!(answer.phase(), Phase::Committed);
        assert_eq!(answer.failure(), "");
    }
}

#[test]
fn a_lost_generation_is_refused_and_named() {
    for shell in SHELLS {
        let host = host(shell);
        for id in ["first-apply", "second-apply"] {
            let started = host.apply(id, &[("/etc/a", file(id, 0o644))]);
            assert_eq!(started.phase(), Phase::Activated, "{started:?}");
            assert_eq!(host.confirm(id).exit, Some(0));
        }
        let tree = host.tree();
        let wanted: &[(&str, Want)] = &[("/etc/a", file("third", 0o644))];
        let bundle = |id: &str, base: u32| {
            host.write("/var/lib/deployctl/generation", &format!("{base}\n"), 0o600);
            let bundle = host.bundle(id, 600, wanted);
            host.put(id, &bundle);
        };
        for (id, text, says) in [
            ("gone-apply", None, "is missing"),
            ("empty-apply", Some(""), "says no number"),
            ("garbled-apply", Some("two\n"), "says no number"),
            ("old-apply", Some("0\n"), "says 0"),
        ] {
            bundle(id, 0);
            let path = host.state("generation");
            fs::remove_file(&path).unwrap();
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let answer = host.run(&command::start(&apply_id(id), false));
            assert_eq!(answer.exit, Some(9), "{id} {answer:?}");
            let failure = answer.failure();
            for part in [
                "Layout",
                says,
                "newest generation of this host is 2",
                "echo 2 >",
            ] {
                assert!(failure.contains(part), "{failure}");
            }
            assert_eq!(host.tree(), tree, "{id}");
            assert!(!host.state("lease").exists());
        }
        bundle("told-apply", 2);
        assert_eq!(
            host.run(&command::start(&apply_id("told-apply"), false))
                .exit,
            Some(0)
        );
        // One that comes into the way meanwhile is not mixed with this one.
        host.write("/var/lib/deployctl/generations/3/id", "other\n", 0o600);
        let answer = host.confirm("told-apply");
        assert_eq!(answer.exit, Some(5), "{answer:?}");
        assert!(
            answer
                .failure()
                .starts_with("Layout there is a generation 3"),
            "{}",
            answer.failure()
        );
        assert_eq!(host.tree(), tree);
        assert_eq!(host.generation(), 2);
    }
}

#[test]
fn an_apply_without_paths_is_committed() {
    for shell in SHELLS {
        let host = host(shell);
        assert_eq!(host.apply("first-apply", &[]).phase(), Phase::Activated);
        let answer = host.confirm("first-apply");
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(0), Phase::Committed),
            "{answer:?}"
        );
        assert_eq!(host.generation(), 1);
    }
}

#[test]
fn a_rollback_of_nothing_says_so() {
    for shell in SHELLS {
        let host = host(shell);
        host.apply("first-apply", &two_files());
        assert_eq!(host.confirm("first-apply").exit, Some(0));
        let tree = host.tree();
        let output = host
            .command(&command::rollback(None, None))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "nothing is open, so there is nothing to roll back\n"
        );
        assert_eq!(host.tree(), tree);
    }
}

#[test]
fn a_deadline_that_passes_rolls_back() {
    for shell in SHELLS {
        for late in ["recover", "confirm", "next"] {
            let host = host(shell);
            let tree = host.tree();
            host.put("first-apply", &host.bundle("first-apply", 0, &two_files()));
            let started = host.run(&command::start(&apply_id("first-apply"), false));
            assert_eq!(started.phase(), Phase::Activated);
            let answer = match late {
                "recover" => host.recover("first-apply"),
                "confirm" => host.confirm("first-apply"),
                _ => {
                    let second = host.apply("second-apply", &[("/etc/c", file("c", 0o644))]);
                    assert_eq!(second.phase(), Phase::Activated, "{second:?}");
                    host.run(&command::rollback(None, None));
                    host.run(&command::status(&apply_id("first-apply"), 0, None))
                }
            };
            assert_eq!(answer.phase(), Phase::RolledBack, "{late} {answer:?}");
            assert!(
                answer.failure().starts_with("Deadline"),
                "{}",
                answer.failure()
            );
            assert_eq!(host.tree(), tree, "{late}");
        }
        assert_eq!(
            next(Phase::Activated, Event::ConfirmedTooLate).action,
            Action::RollBack
        );
    }
}

#[test]
fn a_heartbeat_puts_the_deadline_off_and_the_dead_man_timer_waits() {
    for shell in SHELLS {
        let host = host(shell);
        host.put("first-apply", &host.bundle("first-apply", 60, &two_files()));
        host.run(&command::start(&apply_id("first-apply"), false));
        let seconds = |answer: &crate::sandbox::Answer| answer.apply().deadline_seconds.unwrap();
        let plain = host.run(&command::status(&apply_id("first-apply"), 0, None));
        assert!((50..=60).contains(&seconds(&plain)), "{plain:?}");
        let extended = host.run(&command::status(&apply_id("first-apply"), 0, Some(100)));
        assert!((90..=100).contains(&seconds(&extended)), "{extended:?}");
        // Never back, never beyond the cap.
        let less = host.run(&command::status(&apply_id("first-apply"), 0, Some(10)));
        assert!(seconds(&less) > 80, "{less:?}");
        let most = host.run(&command::status(
            &apply_id("first-apply"),
            0,
            Some(1_000_000),
        ));
        assert!((170..=180).contains(&seconds(&most)), "{most:?}");
        assert_eq!(host.recover("first-apply").phase(), Phase::Activated);
    }
}

#[test]
fn a_boot_in_the_window_rolls_back() {
    for shell in SHELLS {
        let host = host(shell);
        host.write("/proc/sys/kernel/random/boot_id", "one\n", 0o644);
        let tree = host.tree();
        host.apply("first-apply", &two_files());
        host.write("/proc/sys/kernel/random/boot_id", "two\n", 0o644);
        let status = host.run(&command::status_of_host());
        assert!(status.apply().rebooted);
        let answer = host.run("sh \"$DEPLOYCTL_ROOT/var/lib/deployctl/host.sh\" recover --boot");
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        host.write("/proc/sys/kernel/random/boot_id", "one\n", 0o644);
        assert_eq!(host.tree(), tree);
    }
}

#[test]
fn what_cannot_be_put_back_is_said_and_can_be_done_again() {
    for shell in SHELLS {
        let host = host(shell);
        let tree = host.tree();
        host.apply("first-apply", &two_files());
        // Somebody puts a full directory where a file was.
        fs::remove_file(host.at("/etc/a")).unwrap();
        host.write("/etc/a/b", "in the way\n", 0o644);
        let answer = host.run(&command::rollback(None, None));
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(6), Phase::RollbackFailed),
            "{answer:?}"
        );
        assert!(
            answer.failure().contains("`/etc/a` is not as it was"),
            "{}",
            answer.failure()
        );
        // Nobody gets past it.
        let second = host.apply("second-apply", &[("/etc/c", file("c", 0o644))]);
        assert_eq!(second.phase(), Phase::Refused);
        assert!(
            second.failure().contains("host.sh rollback --abandon`"),
            "{}",
            second.failure()
        );
        assert_eq!(host.recover("first-apply").exit, Some(6));
        fs::remove_dir_all(host.at("/etc/a")).unwrap();
        let answer = host.run(&command::rollback(None, None));
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        // What was left is said no longer.
        assert_eq!(answer.failure(), "Requested a rollback was requested");
        assert_eq!(host.tree(), tree);
    }
}

#[test]
fn two_at_once_never_both_have_the_host() {
    for shell in SHELLS {
        let host = host(shell);
        let slow = |id: &str, path: &str| {
            let bundle = host.bundle(id, 600, &[(path, file("x", 0o644))]);
            host.put(id, &with_line(bundle, "apply.sh", 1, "sleep 1"));
        };
        slow("first-apply", "/etc/p");
        slow("second-apply", "/etc/q");
        let mut children: Vec<_> = ["first-apply", "second-apply"]
            .map(|id| {
                host.command(&command::start(&apply_id(id), false))
                    .stdout(std::process::Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .into();
        let mut codes: Vec<_> = children
            .iter_mut()
            .map(|c| c.wait().unwrap().code())
            .collect();
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(9)]);
        assert!(host.at("/etc/p").exists() != host.at("/etc/q").exists());
    }
}

//! What `host.sh status` tells a person on a console: why an apply was rolled back, and the way out where that failed.

use std::fmt::Write as _;
use std::fs;

use deployctl_core::activation::bundle::HOST_PROGRAM;
use deployctl_core::activation::status::{Failure, FailureCode};
use deployctl_core::activation::{Phase, command, status};
use regex::Regex;

use crate::demand::demand;
use crate::sandbox::{SHELLS, Sandbox, Want, apply_id, file};

const STATUS: &str = "sh \"$DEPLOYCTL_ROOT/var/lib/deployctl/host.sh\" status";
const APPLY: &str = "first-apply";

fn one_file() -> Vec<(&'static str, Want)> {
    vec![("/etc/a", file("new\n", 0o644))]
}

/// The words, with what differs from run to run masked.
fn told(host: &Sandbox, script: &str) -> String {
    let output = host.command(script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.replace(&host.root().display().to_string(), "");
    let text = Regex::new(r"\d\d:\d\d:\d\d")
        .unwrap()
        .replace_all(&text, "[time]");
    let text = Regex::new(r"\d+ s( left|\))")
        .unwrap()
        .replace_all(&text, "[n] s$1");
    text.replace('\r', "")
}

fn activated(shell: &'static str) -> Sandbox {
    let host = Sandbox::new(shell);
    host.write("/etc/a", "old\n", 0o600);
    assert_eq!(host.apply(APPLY, &one_file()).phase(), Phase::Activated);
    host
}

fn write(host: &Sandbox, name: &str, text: &str) {
    fs::write(host.state(&format!("applies/{APPLY}/{name}")), text).unwrap();
}

#[test]
fn every_phase_has_its_words() {
    for shell in SHELLS {
        let mut text = String::new();
        let mut say = |name: &str, host: &Sandbox, script: &str| {
            let _ = writeln!(text, "## {name}\n{}", told(host, script));
        };
        let host = Sandbox::new(shell);
        host.write("/var/lib/deployctl/host.sh", HOST_PROGRAM, 0o600);
        say("no apply", &host, STATUS);

        let host = activated(shell);
        for phase in [
            "staged",
            "validated",
            "checkpointed",
            "armed",
            "activating",
            "activated",
        ] {
            write(&host, "phase", &format!("{phase}\n"));
            say(phase, &host, STATUS);
        }
        write(&host, "reboot", "new kernel\n");
        say("activated, needs a reboot", &host, STATUS);
        host.write("/proc/sys/kernel/random/boot_id", "another\n", 0o644);
        say("activated, booted since", &host, STATUS);
        fs::remove_file(host.at("/proc/sys/kernel/random/boot_id")).unwrap();
        let deadline = fs::read_to_string(host.state("applies/first-apply/deadline")).unwrap();
        write(&host, "deadline", "1\n");
        say("activated, too late", &host, STATUS);
        write(&host, "deadline", "");
        say("activated, no timer", &host, STATUS);
        write(&host, "deadline", &deadline);
        write(&host, "failure", "gate gate `vllm/health` failed\n");
        write(&host, "phase", "rolling-back\n");
        say("rolling-back", &host, STATUS);
        write(&host, "phase", "activated\n");

        let refused = host.apply("second-apply", &[("/etc/b", file("b\n", 0o644))]);
        assert_eq!(refused.phase(), Phase::Refused);
        say(
            "refused, while another is open",
            &host,
            &format!("{STATUS} second-apply"),
        );
        say(
            "one that is unknown",
            &host,
            &format!("{STATUS} third-apply"),
        );
        host.run(&command::rollback(None, None));
        say("rolled-back", &host, STATUS);
        say("refused", &host, &format!("{STATUS} second-apply"));

        let host = activated(shell);
        fs::remove_file(host.at("/etc/a")).unwrap();
        host.write("/etc/a/b", "in the way\n", 0o644);
        host.run(&command::rollback(None, None));
        say("rollback-failed", &host, STATUS);
        host.run(&command::abandon(None));
        say("abandoned", &host, STATUS);

        let host = activated(shell);
        write(&host, "reboot", "new kernel\n");
        write(&host, "phase", "committed\n");
        say("committed, cut off", &host, STATUS);
        host.recover(APPLY);
        say("committed", &host, STATUS);
        insta::allow_duplicates! { insta::assert_snapshot!("every_phase", text) };
    }
}

#[test]
fn programs_ask_for_a_frame_by_a_word() {
    for shell in SHELLS {
        let host = activated(shell);
        for asked in [
            "--frame",
            "first-apply --frame",
            "first-apply 0",
            "--frame --extend 30",
        ] {
            let answer = host.run(&format!("{STATUS} {asked}"));
            assert_eq!(
                (answer.exit, answer.phase()),
                (Some(0), Phase::Activated),
                "{asked}"
            );
        }
        for wrong in ["--frames", "first-apply frame", "--frame --frame"] {
            let output = host.command(&format!("{STATUS} {wrong}")).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{wrong} {output:?}");
        }
        assert!(status::parse(told(&host, STATUS).as_bytes()).is_err());
    }
}

#[test]
fn a_person_who_rolls_back_is_told_in_words() {
    let found = std::process::Command::new("script")
        .arg("--version")
        .output();
    let Some(_) = demand(found.ok(), "script (package bsdutils)") else {
        return;
    };
    for shell in SHELLS {
        let host = activated(shell);
        let rollback =
            "script -qec 'sh \"$DEPLOYCTL_ROOT/var/lib/deployctl/host.sh\" rollback' /dev/null";
        insta::allow_duplicates! { insta::assert_snapshot!(told(&host, rollback), @r"
        Apply first-apply of first-apply@controller on box was rolled back: a rollback was requested.
        The host is at generation 0. No apply is open, and nothing happens by itself.
        ") };
        let id = apply_id(APPLY);
        assert_eq!(
            host.run(&command::status(&id, 0, None)).phase(),
            Phase::RolledBack
        );
    }
}

#[test]
fn the_host_keeps_the_reason_that_it_was_given() {
    let reason = |code, text: &str| Failure {
        code,
        text: text.to_owned(),
    };
    let long = "é".repeat(400);
    let given = [
        (
            Some(reason(
                FailureCode::Gate,
                "gate `a/b` failed: it's \"x\"\n$(id)\u{1b}[1m",
            )),
            "Gate gate `a/b` failed: it's \"x\" $(id) [1m".to_owned(),
        ),
        (
            Some(reason(FailureCode::Interrupted, "--abandon")),
            "Interrupted --abandon".to_owned(),
        ),
        (
            Some(reason(FailureCode::Gate, &long)),
            format!("Gate {}", "é".repeat(300)),
        ),
        (None, "Requested a rollback was requested".to_owned()),
    ];
    for shell in SHELLS {
        for (given, kept) in &given {
            let host = Sandbox::new(shell);
            host.apply("first-apply", &one_file());
            let answer = host.run(&command::rollback(None, given.as_ref()));
            assert_eq!(answer.exit, Some(5), "{answer:?}");
            assert_eq!(answer.failure(), *kept);
            // The first reason stays.
            let id = apply_id("first-apply");
            let again = host.run(&command::rollback(Some(&id), None));
            assert_eq!(again.failure(), *kept);
        }
    }
}

#[test]
fn a_person_who_has_looked_takes_the_host_as_it_is() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        host.write("/etc/a", "old\n", 0o644);
        host.apply("first-apply", &one_file());
        let early = host.run(&command::abandon(None));
        assert_eq!((early.exit, early.phase()), (Some(1), Phase::Activated));
        // What was a file is a full directory.
        fs::remove_file(host.at("/etc/a")).unwrap();
        host.write("/etc/a/b", "in the way\n", 0o644);
        let answer = host.run(&command::rollback(None, None));
        assert_eq!(answer.phase(), Phase::RollbackFailed, "{answer:?}");
        let answer = host.run(&command::abandon(Some(&apply_id("first-apply"))));
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        let failure = answer.failure();
        for part in [
            "Abandoned ",
            "taken as it is",
            "a rollback was requested",
            "`/etc/a`",
        ] {
            assert!(failure.contains(part), "{failure}");
        }
        assert!(host.at("/etc/a/b").exists(), "nothing more is touched");
        assert!(!host.state("lease").exists());
        let next = host.apply("second-apply", &[("/etc/c", file("c", 0o644))]);
        assert_eq!(next.phase(), Phase::Activated, "{next:?}");
        assert_eq!(host.confirm("second-apply").phase(), Phase::Committed);
        let late = host.run(&command::abandon(Some(&apply_id("second-apply"))));
        assert_eq!((late.exit, late.phase()), (Some(1), Phase::Committed));
    }
}

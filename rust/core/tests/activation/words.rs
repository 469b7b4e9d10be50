//! What `host.sh status` tells a person on a console.

use std::fmt::Write as _;
use std::fs;

use deployctl_core::activation::bundle::HOST_PROGRAM;
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

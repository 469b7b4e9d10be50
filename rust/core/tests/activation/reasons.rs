//! Why an apply was rolled back, and the way out where that failed.

use std::fs;

use deployctl_core::activation::status::{Failure, FailureCode};
use deployctl_core::activation::{Phase, command};

use crate::sandbox::{SHELLS, Sandbox, Want, apply_id, file};

fn one_file() -> Vec<(&'static str, Want)> {
    vec![("/etc/a", file("new\n", 0o644))]
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

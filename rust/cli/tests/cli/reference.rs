//! The reference of the command line is a snapshot.

use std::fmt::Write as _;

use crate::environment::TestEnv;

const COMMANDS: [&str; 13] = [
    "inventory",
    "render",
    "plan",
    "apply",
    "verify",
    "status",
    "history",
    "rollback",
    "diff",
    "adopt",
    "why",
    "kernel",
    "completions",
];

#[test]
fn every_command_explains_itself() {
    let env = TestEnv::new();
    let mut text = env.bare(&["--help"]).out;
    for command in COMMANDS {
        assert!(
            text.contains(&format!("\n  {command} ")),
            "{command} is not listed"
        );
        let said = env.bare(&[command, "-h"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let _ = write!(text, "\n## {command}\n\n{}", said.out);
    }
    for step in ["fragment", "config", "build"] {
        let said = env.bare(&["kernel", step, "-h"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let _ = write!(text, "\n## kernel {step}\n\n{}", said.out);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn completions_are_made_for_every_shell() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = env.bare(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("rollback"), "{shell}");
    }
}

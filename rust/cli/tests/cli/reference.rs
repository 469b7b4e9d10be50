//! The reference of the command line is a snapshot.

use std::fmt::Write as _;

use crate::environment::TestEnv;

const COMMANDS: &[&str] = &[
    "inventory",
    "render",
    "plan",
    "build",
    "image",
    "stage",
    "apply",
    "gc",
    "secret",
    "verify",
    "status",
    "history",
    "rollback",
    "diff",
    "adopt",
    "why",
    "concern",
    "model",
    "python",
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
    let steps = ["list", "show", "new", "test"].map(|step| ["concern", step]);
    let kernel = ["fragment", "config", "build"].map(|step| ["kernel", step]);
    let others = [["model", "pin"], ["python", "lock"]]
        .into_iter()
        .chain(kernel);
    for [command, step] in steps.into_iter().chain(others) {
        let said = env.bare(&[command, step, "-h"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let _ = write!(text, "\n## {command} {step}\n\n{}", said.out);
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

#[test]
fn a_reader_that_has_gone_ends_nothing_with_a_panic() {
    let env = TestEnv::new();
    let inventory = env.path("inventory.json");
    let inventory = inventory.to_str().unwrap();
    for arguments in [
        &["completions", "bash"][..],
        &["inventory", "--reference"],
        &["inventory", "--schema"],
        &["--inventory", inventory, "inventory", "--json"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = env
            .command(arguments)
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .spawn();
        let said = env.said(child.unwrap().wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn one_host_is_told_in_the_singular() {
    let env = TestEnv::new();
    let file = env.path("inventory.json");
    let check = || env.run(&["inventory", "--check"]).err;
    assert!(check().ends_with(" hosts\n"), "{}", check());
    let text = std::fs::read_to_string(&file).unwrap();
    let mut inventory: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hosts = inventory["hosts"].as_object_mut().unwrap();
    hosts.retain(|name, _| name == "linode");
    inventory["cluster"]["links"] = serde_json::json!({});
    std::fs::write(&file, inventory.to_string()).unwrap();
    assert_eq!(check(), "the inventory is valid: 1 host\n");
}

//! `deployctl concern new` and `deployctl concern test`: a folder from nothing to green, and what turns it red.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::demand::demand;
use crate::environment::{Said, TestEnv};

/// A repository from the template, and the concern `web` as `new` writes it.
fn with_new() -> TestEnv {
    let env = TestEnv::from_template();
    let said = env.run(&["concern", "new", "web"]);
    assert_eq!(said.code, 0, "{}", said.all());
    env
}

fn edit(env: &TestEnv, file: &str, from: &str, to: &str) {
    let path = env.repo().join("modules/web").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// What is tried without Nix: no program is on the `PATH`.
fn without_nix(env: &TestEnv) -> Said {
    env.with_programs("/nowhere", &["concern", "test", "web"])
}

const NIX: &str = "nix (package nix-bin)";

fn has_nix() -> Option<()> {
    Path::new("/usr/bin/nix").exists().then_some(())
}

/// The part of the output that says what failed.
fn failures(said: &Said) -> String {
    let (_, failures) = said.out.split_once("\n\n").unwrap_or_default();
    format!("exit code: {}\n{failures}", said.code)
}

#[test]
fn a_new_concern_is_sound() {
    let env = TestEnv::from_template();
    insta::assert_snapshot!(env.run(&["concern", "new", "web"]).all(), @"
    exit code: 0
    --- stdout
    wrote modules/web
      cases/journal.txt
      checks.toml
      concern.toml
      darwin.nix
      facts.schema.json
      nixos.nix
      rules.toml
      ubuntu/etc/systemd/system/web.service
      ubuntu/etc/web.conf
      ubuntu/module.toml
    --- stderr
    next: `deployctl concern test web` tries it; a host declares it by `web = { … };`, and Nix sees it after `git add modules/web`
    ");
    insta::assert_snapshot!(without_nix(&env).all(), @"
    exit code: 0
    --- stdout
    web  11 passed, 3 skipped
      pass   web/folder               1 rule, 2 paths on Ubuntu
      pass   web/examples             1 example on ubuntu, nixos, darwin
      pass   web/slips                5 slips rejected
      pass   web/ubuntu/render        2 paths, 0 packages, 1 unit
      pass   web/ubuntu/paths         2 paths
      pass   web/ubuntu/syntax        1 file
      pass   web/ubuntu/units         1 from its files
      pass   web/ubuntu/hostile       1 text: 5 rejected as facts, 13 escaped
      pass   web/checks/cases         3 answers
      pass   web/checks/good-and-bad  1 check
      pass   web/checks/nothing       64 answers
      3 checks skipped: `nix` is not installed

    web: 11 passed, 3 skipped
    --- stderr
    ");
    // As a host declares it, it is planned like any other.
    let text = fs::read(env.path("inventory.json")).unwrap();
    let inventory: Value = serde_json::from_slice(&text).unwrap();
    let mut host = inventory["hosts"]["web"].clone();
    host["web"] = json!({ "message": "it's \"here\"", "interval_seconds": 5 });
    env.edit("/hosts/web", host);
    let why = env.run(&["why", "/etc/web.conf"]);
    assert_eq!(why.code, 0, "{}", why.all());
    assert!(
        why.out.contains("modules/web/ubuntu/etc/web.conf"),
        "{}",
        why.out
    );
}

#[test]
fn the_modules_of_a_new_concern_evaluate() {
    if demand(has_nix(), NIX).is_none() {
        return;
    }
    let env = with_new();
    let said = env.run(&["concern", "test"]);
    let nix = said.out.lines().filter(|line| {
        ["nixos/", "darwin/", "parity"]
            .iter()
            .any(|it| line.contains(it))
    });
    insta::assert_snapshot!(nix.collect::<Vec<_>>().join("\n"), @"
    pass   web/nixos/module         sets environment.etc, systemd.services
    pass   web/nixos/undeclared     sets nothing there
    pass   web/parity               7 things compared
    pass   web/darwin/module        sets environment.etc, launchd.daemons
    pass   web/darwin/undeclared    sets nothing there
    ");
    assert_eq!(said.code, 0, "{}", said.all());

    edit(
        &env,
        "nixos.nix",
        "toString facts.interval_seconds",
        "toString facts.interval",
    );
    edit(&env, "darwin.nix", "lib.mkIf (host ? web)", "lib.mkIf true");
    insta::assert_snapshot!(failures(&env.run(&["concern", "test"])), @"
    exit code: 4
    web
      fail   web/nixos/module   modules/web/nixos.nix:7:33: attribute 'interval' missing
             expected  nixos.nix evaluates with every example, and sets something
      fail   web/darwin/module  modules/web/darwin.nix:4:11: attribute 'web' missing
             expected  darwin.nix evaluates with every example, and sets something

    web: 11 passed, 2 failed
    ");

    edit(
        &env,
        "nixos.nix",
        "toString facts.interval",
        "toString config.services.nginx.port",
    );
    edit(
        &env,
        "nixos.nix",
        "{ host, lib, ... }",
        "{ host, lib, config, ... }",
    );
    let said = env.run(&["concern", "test"]);
    let skipped = said.out.lines().filter(|line| line.contains("skipped: "));
    let skipped: Vec<&str> = skipped.map(str::trim).collect();
    insta::assert_snapshot!(skipped.join("\n"), @"
    2 checks skipped: it reads `config.services`, which only nixpkgs has; build the host to try it
    ");
}

/// The trials that a folder of anybody's stands, on those of this repository, which the program contains.
#[test]
fn every_concern_of_our_own_stands_its_trials() {
    let env = TestEnv::new();
    let said = env.run(&["concern", "test"]);
    let (listed, _) = said.out.split_once("\n\n").unwrap();
    // Numbers change with every fact; that each is tried does not.
    let mut tried = String::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["pass", check, ..] => tried.push_str(check),
            [_, "check" | "checks", "skipped:", ..] => tried.push_str(line),
            _ => continue,
        }
        tried.push('\n');
    }
    assert_eq!(said.code, 0, "{}", failures(&said));
    if demand(has_nix(), NIX).is_some() {
        insta::assert_snapshot!(tried);
    }
}

#[test]
fn what_the_platforms_get_differently_is_told_or_has_its_reason() {
    if demand(has_nix(), NIX).is_none() {
        return;
    }
    let env = with_new();
    let told = || failures(&env.run(&["concern", "test"]));
    let (unit, manifest) = ("ubuntu/etc/systemd/system/web.service", "concern.toml");
    edit(&env, unit, "Restart=always", "Restart=on-failure\nNice=5");
    edit(
        &env,
        "nixos.nix",
        "environment.etc",
        "services.web.enable = true; boot.kernel.sysctl.\"vm.swappiness\" = 1; environment.etc",
    );
    let unlisted = told();
    let reasons = "[parity]\n\"unit web.service*\" = \"none\"\n\"option services.*\" = \"none\"\n\"sysctl vm.swappiness\" = \"none\"\n\n[[unit]]";
    edit(&env, manifest, "[[unit]]", reasons);
    let listed = told();
    edit(&env, "nixos.nix", "services.web.enable = true; ", "");
    let stale = told();
    edit(&env, manifest, "= \"none\"\n\n", "= \"\"\n\n");
    let without_reason = told();
    insta::assert_snapshot!([unlisted, listed, stale, without_reason].join("\n==\n"), @r#"
    exit code: 4
    web
      fail   web/parity  `option services.web.enable` is on NixOS alone; `sysctl vm.swappiness` is on NixOS alone: `1`; `unit web.service [Service] Nice` is on Ubuntu alone: `5`; and 1 more
             expected  Ubuntu and NixOS get the same of the same facts, or `[parity]` says why not
             hint      make them the same, or give the reason in `[parity]` of concern.toml: `"option services.web.enable" = "…"`

    web: 15 passed, 1 failed

    ==
    exit code: 0
    web: 16 passed

    ==
    exit code: 4
    web
      fail   web/parity  `[parity]` lists `option services.*`, where no example shows a difference
             expected  Ubuntu and NixOS get the same of the same facts, or `[parity]` says why not
             hint      take it out, or add an example that shows it

    web: 15 passed, 1 failed

    ==
    exit code: 2
    web
      fail   web/folder  modules/web/concern.toml:1: `[parity]` gives no reason for `sysctl vm.swappiness`
             expected  every file of the folder can be read

    web: 1 failed
    "#);
}

#[test]
fn a_new_concern_takes_no_name_that_is_taken() {
    let env = with_new();
    let mut text = String::new();
    for name in ["web", "time", "tags", "name", "with", "my-web", "../web"] {
        let said = env.run(&["concern", "new", name]);
        assert_eq!(said.code, 2, "{name}");
        text.push_str(&said.err);
    }
    insta::assert_snapshot!(text, @"
    error: `DIR/repo/modules/web` exists already
    error: the program contains a concern `time`
      hint: take another name, or write the folder by hand: it replaces the built-in concern as a whole
    error: `tags` is a fact of every host
      hint: take another name
    error: `name` is a fact of every host
      hint: take another name
    error: `with` is a word of the Nix language, where `host.with` is an error
      hint: take another name
    error: `my-web` is not a valid concern name: lower-case letters and digits, starting with a letter, at most 32
    error: `../web` is not a valid concern name: lower-case letters and digits, starting with a letter, at most 32
    ");
    let left = fs::read_dir(env.repo().join("modules")).unwrap().count();
    assert_eq!(left, 1, "no half of a folder");
}

#[test]
fn a_new_concern_needs_a_repository() {
    let env = TestEnv::from_template();
    let nowhere = env.path("elsewhere");
    fs::create_dir(&nowhere).unwrap();
    let said = env.bare(&["--repo", nowhere.to_str().unwrap(), "concern", "new", "web"]);
    insta::assert_snapshot!(said.all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: `DIR/elsewhere` is no repository of deployctl: it has no `hosts/default.nix`
    ");
    assert_eq!(fs::read_dir(nowhere).unwrap().count(), 0);
}

#[test]
fn what_is_wrong_with_a_folder_is_said_with_its_cure() {
    let env = with_new();
    let mut text = String::new();
    for (file, from, to) in [
        ("facts.schema.json", "\"type\": \"integer\",", ""),
        ("facts.schema.json", "\"still here\"", "12"),
        ("facts.schema.json", "\"examples\"", "\"x-examples\""),
        ("facts.schema.json", "\"still here\"", "\"example\""),
        ("rules.toml", "holds = \"", "holds = \"1 / 0 == "),
        (
            "ubuntu/module.toml",
            "[[unit]]",
            "[[directory]]\npath = \"/root/web\"\n\n[[unit]]",
        ),
        (
            "ubuntu/module.toml",
            "name = \"web.service\"",
            "name = \"webb.service\"",
        ),
        ("ubuntu/etc/web.conf", "host.web.message", "host.web.mesage"),
        (
            "ubuntu/module.toml",
            "syntax = \"unit\"",
            "syntax = \"plain\"",
        ),
    ] {
        let path = env.repo().join("modules/web").join(file);
        let sound = fs::read_to_string(&path).unwrap();
        edit(&env, file, from, to);
        let told = failures(&without_nix(&env));
        let _ = write!(text, "== {file}: {to}\n{told}");
        fs::write(path, sound).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn programs_read_the_results() {
    let env = with_new();
    let junit = env.path("junit.xml");
    let said = env.with_programs(
        "/nowhere",
        &[
            "concern",
            "test",
            "--json",
            "--junit",
            junit.to_str().unwrap(),
        ],
    );
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["command"], "concern test");
    assert_eq!(report["concerns"][0]["folder"], "modules/web");
    let checks = report["concerns"][0]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|it| it["check"] == "web/ubuntu/hostile"));
    let xml = fs::read_to_string(junit).unwrap();
    assert!(xml.contains("<testsuite name=\"concern web\""), "{xml}");
    assert!(xml.contains("name=\"web/ubuntu/hostile\""), "{xml}");
}

#[test]
fn only_what_is_there_is_tried() {
    let env = TestEnv::from_template();
    let nothing = env.run(&["concern", "test"]);
    let unknown = env.run(&["concern", "test", "tiem"]);
    let built_in = env.run(&["concern", "test", "time"]);
    assert_eq!(built_in.code, 0, "{}", built_in.all());
    insta::assert_snapshot!(format!("{}{}", nothing.all(), unknown.all()), @"
    exit code: 2
    --- stdout
    --- stderr
    error: the repository has no concerns of its own
      hint: `deployctl concern new NAME` writes one; `deployctl concern test time` tries one that is built in
    exit code: 2
    --- stdout
    --- stderr
    error: there is no concern `tiem`
      hint: did you mean `time`?
    ");
}

#[test]
fn checks_are_tried_on_their_own_answers_and_on_none() {
    let env = with_new();
    let expect = "said_last == host.web.message | trim";
    edit(&env, "checks.toml", expect, "true");
    let passes_on_all = failures(&env.run(&["concern", "test"]));
    edit(
        &env,
        "checks.toml",
        "expect = \"true\"",
        &format!("expect = \"{expect}\""),
    );
    edit(
        &env,
        "cases/journal.txt",
        "found:    nothing",
        "found:    none",
    );
    let other_verdict = failures(&env.run(&["concern", "test"]));
    edit(
        &env,
        "cases/journal.txt",
        "found:    none",
        "found:    nothing",
    );
    edit(&env, "cases/journal.txt", "exit: 0", "exit: 7");
    let never_passes = failures(&env.run(&["concern", "test"]));
    edit(&env, "cases/journal.txt", "exit: 7", "exit: none");
    let no_page = failures(&env.run(&["concern", "test"]));
    insta::assert_snapshot!(
        [passes_on_all, other_verdict, never_passes, no_page].join("\n==\n"),
        @"
    exit code: 2
    web
      fail   web/checks/cases         cases/journal.txt, `web/journal: silent`: it gets another verdict: pass web/message
             expected  each answer in `cases/` gets the verdict on its page
             hint      the whole verdict: pass web/message expected: it writes `still here` found: nothing
      fail   web/checks/good-and-bad  modules/web/checks.toml:12: `web/message` has no case with an answer that fails
             expected  each check has an answer that passes, and one that fails
             hint      add one to a page of `cases/`

    web: 14 passed, 2 failed

    ==
    exit code: 4
    web
      fail   web/checks/cases  cases/journal.txt, `web/journal: silent`: it gets another verdict: found: nothing
             expected  each answer in `cases/` gets the verdict on its page
             hint      the whole verdict: fail web/message expected: it writes `still here` found: nothing hint: journalctl -u web.service

    web: 15 passed, 1 failed

    ==
    exit code: 2
    web
      fail   web/checks/cases         cases/journal.txt, `web/journal: right`: it gets another verdict: error web/message
             expected  each answer in `cases/` gets the verdict on its page
             hint      the whole verdict: error web/message expected: it writes `still here` found: last still here because: the query ended with status 7
      fail   web/checks/good-and-bad  modules/web/checks.toml:12: `web/message` has no case with an answer that passes
             expected  each check has an answer that passes, and one that fails
             hint      add one to a page of `cases/`

    web: 14 passed, 2 failed

    ==
    exit code: 2
    web
      fail   web/checks/cases  modules/web/cases/journal.txt: line 1: its exit status is no number: == web/journal: right
             expected  each answer in `cases/` gets the verdict on its page
             hint      docs/own-checks.md has the format of a page

    web: 13 passed, 1 failed
    "
    );

    // A host's facts break an expression.
    edit(&env, "cases/journal.txt", "exit: none", "exit: 0");
    edit(
        &env,
        "checks.toml",
        "{{ host.web.message }}",
        "{{ host.web.mesage }}",
    );
    insta::assert_snapshot!(failures(&env.run(&["concern", "test"])), @"
    exit code: 2
    web
      fail   web/checks/made  modules/web/checks.toml:15: `host.web.mesage` is undefined
             expected  every check can be made of the facts of every example
             hint      an expression must have a value for every host that declares the concern

    web: 13 passed, 1 failed
    ");
}

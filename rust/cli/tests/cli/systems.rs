//! Hosts whose systems Nix builds, with a script in the place of Nix.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::environment::{Said, TestEnv};

/// Says what it was called for; knows a system and an image of `linode` and nothing else.
const NIX: &str = r#"#!/bin/sh
here=DIR
echo "${0##*/} $*" >>"$here/log"
case $* in
*"eval "*nixosConfigurations*linode*) echo '{"drv":"/nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv","out":"/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-linode"}' ;;
*"eval "*)
    echo "error: flake 'git+file:///r' does not provide attribute 'x'" >&2
    exit 1
    ;;
*--realise*)
    echo '@nix {"action":"start","fields":["/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-part-1.drv","",1,1],"id":1,"level":3,"text":"","type":105}' >&2
    echo '@nix {"action":"result","fields":["a line of its log"],"id":1,"type":101}' >&2
    [ ! -e "$here/broken" ] || {
        echo '@nix {"action":"msg","level":0,"msg":"error: builder for '"'/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-part-1.drv'"' failed with exit code 3"}' >&2
        exit 1
    }
    ;;
esac
"#;

/// The repository with `linode` on NixOS, and a `nix` that is a script.
fn env() -> TestEnv {
    let env = TestEnv::with_own_modules();
    env.edit("/hosts/linode/platform", json!("nixos"));
    env.edit(
        "/hosts/linode/os",
        json!({ "id": "nixos", "version": "26.05" }),
    );
    std::fs::create_dir(env.path("bin")).unwrap();
    for name in ["nix", "nix-store"] {
        let program = env.path("bin").join(name);
        let here = env.path("home").parent().unwrap().to_owned();
        let text = NIX.replace("DIR", here.to_str().unwrap());
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(env.repo().join("flake.nix"), "{ }\n").unwrap();
    git(env.repo(), &["init", "--quiet"]);
    git(env.repo(), &["add", "--all"]);
    env
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .status();
    assert!(done.unwrap().success());
}

/// Runs it on the inventory, without a sandbox.
fn run(env: &TestEnv, arguments: &[&str]) -> Said {
    let inventory = env.path("inventory.json");
    let mut all = vec!["--inventory", inventory.to_str().unwrap()];
    all.extend(arguments);
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    env.with_programs(&path, &all)
}

/// How often something was evaluated since this was asked last.
fn evaluations(env: &TestEnv) -> usize {
    let log = std::fs::read_to_string(env.path("log")).unwrap_or_default();
    let _ = std::fs::remove_file(env.path("log"));
    log.lines().filter(|line| line.contains(" eval ")).count()
}

#[test]
fn systems_are_built_and_evaluated_once() {
    let env = env();
    let first = run(&env, &["build"]);
    assert_eq!(evaluations(&env), 3, "linode and two Macs");
    // Hosts tell what goes on as it goes on, in no order of theirs.
    let mut told: Vec<&str> = first.err.lines().collect();
    told.sort_unstable();
    assert_eq!(first.code, 7);
    insta::assert_snapshot!(format!("{}---\n{}", first.out, told.join("\n")), @r#"
    linode    /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-linode
    ---

      hint: a flake sees only what git tracks: `git add` the host's files
      hint: a flake sees only what git tracks: `git add` the host's files
    cuda      skip: it is given files; `deployctl render` shows them
    cuda: skip: it is given files; `deployctl render` shows them · mac-mini: build failed · macbook: build failed
    linode    building part-1
    linode    evaluating its system
    mac-mini  evaluating its system
    mac-mini  not built, nothing was touched: the flake has no `darwinConfigurations."mac-mini".system`
    macbook   evaluating its system
    macbook   not built, nothing was touched: the flake has no `darwinConfigurations."macbook".system`
    note: systems are built as `DIR/repo` declares them, whatever `DIR/inventory.json` says
    "#);

    let again = run(&env, &["build", "linode", "--json"]);
    assert_eq!(evaluations(&env), 0);
    insta::assert_snapshot!(again.all(), @r#"
    exit code: 0
    --- stdout
    {
      "version": 1,
      "built": {
        "linode": "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-linode"
      },
      "others": []
    }
    --- stderr
    note: systems are built as `DIR/repo` declares them, whatever `DIR/inventory.json` says
    linode  building part-1
    "#);
    assert_eq!(run(&env, &["build", "linode", "--no-eval-cache"]).code, 0);
    assert_eq!(evaluations(&env), 1);
}

#[test]
fn inputs_that_no_lock_pins_are_evaluated_again() {
    let env = env();
    let flake = "{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; }\n";
    std::fs::write(env.repo().join("flake.nix"), flake).unwrap();
    git(env.repo(), &["add", "--all"]);
    for _ in 0..2 {
        assert_eq!(run(&env, &["build", "linode"]).code, 0);
        assert_eq!(evaluations(&env), 1);
    }
    std::fs::write(env.repo().join("flake.lock"), "{}\n").unwrap();
    git(env.repo(), &["add", "--all"]);
    for expected in [1, 0] {
        assert_eq!(run(&env, &["build", "linode"]).code, 0);
        assert_eq!(evaluations(&env), expected);
    }
}

#[test]
fn a_failed_build_is_exit_code_7_with_its_last_lines() {
    let env = env();
    std::fs::write(env.path("broken"), "").unwrap();
    insta::assert_snapshot!(run(&env, &["build", "linode"]).all(), @"
    exit code: 7
    --- stdout
    --- stderr
    note: systems are built as `DIR/repo` declares them, whatever `DIR/inventory.json` says
    linode  evaluating its system
    linode  building part-1
    linode  not built, nothing was touched: `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-part-1.drv` failed with exit code 3
      hint: `nix log /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-part-1.drv` shows all of its log
      its log:
      | a line of its log
    ");
    let brief = run(&env, &["build", "linode", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&brief.out).unwrap();
    assert_eq!(report["others"][0]["outcome"]["outcome"], "build-failed");
    assert_eq!(report["others"][0]["log"], json!(["a line of its log"]));
}

#[test]
fn a_host_that_does_not_say_how_its_system_is_built_is_told_so() {
    let env = env();
    let file = env.path("inventory.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut inventory: serde_json::Value = serde_json::from_str(&text).unwrap();
    let linode = inventory["hosts"]["linode"].as_object_mut().unwrap();
    linode.remove("nix");
    std::fs::write(&file, inventory.to_string()).unwrap();
    let said = run(&env, &["build", "linode"]);
    assert_eq!(said.code, 7, "{}", said.all());
    for words in [
        "`linode` declares no `nix`",
        "hint: declare `nix`: where its systems are built, and how they are copied there",
    ] {
        assert!(said.err.contains(words), "{}", said.all());
    }
}

#[test]
fn what_git_does_not_track_is_missed_aloud() {
    let env = env();
    std::fs::create_dir_all(env.repo().join("hosts/linode")).unwrap();
    let own = env.repo().join("hosts/linode/configuration.nix");
    std::fs::write(own, "{ }").unwrap();
    let said = run(&env, &["build", "linode"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err
            .contains("warning: `hosts/linode/configuration.nix` is not tracked by git"),
        "{}",
        said.err
    );
}

#[test]
fn hosts_without_an_image_say_so() {
    let env = env();
    insta::assert_snapshot!(run(&env, &["image", "macbook"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: `macbook` is a Mac: it is not installed from an image
      hint: docs/nix.md says how nix-darwin gets there first
    ");
    let text = std::fs::read(env.path("inventory.json")).unwrap();
    let mut inventory: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let mut linode = inventory["hosts"]["linode"].take();
    linode.as_object_mut().unwrap().remove("image").unwrap();
    env.edit("/hosts/linode", linode);
    insta::assert_snapshot!(run(&env, &["image", "linode"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: `linode` does not say what it is installed from
      hint: declare `image` in its facts: `deployctl inventory --schema` says how
    ");
}

#[test]
fn a_sandbox_leaves_them_out_without_asking_nix() {
    let env = env();
    for command in ["plan", "verify", "status", "diff"] {
        let said = env.run(&[command, "linode"]);
        assert_eq!(said.code, 0, "{command}: {}", said.err);
        assert!(
            said.out.contains("skip: a sandbox has files only"),
            "{command}: {}",
            said.out
        );
    }
    assert_eq!(evaluations(&env), 0);
    assert!(!env.path("home/.cache").exists());
}

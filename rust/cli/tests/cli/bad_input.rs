//! Every mistake has a clear message and its exit code, and nothing is changed.

use std::fmt::Write as _;

use serde_json::json;

use crate::environment::TestEnv;

#[test]
fn hosts_and_tags_that_are_not_there() {
    let env = TestEnv::new();
    let mut all = String::new();
    for words in [
        &["plan", "cudda"][..],
        &["apply", "@gpus"],
        &["status", "x*"],
        &["plan", "!@linux", "cuda"],
        &["history", "@linux"],
    ] {
        let said = env.run(words);
        assert_eq!(said.code, 2, "{words:?}");
        assert_eq!(said.out, "");
        let _ = write!(all, "$ deployctl {}\n{}", words.join(" "), said.err);
    }
    insta::assert_snapshot!(all, @"
    $ deployctl plan cudda
    error: no host is called `cudda`
      hint: did you mean `cuda`?
    $ deployctl apply @gpus
    error: no host has the tag `gpus`
      hint: did you mean `@gpu`?
    $ deployctl status x*
    error: no host's name fits `x*`
      hint: known hosts: cuda, linode, mac-mini, macbook
    $ deployctl plan !@linux cuda
    error: `!@linux cuda` leaves no host
    $ deployctl history @linux
    error: `@linux` is more than one host
      hint: this command is about one host at a time
    ");
    assert!(!env.path("sandbox").join("cuda/var").exists());
}

#[test]
fn an_empty_selector_is_not_the_whole_fleet() {
    let env = TestEnv::new();
    for words in [
        &["plan", ""][..],
        &["apply", "--yes", " "],
        &["status", "cuda", ""],
        &["history", ""],
    ] {
        let said = env.run(words);
        assert_eq!(said.code, 2, "{words:?}");
        assert_eq!(
            said.err,
            "error: an empty selector selects nothing; leave it out to mean all hosts\n"
        );
    }
    assert!(!env.path("sandbox").join("cuda/var").exists());
}

#[test]
fn a_value_out_of_range_is_found_with_its_line() {
    let env = TestEnv::new();
    env.edit("/hosts/cuda/network/interfaces/cluster0/mtu", json!(99_999));
    env.edit("/hosts/cuda/platform", json!("ubunto"));
    let said = env.run(&["plan"]);
    assert_eq!(said.code, 2);
    // Which line it is moves with every edit of that host.
    insta::with_settings!({filters => [(r"\.nix:\d+:", ".nix:LINE:")]}, {
        insta::assert_snapshot!(said.err, @"
    error: hosts/cuda/default.nix:LINE: `platform` is `ubunto`; expected one of `ubuntu`, `nixos`, `darwin`
      hint: did you mean `ubuntu`?
    hosts/cuda/default.nix:LINE: `network.interfaces.cluster0.mtu` is 99999; expected 1280–9216
    ");
    });
    let json = env.run(&["plan", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(error["error"]["exit_code"], 2);
}

#[test]
fn without_nix_the_way_out_is_named() {
    let env = TestEnv::new();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_deployctl"))
        .arg("inventory")
        .env_clear()
        .env("PATH", env.path("home"))
        .current_dir(env.repo())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: `nix` is not installed
      hint: install it (`apt-get install nix-bin` on Debian and Ubuntu), or name an evaluated inventory with `--inventory FILE`
    ");
}

#[test]
fn no_repository_here() {
    let env = TestEnv::new();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_deployctl"))
        .arg("plan")
        .env_clear()
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: no `hosts/default.nix` in `/` or above
      hint: go to the repository, or name it by --repo
    ");
    let said = env.bare(&["--repo", "/", "plan"]);
    assert_eq!(said.code, 2);
    assert_eq!(
        said.err,
        "error: `/` is no repository of deployctl: it has no `hosts/default.nix`\n"
    );
}

#[test]
fn a_sandbox_must_be_a_directory_of_its_own() {
    let env = TestEnv::new();
    let inventory = env.path("inventory.json");
    for bad in ["", "/", "/tmp/.."] {
        let said = env.bare(&[
            "--inventory",
            inventory.to_str().unwrap(),
            "--sandbox",
            bad,
            "plan",
        ]);
        assert_eq!(said.code, 2, "{bad:?}: {}", said.err);
        let why = if bad.is_empty() {
            "a value is required"
        } else {
            "as a sandbox"
        };
        assert!(said.err.contains(why), "{}", said.err);
    }
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let env = TestEnv::new();
    let said = env.run(&["apply", "linode"]);
    assert_eq!(said.code, 2);
    assert!(said.err.ends_with("error: apply this to 1 host? there is no terminal to answer\n  hint: without a terminal, pass --yes\n"), "{}", said.err);
    assert!(!env.on_host("linode", "/etc").exists());
}

#[test]
fn an_undefined_variable_is_found_with_its_template_and_line() {
    let env = TestEnv::with_own_modules();
    let template = env.repo().join("modules/system/ubuntu/etc/hostname");
    let mut text = std::fs::read_to_string(&template).unwrap();
    text.push_str("{{ host.netwrok.nothing }}\n");
    std::fs::write(&template, text).unwrap();
    let said = env.run(&["plan", "linode"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("modules/system/ubuntu/etc/hostname:"),
        "{}",
        said.err
    );
    assert_eq!(said.out, "");
}

#[test]
fn two_concerns_cannot_have_one_file() {
    let env = TestEnv::new();
    let file = json!([{
        "path": "/etc/hostname", "mode": "0644", "owner": "root", "group": "root", "content": "mine\n"
    }]);
    let path = env.path("inventory.json");
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    inventory["hosts"]["linode"]["extra"] = json!({ "files": file });
    std::fs::write(&path, inventory.to_string()).unwrap();
    let said = env.run(&["plan", "linode"]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.err.contains("/etc/hostname"), "{}", said.err);
}

#[test]
fn what_is_no_saved_plan_is_refused() {
    let env = TestEnv::new();
    let file = env.path("plan.json");
    std::fs::write(&file, "{}").unwrap();
    let said = env.run(&["apply", "--yes", "--plan", file.to_str().unwrap()]);
    assert_eq!(said.code, 2);
    insta::assert_snapshot!(said.err, @"
    error: cannot use the plan `DIR/plan.json`
      cause: this is no saved plan
      hint: `deployctl plan --out FILE` writes one
    ");
}

#[test]
fn links_below_the_output_of_render_are_refused() {
    use std::os::unix::fs::symlink;

    let env = TestEnv::new();
    let elsewhere = env.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let out = env.path("out");
    let render = || env.run(&["render", "linode", "--out", out.to_str().unwrap()]);
    for link in ["linode", "linode/etc", "linode/etc/ssh"] {
        let place = out.join(link);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(&elsewhere, &place).unwrap();
        let said = render();
        assert_ne!(said.code, 0, "{link}");
        let named = format!("`DIR/out/{link}` is a symbolic link");
        assert!(said.err.contains(&named), "{}", said.err);
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
        std::fs::remove_file(&place).unwrap();
    }
    // The directory itself is the user's choice.
    std::fs::remove_dir_all(&out).unwrap();
    symlink(&elsewhere, &out).unwrap();
    assert_eq!(render().code, 0);
    assert!(elsewhere.join("linode/etc/hostname").is_file());
}

#[test]
fn a_bad_inventory_file_is_named() {
    let env = TestEnv::new();
    for text in ["{ bad", "{}", r#"{"version": 2}"#] {
        std::fs::write(env.path("inventory.json"), text).unwrap();
        let said = env.run(&["plan"]);
        assert_eq!(said.code, 2);
        let named = "error: `DIR/inventory.json` is no valid inventory\n  cause: `inventory` ";
        assert!(said.err.starts_with(named), "{}", said.err);
    }
}

#[test]
fn a_state_that_cannot_be_read_is_not_an_empty_one() {
    let env = TestEnv::new();
    let state = env.on_host("linode", "/var/lib/deployctl");
    std::fs::create_dir_all(state.parent().unwrap()).unwrap();
    std::fs::write(&state, "").unwrap();
    for command in ["status", "history"] {
        let said = env.run(&[command, "linode"]);
        assert_eq!(said.code, 1, "{}", said.out);
        let all = format!("{}{}", said.out, said.err);
        assert!(
            all.contains("cannot read the state in `DIR/sandbox/linode/var/lib/deployctl`"),
            "{all}"
        );
    }
}

#[test]
fn a_plan_that_would_be_refused_says_so_by_its_exit_code() {
    let env = TestEnv::new();
    let open = env.on_host("linode", "/var/lib/deployctl/applies/1795392000-abcdef");
    std::fs::create_dir_all(&open).unwrap();
    std::fs::write(open.join("phase"), "activated\n").unwrap();
    for words in [&["plan", "linode"][..], &["plan", "linode", "--exit-code"]] {
        let said = env.run(words);
        assert!(said.out.contains("refused"), "{}", said.out);
        assert_eq!(said.code, 9);
    }
}

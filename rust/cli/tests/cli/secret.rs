//! `deployctl secret`: values are made, read, changed and encrypted anew, and nobody reads one who may not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::demand::demand;
use crate::environment::{Said, TestEnv};

mod agenix;
mod bad_input;
mod review;

/// A repository of one's own with an operator's key in the home, a host with a pinned key, and two secrets.
fn env() -> TestEnv {
    let env = TestEnv::with_own_modules();
    fs::create_dir(env.path("home/.ssh")).unwrap();
    keygen(&env.path("home/.ssh/id_ed25519"), "");
    keygen(&env.path("host"), "");
    env.edit(
        "/cluster/operators/operator/keys",
        json!([public(&env.path("home/.ssh/id_ed25519"))]),
    );
    pin(&env, &public(&env.path("host")));
    declare(
        &env,
        &json!({
            "api-key": { "for": ["cuda"], "generate_bytes": 32, "rotate_days": 90 },
            "hub": { "for": ["cuda"], "owner": "vllm" },
        }),
    );
    env
}

fn declare(env: &TestEnv, secrets: &serde_json::Value) {
    let mut cluster: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("inventory.json")).unwrap()).unwrap();
    cluster["cluster"]["secrets"] = secrets.clone();
    cluster["hosts"]["cuda"]["vllm"]["instances"]["vllm"]["credential"] = json!("api-key");
    for host in ["cuda", "linode", "mac-mini", "macbook"] {
        cluster["hosts"][host]
            .as_object_mut()
            .unwrap()
            .remove("gateway");
    }
    fs::write(env.path("inventory.json"), cluster.to_string()).unwrap();
}

fn pin(env: &TestEnv, key: &str) {
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("inventory.json")).unwrap()).unwrap();
    inventory["hosts"]["cuda"]["identity"] = json!({
        "machine_id_sha256": "0".repeat(64), "hostname": "cuda", "host_keys": [key],
    });
    fs::write(env.path("inventory.json"), inventory.to_string()).unwrap();
}

fn keygen(path: &Path, passphrase: &str) {
    let mut keygen = Command::new("ssh-keygen");
    let made = keygen
        .args(["-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

fn public(path: &Path) -> String {
    fs::read_to_string(path.with_extension("pub"))
        .unwrap()
        .trim()
        .to_owned()
}

/// Whether the interpreter is where our scripts of Python look for it.
fn has_python() -> bool {
    let python = Path::new("/usr/bin/python3");
    demand(
        python.exists().then_some(()),
        "/usr/bin/python3 (package python3)",
    )
    .is_some()
}

/// A run with `value` on standard input.
fn fed(env: &TestEnv, arguments: &[&str], value: &[u8]) -> Said {
    fed_with(env, "/usr/sbin:/usr/bin:/sbin:/bin", arguments, value)
}

/// The same with other programs on the `PATH`.
fn fed_with(env: &TestEnv, path: &str, arguments: &[&str], value: &[u8]) -> Said {
    let inventory = env.path("inventory.json");
    let mut all = vec!["--inventory", inventory.to_str().unwrap()];
    all.extend(arguments);
    let mut child = env
        .command(&all)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input is no error here.
    let _ = child.stdin.take().unwrap().write_all(value);
    env.said(child.wait_with_output().unwrap())
}

fn secret(env: &TestEnv, arguments: &[&str]) -> Said {
    fed(env, &[&["secret"], arguments].concat(), b"")
}

#[test]
fn a_secret_from_nothing_to_sound() {
    let env = env();
    let snapshot = |arguments: &[&str]| secret(&env, arguments).all();
    insta::assert_snapshot!(snapshot(&["check"]), @"
    exit code: 4
    --- stdout
    fail  secrets/api-key.age: there is no such file
          hint: `deployctl secret rotate api-key` makes a random value
    fail  secrets/hub.age: there is no such file
          hint: `deployctl secret set hub` writes it, with the value on standard input
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"hf_secret\n").code, 0);
    insta::assert_snapshot!(snapshot(&["rotate", "--missing"]), @"
    exit code: 0
    --- stdout
    secrets/api-key.age written
    --- stderr
    ");
    insta::assert_snapshot!(snapshot(&["rotate", "--missing"]), @"
    exit code: 0
    --- stdout
    --- stderr
    every secret with `generate_bytes` has a value
    ");
    insta::assert_snapshot!(snapshot(&["show", "hub"]), @"
    exit code: 0
    --- stdout
    hf_secret--- stderr
    ");
    let random = secret(&env, &["show", "api-key"]).out;
    assert_eq!(random.len(), 43, "{random}");
    let day = fs::read_to_string(env.repo().join("secrets/changed.json")).unwrap();
    let day = day
        .lines()
        .nth(1)
        .unwrap()
        .split('"')
        .nth(3)
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(snapshot(&["list"]).replace(&day, "DAY"), @"
    exit code: 0
    --- stdout
    secret   hosts  changed     state
    api-key  cuda   DAY  as declared
    hub      cuda   DAY  as declared
    --- stderr
    ");
    insta::assert_snapshot!(snapshot(&["check"]), @"
    exit code: 0
    --- stdout
    pass  api-key
    pass  hub
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
    insta::assert_snapshot!(snapshot(&["list", "--json"]).replace(&day, "DAY"), @r#"
    exit code: 0
    --- stdout
    {
      "version": 1,
      "secrets": [
        {
          "name": "api-key",
          "file": "secrets/api-key.age",
          "readers": [
            {
              "operator": "operator"
            },
            {
              "host": "cuda"
            }
          ],
          "changed": "DAY",
          "faults": []
        },
        {
          "name": "hub",
          "file": "secrets/hub.age",
          "readers": [
            {
              "operator": "operator"
            },
            {
              "host": "cuda"
            }
          ],
          "changed": "DAY",
          "faults": []
        }
      ]
    }
    --- stderr
    "#);
}

#[test]
fn values_are_kept_byte_for_byte() {
    let env = env();
    let set = |arguments: &[&str], value: &[u8]| {
        assert_eq!(
            fed(
                &env,
                &[&["secret", "set", "hub"], arguments].concat(),
                value
            )
            .code,
            0
        );
        secret(&env, &["show", "hub"]).out
    };
    assert_eq!(set(&[], b"one\n"), "one");
    assert_eq!(set(&[], b" one\r\n\r\n"), " one\r\n");
    assert_eq!(set(&["--exact"], b"one\n"), "one\n");
    assert_eq!(set(&[], "ü€".as_bytes()), "ü€");
}

#[test]
fn another_reader_asks_for_a_rekey() {
    let env = env();
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"value").code, 0);
    assert_eq!(secret(&env, &["rotate", "api-key"]).code, 0);
    assert_eq!(
        secret(&env, &["rekey"]).err,
        "as far as headers tell, every secret is encrypted to exactly its readers\n"
    );
    // The host was installed anew.
    keygen(&env.path("new"), "");
    pin(&env, &public(&env.path("new")));
    insta::assert_snapshot!(secret(&env, &["check"]).all(), @"
    exit code: 4
    --- stdout
    fail  secrets/api-key.age: host `cuda` cannot open it
          hint: `deployctl secret rekey api-key` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/api-key.age: a key that is not declared can open it
          hint: `deployctl secret rekey api-key` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/hub.age: host `cuda` cannot open it
          hint: `deployctl secret rekey hub` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/hub.age: a key that is not declared can open it
          hint: `deployctl secret rekey hub` encrypts it to the declared keys; who could open it before knows its value still
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
    insta::assert_snapshot!(secret(&env, &["rekey"]).all(), @"
    exit code: 0
    --- stdout
    secrets/api-key.age written
    secrets/hub.age written
    --- stderr
    warning: secrets/api-key.age: keys that are not declared could open it until now, so their owners may know its value
      hint: `deployctl secret rotate api-key` gives it another
    warning: secrets/hub.age: keys that are not declared could open it until now, so their owners may know its value
      hint: `deployctl secret set hub` gives it another
    ");
    // It compares headers, so that CI needs no private key.
    let home = env.path("home/.ssh");
    fs::rename(&home, env.path("away")).unwrap();
    assert_eq!(secret(&env, &["check"]).code, 0);
    fs::rename(env.path("away"), &home).unwrap();
    let new = env.path("new");
    let shown = secret(&env, &["show", "hub", "-i", new.to_str().unwrap()]);
    assert_eq!(shown.out, "value");
    // Without a key that opens them, nothing is written.
    keygen(&env.path("third"), "");
    pin(&env, &public(&env.path("third")));
    let before = fs::read(env.repo().join("secrets/hub.age")).unwrap();
    let host = env.path("host");
    insta::assert_snapshot!(secret(&env, &["rekey", "-i", host.to_str().unwrap()]).all(), @"
    exit code: 9
    --- stdout
    --- stderr
    error: cannot open `secrets/api-key.age`: none of the keys at hand opens it: `DIR/host`
    cannot open `secrets/hub.age`: none of the keys at hand opens it: `DIR/host`
      hint: name another private key by `--identity FILE`; who can open it is in `deployctl secret list`
    ");
    assert_eq!(
        fs::read(env.repo().join("secrets/hub.age")).unwrap(),
        before
    );
}

#[test]
fn facts_name_secrets_that_are_declared() {
    let env = env();
    declare(&env, &json!({ "hub": { "for": ["cuda", "cudda"] } }));
    insta::assert_snapshot!(secret(&env, &["list"]).err, @"
    error: hosts/cluster.nix:4: `cluster.secrets.hub.for` names `cudda`, and there is no such host
      hint: did you mean `cuda`?
    hosts/cuda/default.nix:360: `vllm.instances.vllm.credential` is `api-key`, and no secret of that name is for this host
      hint: secrets of this host: hub
    ");
}

/// The name of a secret may be of each entry of a fact: every one is looked at, with its place.
#[test]
fn every_entry_names_secrets_that_are_declared() {
    let env = env();
    let file = env.path("inventory.json");
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let examples = include_str!("../../../../modules/models/facts.schema.json");
    let examples: serde_json::Value = serde_json::from_str(examples).unwrap();
    let mut models = examples["examples"][0].clone();
    let snapshots = models["snapshots"].as_object_mut().unwrap();
    let mut other = snapshots["tiny"].clone();
    other["credential"] = json!("hubb");
    other["folder"] = json!("/srv/models/other");
    snapshots.insert("org.other".to_owned(), other);
    snapshots["tiny"]["credential"] = json!("hub");
    inventory["hosts"]["cuda"]["models"] = models;
    fs::write(&file, inventory.to_string()).unwrap();
    insta::assert_snapshot!(secret(&env, &["list"]).err, @r#"
    error: hosts/cuda/default.nix:1: `models.snapshots."org.other".credential` is `hubb`, and no secret of that name is for this host
      hint: did you mean `hub`?
    "#);
}

/// `inventory --check` and `secret check` say the same of a secret that nobody uses.
#[test]
fn a_secret_that_no_fact_names_is_a_warning() {
    let env = env();
    declare(
        &env,
        &json!({ "api-key": { "for": ["cuda"] }, "api": { "for": ["cuda"] } }),
    );
    insta::assert_snapshot!(fed(&env, &["inventory", "--check"], b"").all(), @"
    exit code: 0
    --- stdout
    --- stderr
    warning: hosts/cluster.nix:4: secret `api`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.api` and secrets/api.age
    the inventory is valid: 4 hosts
    ");
    let checked = secret(&env, &["check"]).err;
    assert!(
        checked.starts_with("warning: hosts/cluster.nix:4: secret `api`: no fact names it\n"),
        "{checked}"
    );
}

/// A shape is no proof, so it is a warning; the text itself is in none.
#[test]
fn facts_and_files_that_look_like_secrets_are_named() {
    let env = TestEnv::with_own_modules();
    // Put together here, so that no scanner of repositories takes this file for a leak.
    let token: String = "hf_"
        .chars()
        .chain("aB3dE5gH7jK9".repeat(3).chars())
        .collect();
    let file = json!({
        "path": "/etc/hub.conf", "mode": "0600", "owner": "root", "group": "root",
        "content": format!("[hub]\ntoken = {token}\n"),
    });
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("inventory.json")).unwrap()).unwrap();
    inventory["hosts"]["cuda"]["extra"] = json!({ "files": [file] });
    fs::write(env.path("inventory.json"), inventory.to_string()).unwrap();
    let checked = env.run(&["inventory", "--check"]);
    insta::assert_snapshot!(checked.all(), @"
    exit code: 0
    --- stdout
    --- stderr
    warning: hosts/cuda/default.nix:1: `hosts.cuda.extra.files.0.content` looks like a token of Hugging Face; facts reach plans, and the Nix store, which everybody can read
      hint: declare it as a secret (docs/secrets.md), and change it at its service if it is real
    the inventory is valid: 4 hosts
    ");
    assert!(
        secret(&env, &["check"])
            .err
            .starts_with("warning: hosts/cuda/default.nix:1: ")
    );
    let planned = env.run(&["plan", "cuda"]).all();
    let warning: Vec<_> = planned
        .lines()
        .filter(|line| line.contains("looks like"))
        .collect();
    insta::assert_snapshot!(
        warning.join("\n"),
        @"  warning: line 2 of `/etc/hub.conf` looks like a token of Hugging Face; plans and generations hold what files contain"
    );
    assert!(!checked.all().contains(&token));
}

/// A hardware key opens files by a program of its own, which tells the person what to do.
#[test]
fn a_plugin_of_age_opens_what_was_sealed_for_it() {
    if !has_python() {
        return;
    }
    let env = env();
    env.edit(
        "/cluster/operators/operator/keys",
        json!([public(&env.path("host"))]),
    );
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("inventory.json")).unwrap()).unwrap();
    inventory["cluster"]["operators"]["operator"]["age_keys"] =
        json!(["age1drawer1w3hhqgrywfshwetjfjq5w2"]);
    fs::write(env.path("inventory.json"), inventory.to_string()).unwrap();
    fs::write(
        env.path("drawer"),
        "AGE-PLUGIN-DRAWER-1W3HHQGRYWFSHWETJKM2GCJ\n",
    )
    .unwrap();
    let drawer = env.path("drawer");
    let show = ["secret", "show", "hub", "-i", drawer.to_str().unwrap()];
    let set = ["secret", "set", "hub"];
    // Without its program, nothing is written.
    let plugins = env.path("plugins");
    fs::create_dir(&plugins).unwrap();
    let path = format!("{}:/usr/bin:/bin", plugins.display());
    let run = |arguments: &[&str]| fed_with(&env, &path, arguments, b"value");
    insta::assert_snapshot!(run(&set).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot write `secrets/hub.age`: operator `operator` has a key that cannot be used: Could not find 'age-plugin-drawer' on the PATH. Have you installed the plugin?
    ");
    assert!(!env.repo().join("secrets/hub.age").exists());
    let plugin = plugins.join("age-plugin-drawer");
    fs::write(&plugin, include_str!("age-plugin-drawer")).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    insta::assert_snapshot!(run(&set).all(), @"
    exit code: 0
    --- stdout
    secrets/hub.age written
    --- stderr
    ");
    insta::assert_snapshot!(run(&show).all(), @"
    exit code: 0
    --- stdout
    value--- stderr
    Please open the top drawer
    ");
    assert!(run(&["secret", "check"]).out.contains("pass  hub\n"));
}

//! Files go back and forth between deployctl and agenix. Its program is a script around `nix-instantiate` and `age`; these
//! tests take its steps with the real ones of both.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{env, fed, keygen, public, secret};
use crate::demand::demand;
use crate::environment::TestEnv;

fn runs(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("--version").output().ok();
    demand(found, &format!("{program} (package {package})")).is_some()
}

/// A repository whose `secrets/secrets.nix` is the one that we ship, and an operator with keys of three kinds.
fn env_of_agenix() -> TestEnv {
    let env = env();
    let mut rsa = Command::new("ssh-keygen");
    rsa.args([
        "-q",
        "-t",
        "rsa",
        "-b",
        "2048",
        "-C",
        "with a comment",
        "-N",
        "",
        "-f",
    ]);
    assert!(rsa.arg(env.path("rsa")).status().unwrap().success());
    let mut own = Command::new("age-keygen");
    let own = own.arg("-o").arg(env.path("own")).output().unwrap();
    let said = String::from_utf8(own.stderr).unwrap();
    let age_key = said.trim().rsplit(' ').next().unwrap();
    let ssh = ["home/.ssh/id_ed25519", "rsa"].map(|name| public(&env.path(name)));
    env.edit("/cluster/operators/operator/keys", json!(ssh));
    let file = env.path("inventory.json");
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    inventory["cluster"]["operators"]["operator"]["age_keys"] = json!([age_key]);
    fs::write(&file, inventory.to_string()).unwrap();
    fs::write(
        env.repo().join("hosts/default.nix"),
        "builtins.fromJSON (builtins.readFile ../../inventory.json)\n",
    )
    .unwrap();
    fs::create_dir_all(env.repo().join("secrets")).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../secrets/secrets.nix");
    fs::copy(ours, env.repo().join("secrets/secrets.nix")).unwrap();
    env
}

/// What agenix asks `secrets.nix`.
fn asked(env: &TestEnv, expression: &str) -> Vec<String> {
    let output = Command::new("nix-instantiate")
        .args([
            "--store", "dummy://", "--json", "--eval", "--strict", "-E", expression,
        ])
        .current_dir(env.repo().join("secrets"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `age` in the folder of the secrets, with `input`.
fn age(env: &TestEnv, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    fs::write(env.path("input"), input).unwrap();
    let output = Command::new("age")
        .args(arguments)
        .current_dir(env.repo().join("secrets"))
        .stdin(Stdio::from(fs::File::open(env.path("input")).unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn agenix_reads_what_we_write_and_we_read_what_agenix_writes() {
    if !runs("age", "age") || !runs("nix-instantiate", "nix-bin") {
        return;
    }
    let env = env_of_agenix();
    let names = asked(&env, "builtins.attrNames (import ./secrets.nix)");
    assert_eq!(names, ["api-key.age", "hub.age"]);
    let keys = asked(
        &env,
        "(let rules = import ./secrets.nix; in rules.\"hub.age\".publicKeys)",
    );
    assert_eq!(keys.len(), 4, "{keys:?}");

    // We write; every key that agenix knows reads.
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"value").code, 0);
    let identities = ["home/.ssh/id_ed25519", "rsa", "own", "host"];
    for identity in identities {
        let identity = env.path(identity);
        let identity = identity.to_str().unwrap();
        let opened = age(&env, &["--decrypt", "--identity", identity, "hub.age"], b"");
        assert_eq!(opened, b"value", "{identity}");
    }

    // It writes, which is never armored; we read with every key, and nothing is to be encrypted anew.
    let mut arguments = Vec::new();
    for key in &keys {
        arguments.extend(["--recipient", key]);
    }
    arguments.extend(["-o", "hub.age"]);
    age(&env, &arguments, b"by agenix");
    for identity in identities {
        let identity = env.path(identity);
        let shown = secret(&env, &["show", "hub", "-i", identity.to_str().unwrap()]);
        assert_eq!(shown.out, "by agenix", "{shown:?}");
    }
    assert_eq!(secret(&env, &["rotate", "api-key"]).code, 0);
    let rekeyed = secret(&env, &["rekey"]).err;
    assert_eq!(
        rekeyed,
        "as far as headers tell, every secret is encrypted to exactly its readers\n"
    );
    assert!(secret(&env, &["check"]).out.contains("pass  hub"));

    // An operator more: our `rekey` of its file, and its of ours.
    keygen(&env.path("more"), "");
    let all = ["home/.ssh/id_ed25519", "rsa", "more"].map(|name| public(&env.path(name)));
    env.edit("/cluster/operators/operator/keys", json!(all));
    let more = env.path("more");
    let more = more.to_str().unwrap();
    assert_eq!(secret(&env, &["rekey", "hub"]).code, 0);
    let opened = age(&env, &["--decrypt", "--identity", more, "hub.age"], b"");
    assert_eq!(opened, b"by agenix");
}

/// As other programs write it: armored, too.
#[test]
fn both_forms_of_a_file_are_read() {
    if !runs("age", "age") {
        return;
    }
    let env = env();
    let operator = public(&env.path("home/.ssh/id_ed25519"));
    let host = public(&env.path("host"));
    fs::create_dir_all(env.repo().join("secrets")).unwrap();
    for armor in [&[][..], &["--armor"]] {
        let keys = ["-r", &operator, "-r", &host, "-o", "hub.age"];
        age(&env, &[armor, &keys].concat(), b"by age");
        assert_eq!(secret(&env, &["show", "hub"]).out, "by age");
        let text = secret(&env, &["check"]).all();
        assert!(text.contains("pass  hub"), "{text}");
    }
}

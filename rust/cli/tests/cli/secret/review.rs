//! What `secret check` and `secret rekey` say of files that are not as declared.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{env, fed, keygen, pin, public, secret};

/// age encrypts to RSA, but the program on the host opens secrets with its ed25519 key.
#[test]
fn a_host_with_a_key_of_rsa_alone_is_named() {
    let env = env();
    let key = env.path("rsa");
    let mut made = Command::new("ssh-keygen");
    made.args(["-q", "-t", "rsa", "-b", "2048", "-C", "", "-N", "", "-f"]);
    assert!(made.arg(&key).status().unwrap().success());
    pin(&env, &public(&key));
    insta::assert_snapshot!(fed(&env, &["secret", "set", "hub"], b"x").all(), @"
    exit code: 0
    --- stdout
    secrets/hub.age written
    --- stderr
    warning: host `cuda` will not be able to open `secrets/hub.age`: none of its pinned host keys is an ed25519 key
      hint: on the host: `ssh-keygen -A`; then `deployctl adopt --replace cuda`
    ");
    // Nothing is to be encrypted anew, and yet this is not as declared.
    insta::assert_snapshot!(secret(&env, &["rekey"]).all(), @"
    exit code: 0
    --- stdout
    --- stderr
    warning: secrets/api-key.age: there is no such file
      hint: `deployctl secret rotate api-key` makes a random value
    warning: secrets/api-key.age: host `cuda` has no key for it: none of its pinned host keys is an ed25519 key
      hint: on the host: `ssh-keygen -A`; then `deployctl adopt --replace cuda`
    warning: secrets/hub.age: host `cuda` has no key for it: none of its pinned host keys is an ed25519 key
      hint: on the host: `ssh-keygen -A`; then `deployctl adopt --replace cuda`
    there is nothing to encrypt anew
    ");
}

/// Until a host is adopted, its secrets wait for its key.
#[test]
fn a_host_that_is_not_adopted_is_named_by_rekey() {
    let env = env();
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("inventory.json")).unwrap()).unwrap();
    let facts = inventory["hosts"]["cuda"].as_object_mut().unwrap();
    let identity = facts.remove("identity").unwrap();
    fs::write(env.path("inventory.json"), inventory.to_string()).unwrap();
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"x").code, 0);
    assert_eq!(secret(&env, &["rotate", "--missing"]).code, 0);
    insta::assert_snapshot!(secret(&env, &["rekey"]).all(), @"
    exit code: 0
    --- stdout
    --- stderr
    warning: secrets/api-key.age: host `cuda` has no key for it: it is not adopted, so its key is not known
      hint: `deployctl adopt cuda`, then `deployctl secret rekey`
    warning: secrets/hub.age: host `cuda` has no key for it: it is not adopted, so its key is not known
      hint: `deployctl adopt cuda`, then `deployctl secret rekey`
    there is nothing to encrypt anew
    ");
    inventory["hosts"]["cuda"]["identity"] = identity;
    fs::write(env.path("inventory.json"), inventory.to_string()).unwrap();
    insta::assert_snapshot!(secret(&env, &["rekey"]).all(), @"
    exit code: 0
    --- stdout
    secrets/api-key.age written
    secrets/hub.age written
    --- stderr
    ");
    insta::assert_snapshot!(secret(&env, &["rekey"]).all(), @"
    exit code: 0
    --- stdout
    --- stderr
    as far as headers tell, every secret is encrypted to exactly its readers
    ");
}

#[test]
fn every_fault_has_its_words() {
    let env = env();
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"x").code, 0);
    assert_eq!(secret(&env, &["rotate", "api-key"]).code, 0);
    let file = |name: &str| env.repo().join("secrets").join(name);
    fs::copy(file("hub.age"), file("stray.age")).unwrap();
    // Two more keys open it, and so old a value is due.
    keygen(&env.path("one"), "");
    keygen(&env.path("two"), "");
    let own = env.path("home/.ssh/id_ed25519");
    let [one, two] = ["one", "two"].map(|name| public(&env.path(name)));
    env.edit(
        "/cluster/operators/operator/keys",
        json!([public(&own), one, two]),
    );
    assert_eq!(secret(&env, &["rekey", "hub"]).code, 0);
    env.edit("/cluster/operators/operator/keys", json!([public(&own)]));
    fs::write(file("changed.json"), r#"{ "api-key": "2020-01-01" }"#).unwrap();
    let check = || {
        let text = secret(&env, &["check"]).all();
        let days = text
            .split("its value is ")
            .nth(1)
            .map(|it| it.split(' ').next().unwrap().to_owned());
        days.map_or(text.clone(), |days| text.replace(&days, "DAYS"))
    };
    insta::assert_snapshot!(check(), @"
    exit code: 4
    --- stdout
    fail  secrets/api-key.age: its value is DAYS days old, 90 are declared
          hint: `deployctl secret rotate api-key` makes a random value, where one may be random; otherwise `deployctl secret set api-key`
    fail  secrets/hub.age: 2 keys that are not declared can open it
          hint: `deployctl secret rekey hub` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/stray.age: no fact declares this secret
          hint: declare it in `cluster.secrets.stray`, or remove the file
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
    // Nobody wrote down when; and one of age's own keys too few.
    fs::write(file("changed.json"), "{}").unwrap();
    let mut inventory: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("inventory.json")).unwrap()).unwrap();
    inventory["cluster"]["operators"]["operator"]["age_keys"] =
        json!(["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudtd3vnqvf2s5a"]);
    fs::write(env.path("inventory.json"), inventory.to_string()).unwrap();
    insta::assert_snapshot!(check(), @"
    exit code: 4
    --- stdout
    fail  secrets/api-key.age: 0 of age's own keys can open it, 1 are declared
          hint: `deployctl secret rekey api-key` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/api-key.age: it is not recorded when its value was changed
          hint: `deployctl secret rotate api-key` makes a random value, where one may be random; otherwise `deployctl secret set api-key`
    fail  secrets/hub.age: 0 of age's own keys can open it, 1 are declared
          hint: `deployctl secret rekey hub` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/hub.age: 2 keys that are not declared can open it
          hint: `deployctl secret rekey hub` encrypts it to the declared keys; who could open it before knows its value still
    fail  secrets/stray.age: no fact declares this secret
          hint: declare it in `cluster.secrets.stray`, or remove the file
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
}

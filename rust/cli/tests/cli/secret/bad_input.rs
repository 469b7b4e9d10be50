//! What cannot be done is said, and nothing is written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::{env, fed, has_python, keygen, pin, public, secret};

#[test]
fn an_editor_changes_a_value_in_memory() {
    let env = env();
    let editor = env.path("editor");
    let script = "#!/bin/sh\nstat -f -c %T \"$1\" >seen; stat -c %a \"$1\" >>seen; cat \"$1\" >>seen; printf edited >\"$1\"\n";
    fs::write(&editor, script).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let inventory = env.path("inventory.json");
    let edit = |editor: &Path| {
        let arguments = [
            "--inventory",
            inventory.to_str().unwrap(),
            "secret",
            "edit",
            "hub",
        ];
        env.with_variables(&[("EDITOR", editor)], &arguments)
    };
    assert_eq!(edit(&editor).code, 0);
    assert_eq!(secret(&env, &["show", "hub"]).out, "edited");
    assert_eq!(edit(&editor).err, "secrets/hub.age is as it was\n");
    // The line break that an editor adds is no change, and where there was one it stays.
    let writes = |text: &str| {
        let script = format!("#!/bin/sh\nprintf '{text}' >\"$1\"\n");
        fs::write(env.path("writer"), script).unwrap();
        fs::set_permissions(env.path("writer"), fs::Permissions::from_mode(0o755)).unwrap();
        edit(&env.path("writer")).err + &secret(&env, &["show", "hub"]).out
    };
    let same = "secrets/hub.age is as it was\nedited";
    assert_eq!(writes("edited\\n"), same);
    assert_eq!(writes("edited\\r\\n"), same);
    // A key of several lines is none without its last line break.
    assert_eq!(writes("one\\ntwo\\n"), "one\ntwo\n");
    assert_eq!(writes("more\\n"), "more\n");
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"edited").code, 0);
    let seen = fs::read_to_string(env.path("home/seen")).unwrap();
    assert_eq!(seen, "tmpfs\n600\nedited");
    insta::assert_snapshot!(edit(Path::new("false")).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: the editor ended with exit status: 1, so nothing was changed
    ");
    insta::assert_snapshot!(secret(&env, &["edit", "hub"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: neither VISUAL nor EDITOR names an editor
      hint: `EDITOR=nano deployctl secret edit hub`, or `deployctl secret set hub`
    ");
    // What an editor can leave behind that is no value.
    let before = fs::read(env.repo().join("secrets/hub.age")).unwrap();
    let left = |script: &str| {
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        let said = edit(&editor);
        assert_eq!(said.code, 2, "{said:?}");
        said.err
    };
    insta::assert_snapshot!([
        left("rm \"$1\""),
        left("rm \"$1\"; mkdir \"$1\""),
        left("head -c 1048577 /dev/zero >\"$1\""),
        left(": >\"$1\""),
        left("echo half >\"$1\"; kill -9 $$"),
    ].concat(), @"
    error: the editor left nothing that can be read as a value, so nothing was changed
      cause: No such file or directory (os error 2)
    error: the editor left nothing that can be read as a value, so nothing was changed
      cause: it is no regular file
    error: the editor left nothing that can be read as a value, so nothing was changed
      cause: it is longer than 1048576 bytes
    error: cannot write `secrets/hub.age`: the value is empty
      hint: a service would start with an empty key; nothing was written
    error: the editor ended with signal: 9 (SIGKILL), so nothing was changed
    ");
    assert_eq!(
        fs::read(env.repo().join("secrets/hub.age")).unwrap(),
        before
    );
    let left = fs::read_dir("/dev/shm").unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("deployctl-secret-")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let env = env();
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"value").code, 0);
    let file = env.repo().join("secrets/hub.age");
    let good = fs::read_to_string(&file).unwrap();
    let snapshot =
        |arguments: &[&str], input: &[u8]| fed(&env, &[&["secret"], arguments].concat(), input).err;
    insta::assert_snapshot!(snapshot(&["set", "hub"], b""), @"
    error: cannot write `secrets/hub.age`: the value is empty
      hint: a service would start with an empty key; nothing was written
    ");
    insta::assert_snapshot!(snapshot(&["set", "hb"], b"x"), @"
    error: no secret `hb` is declared
      hint: did you mean `hub`?
    ");
    insta::assert_snapshot!(snapshot(&["rotate", "hub"], b""), @"
    error: `hub` has no `generate_bytes`, so its value is not random
      hint: `deployctl secret set hub` takes a value that somebody issued
    ");
    insta::assert_snapshot!(snapshot(&["show", "api-key"], b""), @"
    error: there is no `secrets/api-key.age`
      hint: `deployctl secret rotate api-key` makes a random value
    ");
    assert_eq!(fs::read_to_string(&file).unwrap(), good);

    keygen(&env.path("locked"), "pass");
    let locked = env.path("locked");
    env.edit("/cluster/operators/operator/keys", json!([public(&locked)]));
    assert_eq!(secret(&env, &["rekey"]).code, 0);
    insta::assert_snapshot!(snapshot(&["show", "hub", "-i", locked.to_str().unwrap()], b""), @"
    error: cannot open `secrets/hub.age`: the key that opens it has a passphrase, and there is no terminal to ask for it
      hint: run it in a terminal, or name a key without a passphrase by `--identity FILE`
    ");
    insta::assert_snapshot!(snapshot(&["show", "hub", "-i", env.path("host.pub").to_str().unwrap()], b""), @"
    error: `DIR/host.pub` holds no key that opens secrets: identity file contains non-identity data on line 1
      hint: name another private key by `--identity FILE`; `age-keygen` makes one, whose public half goes into `age_keys` of the operator
    ");
    insta::assert_snapshot!(snapshot(&["show", "hub", "-i", "nowhere"], b""), @"
    error: cannot read the key `nowhere`
      cause: No such file or directory (os error 2)
      hint: see its owner and mode
    ");
    fs::remove_file(env.path("home/.ssh/id_ed25519")).unwrap();
    insta::assert_snapshot!(snapshot(&["show", "hub"], b""), @"
    error: cannot open `secrets/hub.age`: no key is at hand that could open it
      hint: name another private key by `--identity FILE`; who can open it is in `deployctl secret list`
    ");

    let host = env.path("host");
    let opened = |text: &str| {
        fs::write(&file, text).unwrap();
        snapshot(&["show", "hub", "-i", host.to_str().unwrap()], b"")
    };
    insta::assert_snapshot!(opened(&good[..good.len() / 2]), @"
    error: cannot open `secrets/hub.age`: it is truncated or damaged
      hint: an earlier one is in git: `git log -- secrets/hub.age`; `deployctl secret set hub` writes a new value
    ");
    insta::assert_snapshot!(opened("not age\n"), @"
    error: cannot open `secrets/hub.age`: it is no file of age
      hint: an earlier one is in git: `git log -- secrets/hub.age`; `deployctl secret set hub` writes a new value
    ");
    insta::assert_snapshot!(opened("age-encryption.org/v9\n-> X 1\n"), @"
    error: cannot open `secrets/hub.age`: it is of `age-encryption.org/v9`, and this deployctl reads `age-encryption.org/v1`
      hint: take a newer deployctl, or let the program that made it write version 1
    ");
    insta::assert_snapshot!(secret(&env, &["check"]).all(), @"
    exit code: 4
    --- stdout
    fail  secrets/api-key.age: there is no such file
          hint: `deployctl secret rotate api-key` makes a random value
    fail  secrets/hub.age: it is of `age-encryption.org/v9`, and this deployctl reads `age-encryption.org/v1`
          hint: `deployctl secret set hub` writes it, with the value on standard input
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
}

#[test]
fn who_cannot_be_a_reader_is_told() {
    let env = env();
    // A security key, whose private half no program can use for this.
    let key = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEbAAAABHNzaDo=";
    env.edit("/cluster/operators/operator/keys", json!([key]));
    pin(
        &env,
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
    );
    insta::assert_snapshot!(fed(&env, &["secret", "set", "hub"], b"x").all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot write `secrets/hub.age`: nobody who may read it has a key
      hint: add a key of `age-keygen` or of a plugin to `cluster.operators.operator.age_keys`
    ");
    insta::assert_snapshot!(secret(&env, &["check"]).all(), @"
    exit code: 4
    --- stdout
    fail  secrets/api-key.age: there is no such file
          hint: `deployctl secret rotate api-key` makes a random value
    fail  secrets/api-key.age: operator `operator` has no key for it: age encrypts to none of these keys: ed25519 and RSA can be used
          hint: add a key of `age-keygen` or of a plugin to `cluster.operators.operator.age_keys`
    fail  secrets/api-key.age: host `cuda` has no key for it: none of its pinned host keys is an ed25519 key
          hint: on the host: `ssh-keygen -A`; then `deployctl adopt --replace cuda`
    fail  secrets/hub.age: there is no such file
          hint: `deployctl secret set hub` writes it, with the value on standard input
    fail  secrets/hub.age: operator `operator` has no key for it: age encrypts to none of these keys: ed25519 and RSA can be used
          hint: add a key of `age-keygen` or of a plugin to `cluster.operators.operator.age_keys`
    fail  secrets/hub.age: host `cuda` has no key for it: none of its pinned host keys is an ed25519 key
          hint: on the host: `ssh-keygen -A`; then `deployctl adopt --replace cuda`
    --- stderr
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    ");
}

/// Bytes that were changed after they were encrypted, keys of kinds that open nothing, and what is too long.
#[test]
fn what_is_damaged_or_too_long_is_told_apart() {
    let env = env();
    assert_eq!(fed(&env, &["secret", "set", "hub"], b"value").code, 0);
    let file = env.repo().join("secrets/hub.age");
    let good = fs::read_to_string(&file).unwrap();
    // The armor holds the header, then the value. The header's length is random, so places are counted from the ends:
    // the second line of the armor holds the first key, and the last ten characters are the value's.
    let with_changed = |at: usize| {
        let other = if good.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut text = good.clone();
        text.replace_range(at..=at, other);
        text
    };
    let of_key = good.match_indices('\n').nth(1).unwrap().0 + 1;
    let armor = good[..good.find("-----END").unwrap()].trim_end_matches(['=', '\n']);
    let of_value = armor[..armor.len() - 9].trim_end().len() - 1;
    let opened = |text: &str| {
        fs::write(&file, text).unwrap();
        secret(&env, &["show", "hub"]).err
    };
    let damaged = "error: cannot open `secrets/hub.age`: it was changed or damaged after it was encrypted\n  hint: an earlier one is in git: `git log -- secrets/hub.age`; `deployctl secret set hub` writes a new value\n";
    assert_eq!(opened(&with_changed(of_value)), damaged);
    assert_eq!(opened(&with_changed(of_key)), damaged);
    let rekeyed = secret(&env, &["rekey", "hub"]);
    assert_eq!((rekeyed.code, &*rekeyed.err), (9, damaged));
    assert_eq!(fs::read_to_string(&file).unwrap(), with_changed(of_key));
    insta::assert_snapshot!(opened(&good.replace('\n', "\n!")), @"
    error: cannot open `secrets/hub.age`: it is truncated or damaged
      hint: an earlier one is in git: `git log -- secrets/hub.age`; `deployctl secret set hub` writes a new value
    ");
    fs::write(&file, &good).unwrap();

    let long = vec![b'a'; (1 << 20) + 1];
    insta::assert_snapshot!(fed(&env, &["secret", "set", "hub"], &long).err, @"
    error: the value is longer than 1048576 bytes
    ");
    let mut ecdsa = std::process::Command::new("ssh-keygen");
    ecdsa.args(["-q", "-t", "ecdsa", "-C", "", "-N", "", "-f"]);
    assert!(ecdsa.arg(env.path("ecdsa")).status().unwrap().success());
    let ecdsa = env.path("ecdsa");
    insta::assert_snapshot!(secret(&env, &["show", "hub", "-i", ecdsa.to_str().unwrap()]).err, @"
    error: `DIR/ecdsa` holds no key that opens secrets: age uses private keys of the types ed25519 and RSA, in files
      hint: name another private key by `--identity FILE`; `age-keygen` makes one, whose public half goes into `age_keys` of the operator
    ");
    fs::write(env.repo().join("secrets/changed.json"), "{ \"hub\": ").unwrap();
    insta::assert_snapshot!(secret(&env, &["check"]).err, @"
    warning: hosts/cluster.nix:4: secret `hub`: no fact names it
      hint: let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.hub` and secrets/hub.age
    error: `DIR/repo/secrets/changed.json` is not what deployctl writes there
      cause: EOF while parsing a value at line 1 column 9
      hint: `git checkout -- DIR/repo/secrets/changed.json` takes the committed one
    ");
    insta::assert_snapshot!(fed(&env, &["secret", "set", "hub"], b"other").err, @"
    error: `DIR/repo/secrets/changed.json` is not what deployctl writes there
      cause: EOF while parsing a value at line 1 column 9
      hint: `git checkout -- DIR/repo/secrets/changed.json` takes the committed one
    ");
    assert_eq!(secret(&env, &["show", "hub"]).out, "value");
}

/// A person at a terminal is asked for the passphrase of a key, and for a value; nothing that they type is shown.
#[test]
fn a_person_at_a_terminal_is_asked() {
    if !has_python() {
        return;
    }
    let env = env();
    let locked = env.path("locked");
    keygen(&locked, "right words");
    env.edit("/cluster/operators/operator/keys", json!([public(&locked)]));
    let asked = |answer: &str, arguments: &[&str]| {
        let inventory = env.path("inventory.json");
        let all = [
            &["--inventory", inventory.to_str().unwrap(), "secret"],
            arguments,
        ]
        .concat();
        let program = env.command(&all);
        let mut python = std::process::Command::new("/usr/bin/python3");
        python
            .args(["-c", include_str!("../at-a-terminal"), answer])
            .arg(program.get_program())
            .args(program.get_args())
            .env_clear();
        let variables = program.get_envs();
        python.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        env.said(python.output().unwrap())
    };
    insta::assert_snapshot!(asked("typed by hand", &["set", "hub"]).all(), @"
    exit code: 0
    --- stdout
    value of `hub`: 
    secrets/hub.age written
    --- stderr
    ");
    let show = ["show", "hub", "-i", locked.to_str().unwrap()];
    insta::assert_snapshot!(asked("right words", &show).all(), @"
    exit code: 0
    --- stdout
    Type passphrase for OpenSSH key 'DIR/locked': 
    typed by hand
    --- stderr
    ");
    insta::assert_snapshot!(asked("wrong words", &show).all(), @"
    exit code: 9
    --- stdout
    Type passphrase for OpenSSH key 'DIR/locked': 
    error: cannot open `secrets/hub.age`: the passphrase of the key that opens it is wrong
      hint: try it again, or name another private key by `--identity FILE`
    --- stderr
    ");
}

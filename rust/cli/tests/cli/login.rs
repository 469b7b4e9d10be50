//! What a user says about the login, checked before any host is asked.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::environment::{Said, TestEnv};

/// `status` of a host that cannot be reached, so that an exit code of 2 was decided here.
fn status(env: &TestEnv, variables: &[(&str, &Path)], arguments: &[&str]) -> Said {
    let inventory = env.path("inventory.json");
    let mut all = vec!["--inventory", inventory.to_str().unwrap(), "status", "cuda"];
    all.extend(arguments);
    env.with_variables(variables, &all)
}

#[test]
fn a_password_that_is_none_is_refused_here() {
    let env = TestEnv::new();
    let file = env.path("password");
    let name = file.to_str().unwrap();
    let mut shown = String::new();
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for bytes in [
        &b""[..],
        b"\nsecond line\n",
        b"\xef\xbb\xbfword\n",
        b"w\0o\0r\0d\0",
    ] {
        std::fs::write(&file, bytes).unwrap();
        let said = status(&env, &[], &["--sudo-password-file", name]);
        assert_eq!(said.code, 2, "{}", said.all());
        shown.push_str(&said.err);
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    shown.push_str(&status(&env, &[], &["--sudo-password-file", name]).err);
    insta::assert_snapshot!(shown, @"
    error: there is no password in the password file `DIR/password`
      cause: it is empty
      hint: its first line is the password, in the bytes that the host expects
    error: there is no password in the password file `DIR/password`
      cause: it is empty
      hint: its first line is the password, in the bytes that the host expects
    error: there is no password in the password file `DIR/password`
      cause: it begins with a byte order mark, which would be part of the password
      hint: its first line is the password, in the bytes that the host expects
    error: there is no password in the password file `DIR/password`
      cause: it holds a NUL byte
      hint: its first line is the password, in the bytes that the host expects
    warning: others can read the password file `DIR/password` (mode 0640)
      hint: chmod 600 DIR/password
    error: there is no password in the password file `DIR/password`
      cause: it holds a NUL byte
      hint: its first line is the password, in the bytes that the host expects
    ");
}

#[test]
fn a_configuration_that_is_not_there_is_told_at_once() {
    let env = TestEnv::new();
    let missing = env.path("nowhere/config");
    let said = status(&env, &[("DEPLOYCTL_SSH_CONFIG", &missing)], &[]);
    insta::assert_snapshot!(said.all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot read `DIR/nowhere/config`, which DEPLOYCTL_SSH_CONFIG names
      cause: No such file or directory (os error 2)
    ");
}

#[test]
fn a_login_that_is_none_is_refused() {
    let env = TestEnv::new();
    let said = status(&env, &[], &["--user=-oProxyCommand=reboot"]);
    insta::assert_snapshot!(said.all(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: `-oProxyCommand=reboot` is not a valid login: letters, digits and `_.@+\-`, beginning with none of `.@+\-` and not ending in `\`, at most 255
    ");
    let said = status(&env, &[("DEPLOYCTL_SSH_USER", Path::new("a b"))], &[]);
    assert_eq!(said.code, 2, "{}", said.all());
}

/// Runs `command` on a host whose connection never comes to stand, interrupted so many times.
fn interrupted(command: &str, times: u32) -> Said {
    let env = TestEnv::new();
    let config = env.path("silent");
    let asked = env.path("asked");
    let proxy = format!(
        "Host *\n  ProxyCommand sh -c 'touch {}; exec sleep 20'\n",
        asked.display()
    );
    std::fs::write(&config, proxy).unwrap();
    let inventory = env.path("inventory.json");
    let all = [
        "--inventory",
        inventory.to_str().unwrap(),
        command,
        "linode",
    ];
    let child = env
        .command(&all)
        .env("DEPLOYCTL_SSH_CONFIG", &config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A slow computer takes seconds to read the inventory.
    let begin = Instant::now();
    while !asked.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never asked");
        std::thread::sleep(Duration::from_millis(50));
    }
    let start = Instant::now();
    for _ in 0..times {
        std::thread::sleep(Duration::from_secs(1));
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "it ended by itself");
    }
    let said = env.said(child.wait_with_output().unwrap());
    assert!(start.elapsed() < Duration::from_secs(8), "{}", said.all());
    said
}

#[test]
fn ctrl_c_before_anything_was_changed_has_an_exit_code_of_its_own() {
    // A plan has nothing to bring to an end.
    let plan = interrupted("plan", 1);
    assert_eq!(plan.code, 130, "{}", plan.all());
    assert!(
        plan.out
            .contains("linode  interrupted before anything was changed"),
        "{}",
        plan.all()
    );
    let status = interrupted("status", 2);
    assert_eq!(status.code, 130, "{}", status.all());
    assert!(
        status
            .err
            .contains("error: interrupted twice, before anything was applied"),
        "{}",
        status.all()
    );
}

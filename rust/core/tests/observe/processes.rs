//! How many processes one round of questions starts on a host.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use deployctl_core::name::{ConcernName, SysctlKey};
use deployctl_core::observed::{ObserveScope, queries};
use deployctl_core::query::{Marker, script};
use deployctl_core::rendered::{OnChange, Rendered, UnitWant};

use crate::{firewall, read_by_others, rendered, sysctl};

/// Processes that one round starts on a host with everything declared, as a separate namespace counts
/// them. Most of a plan's time on a host is spent on them.
#[test]
fn a_round_starts_few_processes() {
    let mut rendered = rendered();
    firewall(&mut rendered);
    let key = SysctlKey::new("kernel.pid_max").unwrap();
    rendered.sysctls.insert(key, sysctl("1"));
    rendered.units.insert(
        "ssh.service".to_owned().try_into().unwrap(),
        UnitWant {
            concern: ConcernName::new("ssh").unwrap(),
            enabled: Some(true),
            running: Some(true),
            on_change: OnChange::Restart,
            watch: BTreeSet::new(),
            start_timeout_seconds: 90,
            early: false,
        },
    );
    // sshd and netplan are asked, each as one process, in a question of their own.
    assert!(processes(&rendered) <= 70);
    read_by_others(&mut rendered);
    assert!(processes(&rendered) <= 80);
}

fn processes(rendered: &Rendered) -> u32 {
    let scope = ObserveScope {
        rendered,
        sandbox: false,
        timezones: &[],
    };
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--pid", "--fork", "dash", "-c"])
        .arg("dash -s >/dev/null; dash -c 'echo $$'; :")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text = script(&Marker::new([9; 16]), &queries(&scope));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let last: u32 = said.lines().last().unwrap().trim().parse().unwrap();
    // The first is the shell that reads the round, the last is the one that tells.
    last - 2
}

//! The service that everybody comes in by.

use std::time::Duration;

use anyhow::Result;
use deployctl_core::activation::Phase;
use deployctl_core::plan::UnitAction::{Reload, Start};
use deployctl_e2e::{Base, Machine, MachineSpec, World};

use crate::draft::{Draft, confirm, failure, log};

const ROUNDS: usize = 2;

#[test]
fn nobody_is_locked_out_on_debian_12() -> Result<()> {
    story(Base::Plain, ROUNDS)
}

#[test]
fn nobody_is_locked_out_on_debian_13() -> Result<()> {
    story(Base::Debian13, ROUNDS)
}

#[test]
#[ignore = "takes minutes; by hand"]
fn nobody_is_locked_out_ten_times() -> Result<()> {
    story(Base::Debian13, 10)
}

fn story(base: Base, rounds: usize) -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box").base(base))?;
    machine.wait_for_systemd()?;
    a_socket_holds_the_port(&machine)?;
    machine.ok("systemctl --quiet disable --now ssh.socket; systemctl stop ssh.service; mkdir -p /run/sshd; systemd-run --quiet --unit=theirs /usr/sbin/sshd -D")?;
    machine.wait_for_login()?;
    for round in 0..rounds {
        another_serves_the_port(&machine, round)?;
    }
    // Where nothing shows who listens, a failed start takes the directory away, and it comes back.
    machine.ok("mv $(command -v ss) /root/ss")?;
    let status = Draft::new(&machine)?
        .file("/etc/motd", "blind", &[])?
        .unit("ssh.service", &[Start])?
        .apply("blind-apply")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(
        failure(&status).contains("Address already in use"),
        "{}",
        failure(&status)
    );
    machine.ok("mv /root/ss /usr/bin/ss")?;
    machine.wait_for_login()
}

/// sshd cannot take a port over that is systemd's: it has to be started anew.
fn a_socket_holds_the_port(machine: &Machine) -> Result<()> {
    machine.ok(
        "systemctl --quiet disable --now ssh.service; systemctl --quiet enable --now ssh.socket",
    )?;
    machine.wait_for_login()?;
    machine.wait_until(
        Duration::from_secs(5),
        "systemctl --quiet is-active ssh.service",
    )?;
    let status = Draft::new(machine)?
        .file(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            "MaxAuthTries 5\n",
            &[],
        )?
        .unit("ssh.service", &[Reload])?
        .apply("socket-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert!(log(&status).contains("restart instead of reload: ssh.socket"));
    machine.wait_for_login()?;
    assert_eq!(confirm(machine, "socket-apply")?, Phase::Committed);
    Ok(())
}

/// A start would fail and lock everybody out: it is not tried.
fn another_serves_the_port(machine: &Machine, round: usize) -> Result<()> {
    let id = format!("theirs-{round}-apply");
    let status = Draft::new(machine)?
        .file("/etc/timezone", &id, &[])?
        .unit("ssh.service", &[Start])?
        .apply(&id)?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(
        failure(&status).contains("port 22 is served by process"),
        "{}",
        failure(&status)
    );
    machine.wait_for_login()
}

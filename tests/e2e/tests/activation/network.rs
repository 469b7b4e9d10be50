//! What is told of a change of the network, and by whom; and the service that everybody comes in by.

use std::time::Duration;

use anyhow::Result;
use deployctl_core::activation::Phase;
use deployctl_core::plan::UnitAction::{Reload, Start};
use deployctl_core::rendered::FollowUp;
use deployctl_e2e::{Base, Machine, MachineSpec, World};

use crate::draft::{Draft, ask, confirm, failure, log};

const ROLL_BACK: &str = "sh /var/lib/deployctl/host.sh rollback";

#[test]
fn addresses_and_mtu_come_and_go() -> Result<()> {
    let world = World::new()?;
    let spec = MachineSpec::new("box").base(Base::Python).nic("cluster0");
    let machine = world.boot(&spec)?;
    machine.wait_for_systemd()?;
    let generated =
        || machine.ok("ls -R /run/systemd/network 2>/dev/null; systemctl is-system-running || :");
    let before = generated()?;
    let netplan = |mtu: &str| {
        Draft::new(&machine)?.checked_file(
            "/etc/netplan/60-deployctl.yaml",
            &format!("network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    cluster0:\n      mtu: {mtu}\n      addresses: [10.0.0.1/30]\n"),
            &[FollowUp::Network],
            &["netplan", "generate"],
        )
    };
    let status = netplan("nine thousand")?.apply("refused-apply")?;
    assert_eq!(status.phase, Phase::Refused, "{}", log(&status));
    assert!(failure(&status).contains("netplan"), "{}", failure(&status));
    assert_eq!(generated()?, before);
    let status = netplan("9000")?.apply("network-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    let applied = "ip -o addr show dev cluster0 | grep -q 10.0.0.1/30 && grep -qx 9000 /sys/class/net/cluster0/mtu";
    machine.wait_until(Duration::from_secs(10), applied)?;
    let status = ask(&machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    machine.ok("! ip -o addr show dev cluster0 | grep 10.0.0.1/30 && grep -x 1500 /sys/class/net/cluster0/mtu")?;
    Ok(())
}

/// netplan is installed, and no udev runs, as in every container.
#[test]
fn the_step_follows_what_was_rendered() -> Result<()> {
    let world = World::new()?;
    let spec = MachineSpec::new("box").base(Base::Python).nic("cluster0");
    let machine = world.boot(&spec)?;
    machine.wait_for_systemd()?;
    assert!(!machine.exists("/run/udev/control")?);
    let there = "ip -o addr show dev cluster0 | grep -q 10.55.0.1/24";
    let network = |id: &str| {
        Draft::new(&machine)?
            .file(
                "/etc/systemd/network/10-deployctl-cluster0.link",
                "[Match]\nOriginalName=cluster0\n[Link]\nMTUBytes=1500\n",
                &[FollowUp::Udev, FollowUp::Network],
            )?
            .file(
                "/etc/systemd/network/10-deployctl-cluster0.network",
                "[Match]\nName=cluster0\n[Network]\nAddress=10.55.0.1/24\n",
                &[FollowUp::Udev, FollowUp::Network],
            )?
            .apply(id)
    };
    let status = network("networkd-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert!(log(&status).contains("skip: no udev runs here"));
    machine.wait_until(Duration::from_secs(10), there)?;
    let status = ask(&machine, ROLL_BACK)?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    machine.wait_until(Duration::from_secs(10), &format!("! {{ {there}; }}"))?;

    // A foreign file that cannot be read is found before anything is touched, whatever of ours changes.
    let ours = "/etc/netplan/60-deployctl.yaml";
    let netplan = |id: &str, mtu: &str| {
        Draft::new(&machine)?
            .file(
                ours,
                &format!("network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    cluster0:\n      mtu: {mtu}\n"),
                &[FollowUp::Network],
            )?
            .apply(id)
    };
    let broken = "network:\n  version: 2\n  ethernets:\n    eth9:\n      dhcp4: maybe\n";
    machine.write("/etc/netplan/00-installer-config.yaml", broken)?;
    let status = netplan("foreign-apply", "1400")?;
    assert_eq!(status.phase, Phase::Refused, "{}", log(&status));
    assert!(
        failure(&status).contains("00-installer-config.yaml"),
        "{}",
        failure(&status)
    );
    assert!(!machine.exists(ours)?);
    machine.ok("rm /etc/netplan/00-installer-config.yaml")?;

    // What netplan could not read before this apply either is no fault of its rollback.
    machine.write(ours, broken)?;
    let status = netplan("mending-apply", "1400")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    let status = ask(&machine, ROLL_BACK)?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(log(&status).contains("told: it did not work before this apply either: network"));
    assert_eq!(machine.read(ours)?, broken);
    let status = netplan("mended-apply", "1400")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(&machine, "mended-apply")?, Phase::Committed);
    Ok(())
}

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

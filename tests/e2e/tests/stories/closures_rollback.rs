//! Activations of systems that go wrong, and that the host has its old one afterwards: running, as
//! its profile, and at the next boot.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::closures::{Systems, installed, service, system, systems};
use crate::cluster::{Cluster, Run};

/// Applies a second system with a change, expects the end `code`, and that the first one is back.
#[track_caller]
fn undone(change: impl FnOnce(&mut Value), arguments: &[&str], code: i32) -> Result<Run> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    let mut declared = system("2");
    change(&mut declared);
    cluster.declare_system("web", &declared)?;
    let run = cluster
        .deployctl(&[&["apply", "web", "--yes"], arguments].concat())?
        .expect(code);
    whole(&cluster, &first)?;
    Ok(run)
}

/// The machine is as it was with `first`, and free for the next apply.
#[track_caller]
fn whole(cluster: &Cluster, first: &Systems) -> Result<()> {
    let web = cluster.machine("web");
    assert_eq!(&systems(web)?, first);
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 1\n");
    let program = web.ok("systemctl is-active alpha; systemctl show -P ExecStart alpha")?;
    assert!(program.starts_with("active\n"), "{program}");
    assert!(program.contains("alpha-1"), "{program}");
    assert!(!web.exists("/nix/var/nix/gcroots/deployctl/generation-1")?);
    assert_eq!(
        web.ok("systemctl --failed --no-legend --plain | cut -d ' ' -f 1")?,
        ""
    );
    cluster.declare_system("web", &system("3"))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    let third = cluster.build("web")?;
    assert_eq!(systems(web)?, Systems::all(&third));
    Ok(())
}

#[test]
fn a_failing_activation_script_is_undone() -> Result<()> {
    undone(
        |declared| declared["activate"] = json!("echo no such printer >&2; exit 7"),
        &[],
        5,
    )?
    .says("activation script")
    .says("no such printer");
    Ok(())
}

#[test]
fn a_system_whose_unit_fails_is_undone() -> Result<()> {
    undone(
        |declared| {
            declared["units"]["beta.service"] =
                json!("[Service]\nType=oneshot\nExecStart=/bin/false\n");
        },
        &[],
        5,
    )?
    .says("beta.service");
    Ok(())
}

#[test]
fn an_init_that_cannot_be_changed_while_it_runs_asks_for_a_reboot() -> Result<()> {
    undone(|declared| declared["init"] = json!("systemd 300"), &[], 9)?
        .says("can only be booted into")
        .says("switch-to-configuration boot");
    Ok(())
}

#[test]
#[ignore = "long: a switch is given two minutes at least"]
fn an_activation_that_hangs_is_undone_at_the_deadline() -> Result<()> {
    undone(
        |declared| declared["activate"] = json!("sleep 600"),
        &["--timeout", "10"],
        5,
    )?;
    Ok(())
}

#[test]
fn a_system_that_cuts_us_off_is_undone_by_the_dead_man_timer() -> Result<()> {
    undone(
        |declared| {
            declared["units"]["cutoff.service"] = json!(
                "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
                 ExecStart=/usr/sbin/ip link set host0 down\n\
                 ExecStop=/usr/sbin/ip link set host0 up\n"
            );
        },
        &["--timeout", "10"],
        5,
    )?
    .says("rolled");
    Ok(())
}

#[test]
fn a_boot_loader_that_cannot_be_installed_takes_the_profile_back() -> Result<()> {
    undone(
        |declared| declared["bootloader"] = json!("echo no room in /boot >&2; exit 1"),
        &[],
        5,
    )?
    .says("no room in /boot");
    Ok(())
}

/// A controller that is killed while the second system is being activated, which takes `seconds`.
fn killed(seconds: u32, timeout: &str) -> Result<(Cluster, Systems)> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    let mut declared = system("2");
    declared["units"]["slow.service"] = json!(
        service("@alpha@/bin/alpha")
            + &format!("ExecStartPre=/bin/sleep {seconds}\nTimeoutStartSec=infinity\n")
    );
    cluster.declare_system("web", &declared)?;
    let mut apply = cluster
        .command(&["apply", "web", "--yes", "--timeout", timeout])
        .spawn()?;
    web.wait_until(
        Duration::from_secs(40),
        "grep -q 2 /etc/alpha.conf && systemctl is-active -q alpha",
    )?;
    apply.kill()?;
    apply.wait()?;
    Ok((cluster, first))
}

#[test]
fn a_killed_controller_leaves_the_old_system() -> Result<()> {
    let (cluster, first) = killed(2, "10")?;
    let web = cluster.machine("web");
    web.wait_until(
        Duration::from_secs(60),
        "grep -qx rolled-back /var/lib/deployctl/applies/*/phase",
    )?;
    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("rolled");
    whole(&cluster, &first)
}

#[test]
fn a_reboot_in_the_window_boots_the_old_system() -> Result<()> {
    let (cluster, first) = killed(30, "120")?;
    let web = cluster.machine("web");
    web.power_off()?;
    web.power_on()?;
    assert_eq!(web.wait_for_systemd()?, "running");
    assert_eq!(systems(web)?, first);
    // Nobody but the next apply tells the host so: its recovery unit is part of its system.
    whole(&cluster, &first)
}

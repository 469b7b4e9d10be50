//! What goes wrong half-way, and that everything is as it was afterwards.

use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::Machine;

use crate::cluster::Cluster;
use crate::demo;
use crate::everyday::deployed;

/// What a rollback has to bring back.
fn state(machine: &Machine) -> Result<String> {
    machine.ok(
        "sha256sum /etc/alpha.conf /etc/beta.conf /etc/systemd/system/alpha.service
         stat -c '%n %a %U %G' /etc/alpha.conf /etc/beta.conf
         sysctl -n net.core.somaxconn
         systemctl is-active alpha beta
         ls /etc/story /etc/ssh/sshd_config.d
         cat /var/lib/deployctl/generation",
    )
}

/// A second configuration in which everything changes.
fn redeclare_all(cluster: &Cluster) -> Result<()> {
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = blue\n");
        demo::set_file(facts, "/etc/story/more.txt", "more\n");
        facts["network"] = demo::network("3456");
    })
}

/// Changes everything, with a service that takes `seconds` to start, and kills the controller in the
/// middle of the activation. The host waits `timeout` seconds for it.
fn kill_midway(cluster: &Cluster, seconds: u32, timeout: &str) -> Result<()> {
    redeclare_all(cluster)?;
    cluster.redeclare("web", |facts| {
        let sleep = format!("sleep {seconds}; echo start");
        let slow = demo::service("beta").replace("echo start", &sleep);
        demo::set_file(facts, "/etc/systemd/system/beta.service", &slow);
    })?;
    let mut apply = cluster
        .command(&["apply", "web", "--yes", "--timeout", timeout])
        .spawn()?;
    let placed = "grep -q blue /etc/alpha.conf";
    let web = cluster.machine("web");
    web.wait_until(Duration::from_secs(20), placed)?;
    apply.kill()?;
    apply.wait()?;
    Ok(())
}

#[test]
fn a_file_that_its_validator_refuses_changes_nothing() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let before = state(web)?;
    redeclare_all(&cluster)?;
    cluster.redeclare("web", |facts| {
        demo::set_file(
            facts,
            "/etc/systemd/system/beta.service",
            "[Service]\nExecStart=relative/path\n",
        );
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("beta.service");
    assert_eq!(state(web)?, before);
    assert!(
        !web.exists("/var/lib/deployctl/lease")?,
        "the lease is given back"
    );
    Ok(())
}

#[test]
fn a_unit_that_fails_rolls_everything_back() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let before = state(web)?;
    redeclare_all(&cluster)?;
    cluster.redeclare("web", |facts| {
        let broken = demo::service("beta").replace("/bin/sleep infinity", "/bin/false");
        demo::set_file(facts, "/etc/systemd/system/beta.service", &broken);
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(5)
        .says("beta.service");
    assert_eq!(state(web)?, before);
    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("rolled");
    // The host is free for the next one.
    cluster.redeclare("web", |facts| {
        demo::set_file(
            facts,
            "/etc/systemd/system/beta.service",
            &demo::service("beta"),
        );
    })?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(())
}

#[test]
fn a_configuration_that_cuts_us_off_is_undone_by_the_dead_man_timer() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let before = state(web)?;
    redeclare_all(&cluster)?;
    cluster.redeclare("web", |facts| {
        demo::set_file(
            facts,
            "/etc/systemd/system/cutoff.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=/usr/sbin/ip link set host0 down\n\
             ExecStop=/usr/sbin/ip link set host0 up\n",
        );
        facts["extra"]["units"]["cutoff.service"] = serde_json::json!({
            "enabled": null, "running": true, "restart_on": [],
        });
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "15"])?
        .expect(5)
        .says("rolled");
    assert_eq!(state(web)?, before);
    Ok(())
}

#[test]
fn a_killed_controller_leaves_the_host_rolled_back_or_committed() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let before = state(web)?;
    kill_midway(&cluster, 4, "12")?;
    web.wait_until(
        Duration::from_secs(60),
        "grep -qx -e rolled-back -e committed /var/lib/deployctl/applies/*/phase",
    )?;
    let run = cluster.deployctl(&["status", "web"])?.expect(0);
    assert_eq!(state(web)?, before, "{run:?}");
    assert!(run.stdout.contains("rolled"), "{run:?}");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(())
}

#[test]
fn a_reboot_in_the_window_ends_in_the_old_configuration() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let alpha = web.read("/etc/alpha.conf")?;
    kill_midway(&cluster, 20, "60")?;
    web.power_off()?;
    web.power_on()?;
    web.wait_until(
        Duration::from_secs(60),
        "grep -qx rolled-back /var/lib/deployctl/applies/*/phase",
    )?;
    assert_eq!(web.read("/etc/alpha.conf")?, alpha);
    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("rolled");
    Ok(())
}

#[test]
fn the_rescue_card_works_by_hand() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let before = state(web)?;
    kill_midway(&cluster, 5, "120")?;
    web.cut_link()?;
    let rescue = web.exec("sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(rescue.code, 5, "{rescue:?}");
    web.restore_link()?;
    assert_eq!(state(web)?, before);
    Ok(())
}

#[test]
fn two_controllers_at_once_and_one_is_told_who_was_first() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    redeclare_all(&cluster)?;
    cluster.redeclare("web", |facts| {
        let slow = demo::service("beta").replace("echo start", "sleep 5; echo start");
        demo::set_file(facts, "/etc/systemd/system/beta.service", &slow);
    })?;
    let mut first = cluster.command(&["apply", "web", "--yes"]).spawn()?;
    web.wait_until(Duration::from_secs(20), "grep -q blue /etc/alpha.conf")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("root@");
    assert_eq!(first.wait()?.code(), Some(0));
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = blue\n");
    Ok(())
}

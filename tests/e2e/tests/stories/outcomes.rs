//! What is said of a host is so: whatever is lost on the way, what is open, and what no person can get into.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::User;
use serde_json::json;

use crate::cluster::Cluster;
use crate::demo;
use crate::everyday::deployed;

/// Declares a service that does `start` when it starts, and `stop` when it stops.
fn service(cluster: &Cluster, name: &str, start: &str, stop: &str) -> Result<()> {
    cluster.redeclare("web", |facts| {
        let unit = format!("{name}.service");
        let text = format!(
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c '{start}'\nExecStop=/bin/sh -c '{stop}'\n"
        );
        demo::set_file(facts, &format!("/etc/systemd/system/{unit}"), &text);
        facts["extra"]["units"][unit] =
            json!({ "enabled": null, "running": true, "restart_on": [] });
    })
}

fn withdraw(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.redeclare("web", |facts| {
        let unit = format!("{name}.service");
        let path = format!("/etc/systemd/system/{unit}");
        let files = facts["extra"]["files"].as_array_mut().expect("files");
        files.retain(|file| file["path"] != path.as_str());
        let units = facts["extra"]["units"].as_object_mut().expect("units");
        units.remove(&unit);
    })
}

const NO_SUDO: &str =
    "echo \"operator ALL=(ALL) !ALL\" >/etc/sudoers.d/zz-x; chmod 0440 /etc/sudoers.d/zz-x";

#[test]
fn the_right_to_become_root_goes_in_the_window_and_comes_back() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    service(&cluster, "away", NO_SUDO, "rm -f /etc/sudoers.d/zz-x")?;
    // A shell of root from before asks for the rollback at once, and the host keeps why.
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("rolled back: gate `connection/")
        .says("cannot become root")
        .says("put back and verified, and a new login became root");
    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("rolled-back")
        .says("because gate `connection/");
    assert!(!web.exists("/etc/sudoers.d/zz-x")?);
    // If that shell ends as well, the controller waits for the dead-man timer, and reports what that did.
    let both = format!("{NO_SUDO}; (sleep 1; pkill -KILL -x sudo) &");
    service(&cluster, "away", &both, "rm -f /etc/sudoers.d/zz-x")?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "15"])?
        .expect(5)
        .says("nobody confirmed in time")
        .says("a new login became root");
    // Before anything is started it is a refusal, and nothing was touched.
    web.ok(NO_SUDO)?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("cannot become root");
    Ok(())
}

/// Starts an apply whose gate never passes and is asked again and again, and returns once the host waits for it.
fn stuck(cluster: &Cluster, colour: &str, seconds: &str) -> Result<Child> {
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", &format!("colour = {colour}\n"));
        facts["extra"]["checks"] = json!({ "never": {
            "command": "echo no", "status": 0, "contains": ["never"], "deadline_seconds": 5, "retries": 9, "gate": true,
        }});
    })?;
    let apply = cluster
        .command(&["apply", "web", "--yes", "--timeout", seconds])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    cluster.machine("web").wait_until(
        Duration::from_secs(20),
        "grep -qx activated /var/lib/deployctl/applies/*/phase",
    )?;
    Ok(apply)
}

/// Leaves such an apply open: the controller is killed.
fn leave_open(cluster: &Cluster, colour: &str) -> Result<()> {
    let mut apply = stuck(cluster, colour, "60")?;
    apply.kill()?;
    apply.wait()?;
    cluster.redeclare("web", |facts| {
        facts["extra"]["checks"] = json!({});
    })
}

#[test]
fn what_a_killed_controller_left_open_is_told_and_taken_over() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    leave_open(&cluster, "blue")?;
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = blue\n");
    for (command, code) in [("plan", 9), ("apply", 9), ("diff", 0), ("verify", 4)] {
        let arguments: &[&str] = match command {
            "apply" => &["apply", "web", "--yes"],
            _ => &[command, "web"],
        };
        cluster
            .deployctl(arguments)?
            .expect(code)
            .says("is still open, in phase `activated`");
    }
    // The same facts: never "nothing to change" over what rolls back by itself.
    cluster
        .deployctl(&["apply", "web", "--yes", "--steal"])?
        .expect(0)
        .says("committed as generation 2");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = blue\n");
    // Other facts: planned against what is there after the steal.
    leave_open(&cluster, "green")?;
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = black\n");
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--steal"])?
        .expect(0)
        .says("committed as generation 3");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = black\n");
    // An earlier generation, over an apply that is open.
    leave_open(&cluster, "white")?;
    cluster
        .deployctl(&["rollback", "web", "--to", "1", "--yes", "--steal"])?
        .expect(0)
        .says("committed as generation 4");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    Ok(())
}

/// How an apply ends that is not heard of again is the host's own affair, and that is what is said.
#[test]
fn what_is_not_understood_is_open_and_ends_by_itself() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    // The host's program answers nobody but the host itself.
    web.write(
        "/run/babble",
        "case $1 in recover) exec sh /run/kept \"$@\" ;; esac\necho good morning\n",
    )?;
    service(
        &cluster,
        "babble",
        "mv /var/lib/deployctl/host.sh /run/kept; cp /run/babble /var/lib/deployctl/host.sh",
        "mv /run/kept /var/lib/deployctl/host.sh",
    )?;
    let told = cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "10"])?
        .expect(10)
        .says("good morning");
    is_open(&told.stdout);
    web.wait_until(
        Duration::from_secs(60),
        "! test -e /var/lib/deployctl/lease",
    )?;
    put_itself_back(&cluster)
}

#[test]
#[ignore = "the controller waits for minutes"]
fn what_is_not_heard_is_open_and_ends_by_itself() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    let apply = stuck(&cluster, "blue", "10")?;
    web.cut_link()?;
    let ended = apply.wait_with_output()?;
    let told = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(10), "{told}");
    is_open(&told);
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    web.restore_link()?;
    put_itself_back(&cluster)
}

/// Nothing is said of how it ended, but where to ask.
fn is_open(told: &str) {
    assert!(told.contains("deployctl status"), "{told}");
    for untrue in ["nothing was touched", "put back", "committed as"] {
        assert!(!told.contains(untrue), "{told}");
    }
}

/// The host says so as soon as it is heard.
fn put_itself_back(cluster: &Cluster) -> Result<()> {
    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("rolled-back")
        .says("nobody confirmed in time");
    Ok(())
}

#[test]
fn a_rollback_that_failed_is_abandoned_and_one_without_a_way_in_is_no_success() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    // Somebody writes over a file whatever we do, and the service that brings it fails.
    let scribble = "systemd-run -q --unit=scribble sh -c \"while :; do echo x >/etc/beta.conf; sleep 0.05; done\"; sleep 1; exit 1";
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/beta.conf", "size = 2\n");
    })?;
    service(&cluster, "scribbler", scribble, "true")?;
    cluster
        .deployctl(&["rollback", "web", "--abandon", "--yes"])?
        .expect(9)
        .says("none to abandon");
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(6)
        .says("/etc/beta.conf")
        .says("rollback web --abandon");
    withdraw(&cluster, "scribbler")?;
    web.ok("systemctl stop scribble")?;
    cluster.deployctl(&["status", "web"])?.expect(6);
    cluster
        .deployctl(&["apply", "web", "--yes", "--steal"])?
        .expect(9)
        .says("rollback web --abandon");
    cluster
        .deployctl(&["rollback", "web", "--abandon", "--yes"])?
        .expect(0)
        .says("taken as it is, at generation 1");
    cluster.deployctl(&["status", "web"])?.expect(0);
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.read("/etc/beta.conf")?, "size = 2\n");

    // sshd lets nobody in without this directory: it is made again over the connection that is open.
    service(&cluster, "cutoff", "rm -rf /run/sshd; exit 1", "true")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(5)
        .says("a new login became root");
    assert!(web.ssh(User::Operator, "true")?.success());
    // What cannot be mended is a person's: files and units are back, and nobody gets in.
    service(
        &cluster,
        "cutoff",
        "echo closed >/etc/nologin; exit 1",
        "true",
    )?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(6)
        .says("no new login becomes root")
        .says("do this now:");
    assert_eq!(web.read("/etc/beta.conf")?, "size = 2\n");
    Ok(())
}

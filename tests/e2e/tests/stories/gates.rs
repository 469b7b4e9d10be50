//! What decides whether an apply stays: checks of the host itself, built in or declared.

use anyhow::Result;
use deployctl_e2e::MachineSpec;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::demo;
use crate::everyday::deployed;

/// A check of one's own that decides confirm.
fn gate(command: &str, contains: &str, retries: u8) -> Value {
    json!({
        "command": command,
        "status": 0,
        "contains": [contains],
        "deadline_seconds": 5,
        "retries": retries,
        "gate": true,
    })
}

/// How a check ended in the report of `run`.
fn status(run: &Run, check: &str) -> Option<String> {
    let report = run.json();
    let checks = report["hosts"][0]["checks"].as_array()?;
    let found = checks.iter().find(|entry| entry["check"] == check)?;
    found["status"]["status"].as_str().map(str::to_owned)
}

#[test]
fn a_declared_gate_that_fails_rolls_back_and_says_which() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = blue\n");
        let command = "cut -d ' ' -f 3 /etc/alpha.conf; echo looked >>/run/looked";
        facts["extra"]["checks"] = json!({ "colour": gate(command, "green", 1) });
    })?;
    let run = cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20", "--json"])?
        .expect(5);
    assert_eq!(
        status(&run, "extra/check/colour").as_deref(),
        Some("fail"),
        "{run:?}"
    );
    assert!(
        web.read("/run/looked")?.lines().count() >= 2,
        "it was asked again"
    );
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    assert_eq!(web.ok("cat /var/lib/deployctl/generation")?.trim(), "1");
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("extra/check/colour")
        .says("`green` is not in its answer");

    // What decides confirm also decides `verify`, before and after.
    let run = cluster.deployctl(&["verify", "web", "--json"])?.expect(4);
    assert_eq!(
        status(&run, "extra/check/colour").as_deref(),
        Some("fail"),
        "{run:?}"
    );
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = green\n");
    })?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    let run = cluster.deployctl(&["verify", "web", "--json"])?;
    assert_eq!(
        status(&run, "extra/check/colour").as_deref(),
        Some("pass"),
        "{run:?}"
    );
    Ok(())
}

#[test]
fn a_setting_that_does_not_stay_closes_a_gate_of_its_own() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    cluster.redeclare("web", |facts| {
        facts["network"] = demo::network("3456");
        // Somebody else's service that knows better.
        demo::set_file(
            facts,
            "/etc/systemd/system/stubborn.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=/usr/sbin/sysctl -w net.core.somaxconn=77\n",
        );
        facts["extra"]["units"]["stubborn.service"] =
            json!({ "enabled": null, "running": true, "restart_on": [] });
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("network/sysctl/net.core.somaxconn");
    assert_eq!(web.ok("sysctl -n net.core.somaxconn")?, "2345\n");
    assert!(!web.exists("/etc/systemd/system/stubborn.service")?);
    Ok(())
}

#[test]
fn a_gate_that_passes_at_the_third_attempt_confirms() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        let command = "echo tried >>/run/tried\nwc -l </run/tried";
        facts["extra"]["checks"] = json!({ "third": {
            "command": command,
            "status": 0,
            "number": { "at_least": 3, "unit": "attempts" },
            "deadline_seconds": 5,
            "retries": 4,
            "gate": true,
        }});
    })?;
    cluster.adopt_all()?;
    let run = cluster
        .deployctl(&["apply", "web", "--yes", "--json"])?
        .expect(0);
    assert_eq!(
        status(&run, "extra/check/third").as_deref(),
        Some("pass"),
        "{run:?}"
    );
    let web = cluster.machine("web");
    // Once more over the connection that it is confirmed over.
    assert_eq!(web.read("/run/tried")?.lines().count(), 4);
    assert_eq!(web.ok("cat /var/lib/deployctl/generation")?.trim(), "1");
    Ok(())
}

#[test]
fn what_a_gate_asks_by_has_to_be_there() -> Result<()> {
    let cluster = deployed()?;
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = blue\n");
        facts["extra"]["checks"] = json!({ "absent": gate("no-such-program", "yes", 0) });
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("extra/check/absent")
        .says("not installed");
    let web = cluster.machine("web");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    Ok(())
}

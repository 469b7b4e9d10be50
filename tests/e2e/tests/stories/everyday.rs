//! What an operator does every day: adopt, plan, apply, apply again, look, change one thing.

use anyhow::Result;
use deployctl_e2e::MachineSpec;
use serde_json::json;

use crate::cluster::Cluster;
use crate::demo;

/// A machine `web` that holds the demo and has been applied once.
pub(crate) fn deployed() -> Result<Cluster> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        facts["network"] = demo::network("2345");
    })?;
    cluster.adopt_all()?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(cluster)
}

fn starts(cluster: &Cluster, service: &str) -> Result<usize> {
    let log = cluster
        .machine("web")
        .ok(&format!("cat /run/{service}.starts"))?;
    Ok(log.lines().count())
}

#[test]
fn first_apply_and_then_nothing_to_do() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        facts["network"] = demo::network("2345");
    })?;
    let web = cluster.machine("web");
    let before = web.ok("sysctl -n net.core.somaxconn")?;
    assert_ne!(before.trim(), "2345");

    cluster.adopt_all()?;
    let identity = std::fs::read_to_string(cluster.path("hosts/web/identity.json"))?;
    assert!(identity.contains("ssh-ed25519"), "{identity}");
    assert!(
        !identity.contains(web.read("/etc/machine-id")?.trim()),
        "the machine id is confidential"
    );

    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("/etc/alpha.conf")
        .says("net.core.somaxconn");
    assert!(!web.exists("/etc/alpha.conf")?, "a plan changes nothing");

    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 1");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    assert_eq!(web.ok("sysctl -n net.core.somaxconn")?, "2345\n");
    assert_eq!(
        web.ok("systemctl is-active alpha beta")?,
        "active\nactive\n"
    );
    assert_eq!(web.ok("stat -c '%a %U' /var/lib/deployctl")?, "700 root\n");
    assert_eq!(
        web.ok("systemctl list-units --all --no-legend 'deployctl-deadman*' | wc -l")?,
        "0\n",
        "the dead-man timer is disarmed"
    );

    // Nothing to do: exit code 0, no service touched, no file written.
    let stamp = "stat -c '%i %Y %Z' /etc/alpha.conf /etc/systemd/system/alpha.service /var/lib/deployctl/generation";
    let stamps = web.ok(stamp)?;
    let run = cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert!(run.stdout.contains("nothing to change"), "{run:?}");
    assert_eq!(web.ok(stamp)?, stamps);
    assert_eq!(starts(&cluster, "alpha")?, 1);
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);

    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("generation 1");
    cluster.deployctl(&["history", "web"])?.expect(0).says("1");
    cluster
        .deployctl(&["verify", "web"])?
        .says("net.core.somaxconn");
    Ok(())
}

#[test]
fn a_byte_edited_by_hand_is_found_and_shown_as_drift() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    web.ok("sed -i s/red/rod/ /etc/alpha.conf; sysctl -qw net.core.somaxconn=99")?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("changed on the host since generation 1")
        .says("/etc/alpha.conf")
        .says("colour = rod");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    assert_eq!(web.ok("sysctl -n net.core.somaxconn")?, "2345\n");
    Ok(())
}

#[test]
fn one_changed_value_restarts_only_its_unit() -> Result<()> {
    let cluster = deployed()?;
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/beta.conf", "size = 2\n");
    })?;
    let plan = cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("beta.service");
    assert!(!plan.stdout.contains("alpha"), "{}", plan.stdout);
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(
        (starts(&cluster, "alpha")?, starts(&cluster, "beta")?),
        (1, 2)
    );
    Ok(())
}

#[test]
fn a_removed_concern_brings_back_what_was_there_before() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let web = cluster.machine("web");
    web.write("/etc/alpha.conf", "colour = mine\n")?;
    web.ok("chmod 0600 /etc/alpha.conf; chown operator /etc/alpha.conf")?;
    let somaxconn = web.ok("sysctl -n net.core.somaxconn")?;
    cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        facts["network"] = demo::network("2345");
    })?;
    cluster.adopt_all()?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.ok("stat -c '%a %U' /etc/alpha.conf")?, "644 root\n");

    cluster.redeclare("web", |facts| {
        let facts = facts.as_object_mut().expect("facts are a map");
        facts.remove("extra");
        facts.remove("network");
    })?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = mine\n");
    assert_eq!(web.ok("stat -c '%a %U' /etc/alpha.conf")?, "600 operator\n");
    assert!(!web.exists("/etc/beta.conf")?);
    assert!(!web.exists("/etc/systemd/system/beta.service")?);
    assert_eq!(web.ok("sysctl -n net.core.somaxconn")?, somaxconn);
    assert_ne!(
        web.exec("systemctl is-active beta")?.stdout.trim(),
        "active"
    );
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    Ok(())
}

#[test]
fn two_hosts_at_once_of_which_one_is_down() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web"), MachineSpec::new("gone")])?;
    for host in ["web", "gone"] {
        cluster.redeclare(host, |facts| facts["extra"] = demo::extra())?;
    }
    cluster.adopt_all()?;
    cluster.machine("gone").cut_link()?;
    let run = cluster.deployctl(&["apply", "--yes", "--json"])?.expect(8);
    let report = run.json();
    let outcome = |name: &str| {
        report["hosts"]
            .as_array()
            .expect("hosts are a list")
            .iter()
            .find(|host| host["host"] == name)
            .map(|host| host["outcome"]["outcome"].clone())
    };
    assert_eq!(outcome("web"), Some(json!("committed")), "{}", run.stdout);
    assert_eq!(
        outcome("gone"),
        Some(json!("unreachable")),
        "{}",
        run.stdout
    );
    assert_eq!(
        cluster.machine("web").read("/etc/alpha.conf")?,
        "colour = red\n"
    );
    Ok(())
}

#[test]
fn back_to_an_earlier_generation() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = blue\n");
        facts["network"] = demo::network("3456");
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 2");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = blue\n");
    cluster
        .deployctl(&["rollback", "web", "--to", "1", "--yes"])?
        .expect(0)
        .says("generation 3");
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    assert_eq!(web.ok("sysctl -n net.core.somaxconn")?, "2345\n");
    Ok(())
}

#[test]
fn a_saved_plan_is_applied_as_shown_or_not_at_all() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    cluster.redeclare("web", |facts| facts["extra"] = demo::extra())?;
    cluster.adopt_all()?;
    let web = cluster.machine("web");
    cluster
        .deployctl(&["plan", "web", "--out", "plan.json"])?
        .expect(0);
    web.write("/etc/alpha.conf", "somebody was here\n")?;
    cluster
        .deployctl(&["apply", "--plan", "plan.json", "--yes"])?
        .expect(9)
        .says("stale");
    assert_eq!(web.read("/etc/alpha.conf")?, "somebody was here\n");
    cluster
        .deployctl(&["plan", "web", "--out", "plan.json"])?
        .expect(0);
    cluster
        .deployctl(&["apply", "--plan", "plan.json", "--yes"])?
        .expect(0);
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    Ok(())
}

#[test]
fn the_concerns_of_a_real_host_come_into_effect() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let declared: serde_json::Value =
        serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    let linode = &declared["hosts"]["linode"];
    cluster.redeclare("web", |facts| {
        for concern in ["system", "ssh", "time", "firewall", "storage"] {
            facts[concern] = linode[concern].clone();
        }
        facts["system"]["hostname"] = json!("web");
        facts["network"] = demo::network("2345");
        facts["storage"]["min_free_gib"] = json!({ "/": 1 });
        facts["extra"] = demo::extra();
    })?;
    cluster.adopt_all()?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 1");
    let web = cluster.machine("web");
    let sshd = web.ok("sshd -T")?;
    for setting in [
        "passwordauthentication no",
        "allowusers operator",
        "allowusers root",
    ] {
        assert!(sshd.contains(setting), "{setting}\n{sshd}");
    }
    let table = web.ok("nft list table inet deployctl")?;
    assert!(table.contains("policy drop"), "{table}");
    assert_eq!(
        web.ok("readlink /etc/localtime")?.trim(),
        "/usr/share/zoneinfo/Australia/Sydney"
    );
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("nothing to change");

    // Verification looks at what is in effect, so it sees what no file tells.
    let failed = |run: &crate::cluster::Run, check: &str| {
        let report = run.json();
        let checks = report["hosts"][0]["checks"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found = checks.iter().find(|entry| entry["check"] == check).cloned();
        found.map(|entry| entry["status"]["status"].clone())
    };
    let before = cluster.deployctl(&["verify", "web", "--json"])?;
    assert_eq!(
        failed(&before, "ssh/listening"),
        Some(json!("pass")),
        "{}",
        before.stdout
    );
    web.ok("nft delete table inet deployctl; sysctl -qw net.core.somaxconn=77")?;
    let after = cluster.deployctl(&["verify", "web", "--json"])?.expect(4);
    assert_eq!(
        failed(&after, "network/sysctl/net.core.somaxconn"),
        Some(json!("fail")),
        "{}",
        after.stdout
    );
    Ok(())
}

#[test]
fn a_host_behind_another_is_reached_through_it() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("gate"), MachineSpec::new("web")])?;
    cluster.adopt_all()?;
    let (gate, web) = (cluster.machine("gate"), cluster.machine("web"));
    web.ok(&format!(
        "nft add table inet far
         nft 'add chain inet far in {{ type filter hook input priority 0; }}'
         nft add rule inet far in tcp dport 22 ip saddr != {} drop",
        gate.address()
    ))?;
    cluster.redeclare("web", |facts| facts["extra"] = demo::extra())?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(8)
        .says("unreachable");

    cluster.redeclare("web", |facts| facts["connection"]["jump"] = json!("gate"))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.read("/etc/alpha.conf")?, "colour = red\n");
    Ok(())
}

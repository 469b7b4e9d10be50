//! The first apply of an untouched machine with the concerns of a real host, on the oldest systemd that is supported and
//! on a new one: whatever ends it, the host is as it was, and the next one goes through.

use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::demo;

/// What stands below /etc, but for accounts, which stay, and the unit that recovers at boot.
const TREE: &str = "find /etc -xdev ! -type d ! -name 'passwd*' ! -name 'group*' ! -name 'shadow*' ! -name 'gshadow*' ! -name 'sub?id*' ! -name .pwd.lock ! -name deployctl-recover.service -printf '%p %m %U %G %l\\n' | LC_ALL=C sort; find /etc -xdev -type f ! -name '*shadow*' ! -name 'passwd*' ! -name 'group*' ! -name 'sub?id*' ! -name deployctl-recover.service -exec sha256sum {} + | LC_ALL=C sort";

#[test]
fn a_first_apply_on_debian_11() -> Result<()> {
    story(Base::Debian11, "11")
}

#[test]
fn a_first_apply_on_debian_13() -> Result<()> {
    story(Base::Debian13, "13")
}

fn story(base: Base, version: &str) -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web").base(base)])?;
    let web = cluster.machine("web");
    web.ok("chmod 0600 /etc/hostname; test ! -e /etc/ssh/authorized_keys.d")?;
    let declared: Value = serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    cluster.redeclare("web", |facts| {
        for concern in ["system", "ssh", "firewall"] {
            facts[concern] = declared["hosts"]["linode"][concern].clone();
        }
        facts["os"]["version"] = json!(version);
        facts["system"]["hostname"] = json!("web");
        facts["network"] = demo::network("2345");
        facts["extra"] = demo::extra();
        facts["extra"]["checks"] = json!({ "never": {
            "command": "false",
            "status": 0,
            "contains": ["x"],
            "deadline_seconds": 5,
            "retries": 0,
            "gate": true,
        } });
    })?;
    cluster.adopt_all()?;
    let nft = Deb::new("nftables", "99").file(
        "/usr/sbin/nft",
        "#!/bin/sh\nexec /usr/local/lib/nft \"$@\"\n",
    );
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[nft])?;
    web.use_apt_repo(&archive)?;
    // The firewall's own program comes with the first apply; what it did goes without it.
    let without_nft = "dpkg --purge nftables 2>/dev/null; test ! -e /usr/sbin/nft";
    web.ok(&format!(
        "cp /usr/sbin/nft /usr/local/lib/nft; {without_nft}"
    ))?;
    let no_table = "/usr/local/lib/nft list table inet deployctl 2>/dev/null && exit 1";
    let before = web.ok(TREE)?;

    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("extra/check/never");
    untouched(web, &before)?;
    web.ok(&format!(
        "test -e /usr/sbin/nft || exit 1; {no_table}; {without_nft}"
    ))?;

    // The controller is killed: wherever the apply was, nobody confirms it.
    let mut run = cluster
        .command(&["apply", "web", "--yes", "--timeout", "10"])
        .spawn()?;
    web.wait_until(
        Duration::from_secs(40),
        "grep -qx -e activating -e activated /var/lib/deployctl/applies/*/phase",
    )?;
    run.kill()?;
    run.wait()?;
    web.wait_until(
        Duration::from_secs(60),
        "! test -e /var/lib/deployctl/lease",
    )?;
    cluster
        .deployctl(&["status", "web"])?
        .expect(0)
        .says("rolled-back");
    untouched(web, &before)?;
    web.ok(&format!("{no_table}; {without_nft}"))?;

    cluster.redeclare("web", |facts| {
        facts["extra"]["checks"] = json!({});
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 1");
    web.ok("nft list table inet deployctl")?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    a_later_concern(&cluster, web, &declared["hosts"]["linode"]["time"])
}

/// A concern that comes to a committed host, and fails at first.
fn a_later_concern(cluster: &Cluster, web: &Machine, time: &Value) -> Result<()> {
    let before = web.ok(TREE)?;
    cluster.redeclare("web", |facts| {
        facts["time"] = time.clone();
        facts["extra"]["checks"] = json!({ "never": {
            "command": "false", "status": 0, "contains": ["x"], "deadline_seconds": 5, "retries": 0, "gate": true,
        } });
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("extra/check/never");
    untouched(web, &before)?;
    cluster.redeclare("web", |facts| {
        facts["extra"]["checks"] = json!({});
    })?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 2");
    Ok(())
}

fn untouched(web: &Machine, before: &str) -> Result<()> {
    let after = web.ok(TREE)?;
    let lines = |a: &str, b: &str| -> Vec<String> {
        let others: Vec<&str> = b.lines().collect();
        a.lines()
            .filter(|line| !others.contains(line))
            .map(ToOwned::to_owned)
            .collect()
    };
    assert!(
        before == after,
        "gone: {:#?}\nnew: {:#?}",
        lines(before, &after),
        lines(&after, before)
    );
    Ok(())
}

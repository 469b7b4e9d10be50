//! The strangers' concerns on a stand-in for `NixOS`. What their modules set on this host is what Nix builds, copies and
//! switches to; that the options mean this to a real nixpkgs, no stand-in can show.

use anyhow::Result;
use deployctl_e2e::Machine;
use serde_json::json;

use crate::closures::{Systems, systems};
use crate::cluster::{Cluster, Run};
use crate::strangers::{ASK, TREE};

/// Which checks the story is about: a stand-in has little else of a host of `NixOS`.
const OURS: &[&str] = &[
    "verify", "web", "--only", "site", "--only", "agent", "--only", "chore",
];

/// Declares the three concerns on a host of `NixOS`, changes them by deployctl and by hand, and removes them.
pub(crate) fn come_and_go(cluster: &Cluster) -> Result<()> {
    let web = cluster.machine("web");
    cluster.bring_strangers()?;
    let bare = json!({ "version": "26.05.3", "from_modules": true });
    cluster.declare_system("web", &bare)?;
    apply(cluster)?.expect(0);
    let (before, tree) = (systems(web)?, web.ok(TREE)?);

    declare(cluster, "good morning")?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("site.service")
        .says("chore.timer");
    apply(cluster)?.expect(0);
    assert_eq!(web.ok(ASK)?, "says=good morning\n");
    web.ok("systemctl is-active chore.timer; grep -qx 1 /proc/sys/net/ipv4/ip_forward")?;
    web.ok("! systemctl is-active -q chore.service")?;
    cluster.deployctl(OURS)?.expect(0);

    a_gate_fails(cluster, web)?;
    by_hand(cluster, web, &before)?;

    cluster.redeclare("web", |facts| {
        for concern in ["site", "agent", "chore"] {
            facts.as_object_mut().map(|it| it.remove(concern));
        }
    })?;
    cluster.commit("without the strangers")?;
    apply(cluster)?.expect(0);
    assert_eq!(systems(web)?, before);
    assert_eq!(web.ok(TREE)?, tree);
    web.ok("! systemctl is-active -q chore.timer site.service")?;
    // As on a real one: no file says it any more, and a boot forgets it.
    web.ok("grep -qx 1 /proc/sys/net/ipv4/ip_forward")?;
    Ok(())
}

/// Declares the concerns, whose site says `sentence`.
fn declare(cluster: &Cluster, sentence: &str) -> Result<()> {
    cluster.redeclare("web", |facts| {
        facts["site"] = json!({ "port": 8080, "sentence": sentence });
        facts["agent"] = json!({ "network": "10.9.0.0/24", "credential": "agent" });
        facts["chore"] = json!({ "command": "/usr/bin/true", "at": "03:30" });
    })?;
    cluster.commit(sentence)
}

fn apply(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&["apply", "web", "--yes", "--timeout", "30"])
}

/// The server has no room for the sentence: its own check says so, and the host runs its former system again.
fn a_gate_fails(cluster: &Cluster, web: &Machine) -> Result<()> {
    let whole = systems(web)?;
    declare(cluster, "a sentence that is far too long")?;
    apply(cluster)?.expect(5).says("site/answer");
    assert_eq!(systems(web)?, whole);
    assert_eq!(web.ok(ASK)?, "says=good morning\n");

    let started = "systemctl show -P ActiveEnterTimestampMonotonic site.service";
    let since = web.ok(started)?;
    declare(cluster, "good evening")?;
    apply(cluster)?.expect(0);
    assert_eq!(web.ok(ASK)?, "says=good evening\n");
    assert_eq!(web.ok(started)?, since, "it was to be reloaded");
    Ok(())
}

/// What a person changed in files is a failure to verify, and another system that runs is drift to a plan.
fn by_hand(cluster: &Cluster, web: &Machine, former: &Systems) -> Result<()> {
    let whole = systems(web)?;
    web.ok(
        "sed -i s/evening/night/ /etc/site.conf; systemctl reload site.service; chmod 0644 /etc/agent.conf",
    )?;
    cluster
        .deployctl(OURS)?
        .expect(4)
        .says("it says `good night`")
        .says("agent/key");

    web.ok(&format!(
        "{}/bin/switch-to-configuration test",
        former.current
    ))?;
    web.ok("! systemctl is-active -q chore.timer site.service")?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("changed on the host since generation");
    apply(cluster)?.expect(0);
    assert_eq!(systems(web)?, whole);
    assert_eq!(web.ok(ASK)?, "says=good evening\n");
    cluster.deployctl(OURS)?.expect(0);
    Ok(())
}

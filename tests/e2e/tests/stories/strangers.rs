//! Concerns that nobody here ships, by folders of data alone: a web server with a gate on its port, an agent with a
//! secret's name and a kernel setting, a timer; and a folder that replaces one of the program's.

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::json;

use crate::cluster::Cluster;

/// What stands below /etc, but for accounts and the unit that recovers at boot.
pub(crate) const TREE: &str = "find /etc /opt -xdev ! -type d ! -name 'passwd*' ! -name 'group*' ! -name '*shadow*' ! -name 'sub?id*' ! -name .pwd.lock ! -name deployctl-recover.service -printf '%p %m %U %G %l\\n' | LC_ALL=C sort";

/// What the site says.
pub(crate) const ASK: &str =
    "perl -MIO::Socket::INET -e 'print readline(IO::Socket::INET->new(\"127.0.0.1:8080\"))'";

#[test]
fn a_stranger_has_plan_apply_gates_rollback_and_verify_by_a_folder() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let web = cluster.machine("web");
    cluster.bring_strangers()?;
    cluster.adopt_all()?;
    cluster.deployctl(&["concern", "test"])?.expect(0);
    let before = web.ok(TREE)?;
    let forward = web.ok("cat /proc/sys/net/ipv4/ip_forward")?;

    cluster.redeclare("web", |facts| {
        facts["site"] = json!({ "port": 8080, "sentence": "good morning" });
        facts["agent"] = json!({ "network": "10.9.0.0/24", "credential": "agent" });
        facts["chore"] = json!({ "command": "/usr/bin/true", "at": "03:30" });
        facts["time"] = json!({ "source": "time.example" });
    })?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("/opt/site/server")
        .says("net.ipv4.ip_forward");
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 1");
    assert_eq!(web.ok(ASK)?, "says=good morning\n");
    web.ok("systemctl is-active chore.timer; grep -qx 1 /proc/sys/net/ipv4/ip_forward")?;
    web.ok("grep -qx 'source time.example' /etc/own-time.conf; ! grep -rqs deployctl /etc/chrony")?;
    cluster.deployctl(&["verify", "web"])?.expect(0);

    a_gate_fails(&cluster, web)?;
    by_hand(&cluster, web)?;

    cluster.redeclare("web", |facts| {
        for concern in ["site", "agent", "chore", "time"] {
            facts.as_object_mut().map(|it| it.remove(concern));
        }
    })?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.ok(TREE)?, before);
    assert_eq!(web.ok("cat /proc/sys/net/ipv4/ip_forward")?, forward);
    web.ok("! systemctl is-active -q chore.timer site.service")?;
    Ok(())
}

/// The server has no room for the sentence: its own check says so, and it is put back.
fn a_gate_fails(cluster: &Cluster, web: &Machine) -> Result<()> {
    let sentence = |text: &str| {
        let text = text.to_owned();
        cluster.redeclare("web", move |facts| facts["site"]["sentence"] = json!(text))
    };
    sentence("a sentence that is far too long")?;
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "30"])?
        .expect(5)
        .says("site/answer");
    assert_eq!(web.ok(ASK)?, "says=good morning\n");
    sentence("good evening")?;
    let started = "systemctl show -P ActiveEnterTimestampMonotonic site.service";
    let since = web.ok(started)?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(web.ok(ASK)?, "says=good evening\n");
    assert_eq!(web.ok(started)?, since, "it was to be reloaded");
    Ok(())
}

/// What a person changed is drift to a plan, and a failure to verify.
fn by_hand(cluster: &Cluster, web: &Machine) -> Result<()> {
    web.ok("sed -i s/evening/night/ /etc/site.conf; systemctl reload site.service; chmod 0644 /etc/agent.conf")?;
    cluster
        .deployctl(&["verify", "web"])?
        .expect(4)
        .says("it says `good night`")
        .says("agent/key");
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("/etc/site.conf")
        .says("/etc/agent.conf");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    cluster.deployctl(&["verify", "web"])?.expect(0);
    Ok(())
}

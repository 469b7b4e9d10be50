//! What is in effect, now and at the next boot: the sshd that runs, and files of others that have the last word.

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::demo;

/// A machine `web` whose sshd is declared, applied once.
fn with_sshd() -> Result<Cluster> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let declared: Value = serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    cluster.redeclare("web", |facts| {
        facts["system"] = declared["hosts"]["linode"]["system"].clone();
        facts["system"]["hostname"] = json!("web");
        facts["ssh"] = json!({
            "port": 22,
            "permit_root_login": "prohibit-password",
            "allow_users": ["operator", "root"],
            "max_auth_tries": 5,
            "login_grace_seconds": 30,
            "client_alive_interval_seconds": 60,
        });
        facts["extra"] = demo::extra();
        facts["network"] = demo::network("2345");
    })?;
    cluster.adopt_all()?;
    apply(&cluster)?.expect(0);
    Ok(cluster)
}

fn apply(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&["apply", "web", "--yes", "--timeout", "20"])
}

fn verify(cluster: &Cluster, only: &str) -> Result<Run> {
    cluster.deployctl(&["verify", "web", "--only", only])
}

/// When the running sshd was started or reloaded last.
fn loaded(web: &Machine) -> Result<String> {
    web.ok("systemctl show -p StateChangeTimestampMonotonic --value ssh.service")
}

#[test]
fn what_runs_and_what_boots_is_as_declared_or_told() -> Result<()> {
    let cluster = with_sshd()?;
    let web = cluster.machine("web");

    // A file that no unit watches is loaded within the window.
    let before = loaded(web)?;
    cluster.redeclare("web", |facts| {
        demo::set_file(
            facts,
            "/etc/ssh/sshd_config.d/10-m.conf",
            "PrintLastLog no\n",
        );
    })?;
    apply(&cluster)?.expect(0);
    assert_ne!(loaded(web)?, before, "sshd was not reloaded");
    verify(&cluster, "ssh/*")?.expect(0);

    // The running daemon has loaded what no file says any more.
    web.ok(
        "cd /etc/ssh/sshd_config.d && cp -p 00-deployctl.conf /run/kept
         sed -i 's/^MaxAuthTries.*/MaxAuthTries 9/' 00-deployctl.conf && systemctl reload ssh
         sleep 0.1; cp -p /run/kept 00-deployctl.conf",
    )?;
    verify(&cluster, "ssh/*")?.expect(4).says("ssh/loaded");
    cluster
        .deployctl(&["plan", "web"])?
        .says("after it was loaded");
    apply(&cluster)?.expect(0);
    verify(&cluster, "ssh/*")?.expect(0);

    // Nothing would answer after the next boot.
    web.ok("systemctl --quiet disable ssh.service")?;
    verify(&cluster, "ssh/boot")?.expect(4);
    apply(&cluster)?.expect(0);
    assert_eq!(web.ok("systemctl is-enabled ssh.service")?, "enabled\n");

    // Who says otherwise, by name and line.
    web.ok("echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-aaa.conf")?;
    verify(&cluster, "ssh/passwords")?
        .expect(4)
        .says("00-aaa.conf:1");
    web.ok("rm /etc/ssh/sshd_config.d/00-aaa.conf
         printf 'Match User operator\\nPasswordAuthentication yes\\n' >>/etc/ssh/sshd_config")?;
    verify(&cluster, "ssh/passwords")?
        .expect(4)
        .says("Match User operator");
    web.ok("sed -i '/^Match User/,$d' /etc/ssh/sshd_config; systemctl reload ssh")?;
    web.ok("mkdir -p /root/.ssh; ssh-keygen -q -t ed25519 -N '' -C bob -f /run/bob; cat /run/bob.pub >>/root/.ssh/authorized_keys")?;
    verify(&cluster, "ssh/other-keys/root")?
        .expect(4)
        .says("`bob` in /root/.ssh/authorized_keys");

    // What wins at the next boot is told before it.
    web.ok("echo net.core.somaxconn=77 >/etc/sysctl.d/99-x.conf")?;
    cluster
        .deployctl(&["plan", "web"])?
        .says("/etc/sysctl.d/99-x.conf:1");
    let check = "network/overruled/60-deployctl-network.conf";
    verify(&cluster, check)?.expect(4).says("99-x.conf:1");
    web.ok("sysctl -qp /etc/sysctl.d/99-x.conf")?;
    verify(&cluster, "network/sysctl/*")?
        .expect(4)
        .says("99-x.conf:1` sets that at boot");
    Ok(())
}

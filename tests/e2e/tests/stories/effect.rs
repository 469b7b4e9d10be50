//! What is in effect, now and at the next boot: the sshd that runs, files of others that have the last word, and
//! ways in that a plan would close.

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::demo;

/// A machine `web` whose sshd is declared, applied once.
pub(crate) fn with_sshd() -> Result<Cluster> {
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

pub(crate) fn apply(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&["apply", "web", "--yes", "--timeout", "20"])
}

pub(crate) fn verify(cluster: &Cluster, only: &str) -> Result<Run> {
    cluster.deployctl(&["verify", "web", "--only", only])
}

/// Applies one more file, which must be refused with `words`, and takes it out of the facts again.
fn refused(cluster: &Cluster, path: &str, content: &str, words: &str) -> Result<()> {
    let before = cluster.facts("web")?;
    cluster.redeclare("web", |facts| demo::set_file(facts, path, content))?;
    apply(cluster)?.expect(9).says(words);
    let web = cluster.machine("web");
    assert!(!web.exists(path)?, "{path} is there");
    web.ok("test ! -e /var/lib/deployctl/lease")?;
    cluster.declare("web", &before)
}

/// When the running sshd was started or reloaded last.
fn loaded(web: &Machine) -> Result<String> {
    web.ok("systemctl show -p StateChangeTimestampMonotonic --value ssh.service")
}

#[test]
fn nobody_is_locked_out_now_or_later() -> Result<()> {
    let cluster = with_sshd()?;
    let web = cluster.machine("web");

    // By a block about the operator; by one that only the host's own sshd can judge; by a file of others that
    // sshd has not loaded so far.
    let drop_in = "/etc/ssh/sshd_config.d/10-m.conf";
    let block = "Match User operator\nPubkeyAuthentication no\n";
    refused(
        &cluster,
        drop_in,
        block,
        "10-m.conf:2` (`Match User operator`)",
    )?;
    let block = "Match Host 10.231.0.*\nPubkeyAuthentication no\n";
    refused(&cluster, drop_in, block, "says `pubkeyauthentication no`")?;
    web.ok("echo 'DenyUsers oper*' >/etc/ssh/sshd_config.d/20-theirs.conf")?;
    refused(&cluster, drop_in, "X11Forwarding no\n", "20-theirs.conf:1")?;
    web.ok("rm /etc/ssh/sshd_config.d/20-theirs.conf")?;

    // Root, too, is kept: no rule, no terminal, no password.
    let sudoers = "/etc/sudoers.d/zz-x";
    let rule = "operator ALL=(ALL) !ALL\n";
    refused(
        &cluster,
        sudoers,
        rule,
        "no longer let `operator` become root",
    )?;
    let defaults = "Defaults requiretty\n";
    refused(&cluster, sudoers, defaults, "would want a terminal")?;
    let rule = "operator ALL=(ALL) ALL\n";
    refused(&cluster, sudoers, rule, "and none was given")?;
    web.ok("passwd -ql operator")?;
    refused(&cluster, sudoers, rule, "and the account has none")?;

    drop_ins_are_tried_at_once(&cluster, web)?;
    what_a_login_reads_is_put_back(&cluster, web)?;

    // An sshd that is not the unit's: to start the unit would end the last way in.
    web.ok("systemctl stop ssh.service; mkdir -p /run/sshd
         systemd-run --quiet --unit=mysshd /usr/sbin/sshd -D")?;
    refused(
        &cluster,
        "/etc/alpha.d",
        "unrelated\n",
        "in `mysshd.service`",
    )?;
    cluster.deployctl(&["status", "web"])?.expect(0);
    web.ok("systemctl stop mysshd; systemctl start ssh.service")?;
    Ok(())
}

/// What systemd reads for sshd's unit by another name of it would keep it from starting at the next boot: it is tried
/// within the window. What it reads for every service, it reads for the dead-man timer's, too: that is refused.
fn drop_ins_are_tried_at_once(cluster: &Cluster, web: &Machine) -> Result<()> {
    let before = cluster.facts("web")?;
    let content = "[Service]\nExecStartPre=/bin/false\n";
    let path = "/etc/systemd/system/sshd.service.d/x.conf";
    cluster.redeclare("web", |facts| demo::set_file(facts, path, content))?;
    cluster
        .deployctl(&["plan", "web"])?
        .says(&format!("`{path}` changed"));
    apply(cluster)?.expect(5).says("ssh.service");
    assert!(!web.exists(path)?, "{path} is there");
    assert_eq!(web.ok("systemctl is-active ssh.service")?, "active\n");
    cluster.declare("web", &before)?;
    refused(
        cluster,
        "/etc/systemd/system/service.d/x.conf",
        content,
        "the dead-man timer may not start",
    )?;
    cluster.declare("web", &before)?;
    cluster.deployctl(&["status", "web"])?.expect(0);
    Ok(())
}

/// Files that no daemon loads, and every login reads: the new connection is the first to fail.
fn what_a_login_reads_is_put_back(cluster: &Cluster, web: &Machine) -> Result<()> {
    let before = cluster.facts("web")?;
    let names = "passwd: db\ngroup: db\nshadow: db\n";
    for (path, content) in [
        ("/etc/nologin", "closed\n"),
        ("/etc/pam.d/sshd", "account required pam_deny.so\n"),
        ("/etc/security/access.conf", "-:operator:ALL\n"),
        ("/etc/nsswitch.conf", names),
    ] {
        let of_pam = path == "/etc/security/access.conf";
        if of_pam {
            web.ok("echo 'account required pam_access.so' >>/etc/pam.d/sshd")?;
        }
        let found = web.ok(&format!("cat {path} 2>&1 || :"))?;
        cluster.redeclare("web", |facts| demo::set_file(facts, path, content))?;
        apply(cluster)?
            .expect(5)
            .says("rolled back: gate `connection/")
            .says("a new login became root");
        assert_eq!(web.ok(&format!("cat {path} 2>&1 || :"))?, found, "{path}");
        cluster.declare("web", &before)?;
    }
    cluster.deployctl(&["status", "web"])?.expect(0);
    Ok(())
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
        demo::set_file(
            facts,
            "/etc/tmpfiles.d/deployctl-story.conf",
            "d /run/story 0750 root root\n",
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

    what_the_next_start_would_read(&cluster, web)?;

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
    cluster
        .deployctl(&["plan", "web"])?
        .says("00-aaa.conf:1` is read before");
    web.ok("systemctl reload ssh")?;
    verify(&cluster, "ssh/offered")?
        .expect(4)
        .says("publickey,password");
    web.ok("rm /etc/ssh/sshd_config.d/00-aaa.conf
         printf 'Match User operator\\nPasswordAuthentication yes\\n' >>/etc/ssh/sshd_config")?;
    verify(&cluster, "ssh/passwords")?
        .expect(4)
        .says("Match User operator");
    web.ok("sed -i '/^Match User/,$d' /etc/ssh/sshd_config; systemctl reload ssh")?;
    web.ok("sed -i.kept '/^Include/d' /etc/ssh/sshd_config")?;
    cluster
        .deployctl(&["plan", "web"])?
        .says("does not include `/etc/ssh/sshd_config.d/");
    web.ok("mv /etc/ssh/sshd_config.kept /etc/ssh/sshd_config; systemctl reload ssh")?;
    sudo_asks_as_the_last_rule_says(&cluster, web)?;
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
    others_have_the_word(&cluster, web)
}

/// Drop-ins that sshd's unit was not started with, and a file that sshd includes from elsewhere.
fn what_the_next_start_would_read(cluster: &Cluster, web: &Machine) -> Result<()> {
    let seen = |words: &str| -> Result<()> {
        verify(cluster, "ssh/loaded")?.expect(4).says(words);
        cluster.deployctl(&["plan", "web"])?.says(words);
        apply(cluster)?.expect(0);
        verify(cluster, "ssh/loaded")?.expect(0);
        cluster
            .deployctl(&["plan", "web", "--exit-code"])?
            .expect(0);
        Ok(())
    };
    web.ok("mkdir /etc/systemd/system/sshd.service.d
         printf '[Service]\\nNice=1\\n' >/etc/systemd/system/sshd.service.d/x.conf")?;
    seen("changed since systemd loaded them")?;
    web.ok(
        "sleep 0.1; printf '[Service]\\nNice=2\\n' >/etc/systemd/system/sshd.service.d/x.conf
         systemctl daemon-reload",
    )?;
    seen("sshd.service.d/x.conf")?;
    web.ok(
        "mkdir /etc/sshd.d; echo 'Include /etc/sshd.d/*.conf' >>/etc/ssh/sshd_config
         systemctl reload ssh; sleep 0.1; echo 'PrintMotd no' >/etc/sshd.d/x.conf",
    )?;
    seen("/etc/sshd.d/x.conf")?;
    web.ok("rm -r /etc/systemd/system/sshd.service.d /etc/sshd.d
         sed -i '/sshd[.]d\\/[*]/d' /etc/ssh/sshd_config
         systemctl daemon-reload; systemctl restart ssh")?;
    Ok(())
}

/// A rule of others that comes after ours.
fn sudo_asks_as_the_last_rule_says(cluster: &Cluster, web: &Machine) -> Result<()> {
    let check = "system/sudo/operator";
    verify(cluster, check)?.expect(0);
    web.ok("echo 'operator ALL=(ALL) PASSWD: ALL' >/etc/sudoers.d/zz-x; chmod 0440 /etc/sudoers.d/zz-x
         echo 'operator ALL=(ALL) NOPASSWD: /bin/sh' >/etc/sudoers.d/zz-y; chmod 0440 /etc/sudoers.d/zz-y")?;
    verify(cluster, check)?
        .expect(4)
        .says("`/etc/sudoers.d/zz-x:1` has the last word");
    cluster
        .deployctl(&["plan", "web"])?
        .says("`/etc/sudoers.d/zz-x:1` is read after `/etc/sudoers.d/90-deployctl`, and sudo asks a password of `operator`");
    // The other way round: declared to ask.
    web.ok("echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/zz-x")?;
    verify(cluster, check)?.expect(0);
    let before = cluster.facts("web")?;
    cluster.redeclare("web", |facts| {
        facts["system"]["sudo_passwordless"] = json!(false);
    })?;
    cluster
        .deployctl(&["plan", "web"])?
        .says("`/etc/sudoers.d/zz-x:1` is read after `/etc/sudoers.d/90-deployctl`, and sudo asks no password of `operator`");
    verify(cluster, check)?
        .expect(4)
        .says("`/etc/sudoers.d/zz-x:1` has the last word");
    cluster.declare("web", &before)?;
    web.ok("rm /etc/sudoers.d/zz-x /etc/sudoers.d/zz-y")?;
    Ok(())
}

/// Drop-ins of our unit and a tmpfile that is read first: the host does what was told of it.
fn others_have_the_word(cluster: &Cluster, web: &Machine) -> Result<()> {
    web.ok("mkdir -p /etc/systemd/system/alpha.service.d
         printf '[Service]\\nNice=7\\nExecStart=\\nExecStart=/bin/sleep 1000000\\n' >/etc/systemd/system/alpha.service.d/override.conf
         echo 'd /run/story 0755 root root' >/etc/tmpfiles.d/00-x.conf
         systemctl daemon-reload; systemd-tmpfiles --create || :")?;
    assert_eq!(web.ok("stat -c %a /run/story")?, "755\n");
    let started = web.ok("systemctl show -p ExecStart alpha.service")?;
    assert!(
        started.contains("1000000") && !started.contains("infinity"),
        "{started}"
    );
    cluster
        .deployctl(&["plan", "web"])?
        .says("`/etc/systemd/system/alpha.service.d/override.conf:3` is read after `/etc/systemd/system/alpha.service` and empties `[Service] ExecStart`")
        .says("`/etc/tmpfiles.d/00-x.conf:1` is read before `/etc/tmpfiles.d/deployctl-story.conf`");
    verify(cluster, "extra/overruled/*")?
        .expect(4)
        .says("extra/overruled/alpha.service")
        .says("override.conf:3")
        .says("extra/overruled/deployctl-story.conf");
    web.ok("rm -r /etc/systemd/system/alpha.service.d /etc/tmpfiles.d/00-x.conf; systemctl daemon-reload")?;
    verify(cluster, "extra/overruled/*")?.expect(0);

    // Only planned: the machine has no netplan.
    let before = cluster.facts("web")?;
    web.ok("mkdir -p /etc/netplan
         printf 'network:\n  ethernets:\n    lan9:\n      mtu: 1500 # by hand\n' >/etc/netplan/90-x.yaml")?;
    let ours = "network:\n  ethernets:\n    lan9:\n      mtu: 9000\n";
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/netplan/60-ours.yaml", ours);
    })?;
    cluster.deployctl(&["plan", "web"])?.says(
        "`/etc/netplan/90-x.yaml:4` is read after `/etc/netplan/60-ours.yaml` and sets `ethernets.lan9.mtu` to `1500`",
    );
    cluster.declare("web", &before)?;
    web.ok("rm -r /etc/netplan")?;
    Ok(())
}

fn ports(web: &Machine) -> Result<String> {
    web.ok("ss -Hltn | awk '{ sub(/.*:/, \"\", $4); print $4 }' | sort -un | tr '\\n' ' '")
}

fn set_ports(cluster: &Cluster, sshd: u16, connection: u16) -> Result<()> {
    cluster.redeclare("web", |facts: &mut Value| {
        facts["ssh"]["port"] = json!(sshd);
        facts["connection"]["port"] = json!(connection);
    })
}

#[test]
fn the_port_of_sshd_moves_by_facts() -> Result<()> {
    let cluster = with_sshd()?;
    let web = cluster.machine("web");
    set_ports(&cluster, 2222, 22)?;
    cluster
        .deployctl(&["plan", "web"])?
        .says("set `connection.port` to 2222");
    // Where the new port answers nobody, it stays closed.
    web.ok(
        "nft add table ip shut; nft add chain ip shut input '{ type filter hook input priority -10; }'
         nft add rule ip shut input tcp dport 2222 reject with tcp reset",
    )?;
    apply(&cluster)?.expect(5).says(":2222");
    assert_eq!(ports(web)?, "22 ");
    web.ok("nft delete table ip shut")?;
    let told = apply(&cluster)?.expect(0);
    for port in ["22", "2222"] {
        let told = told.stderr.lines().chain(told.stdout.lines());
        let login = format!("a new connection to operator@10.231.0.10:{port}");
        assert!(told.clone().any(|line| line.ends_with(&login)), "{port}");
    }
    assert_eq!(ports(web)?, "22 2222 ");
    set_ports(&cluster, 2222, 2222)?;
    apply(&cluster)?.expect(0);
    assert_eq!(ports(web)?, "2222 ");
    // An earlier generation listens at the former port alone.
    cluster
        .deployctl(&["rollback", "web", "--to", "1", "--yes"])?
        .expect(9)
        .says("sshd would listen at port `22` and no longer at 2222")
        .says("apply the facts with `ssh.port` 22 and `connection.port` 2222 first");

    // The same where systemd listens, and back again where a gate fails.
    web.ok(
        "systemctl --quiet disable --now ssh.service; systemctl --quiet enable --now ssh.socket",
    )?;
    set_ports(&cluster, 2200, 2222)?;
    let good = cluster.facts("web")?;
    cluster.redeclare("web", |facts| {
        facts["extra"]["checks"] = json!({ "never": {
            "command": "echo no", "contains": ["yes"], "status": 0, "deadline_seconds": 5, "retries": 0, "gate": true,
        }});
    })?;
    apply(&cluster)?.expect(5);
    assert_eq!(ports(web)?, "2222 ");
    cluster.declare("web", &good)?;
    apply(&cluster)?.expect(0);
    assert_eq!(ports(web)?, "2200 2222 ");
    set_ports(&cluster, 2200, 2200)?;
    apply(&cluster)?.expect(0);
    assert_eq!(ports(web)?, "2200 ");
    verify(&cluster, "ssh/*")?.expect(0);
    Ok(())
}

//! Files that are as declared, on a host that is not: what runs was changed beside them, accounts are gone,
//! owners have no names, places are closed.

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::demo;

/// A machine `web` with a firewall, a user and a few files, applied once.
fn deployed() -> Result<Cluster> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let declared: Value = serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    cluster.redeclare("web", |facts| {
        facts["extra"] = json!({
            "files": [
                demo::file("/etc/alpha.conf", "colour = red\n"),
                demo::file("/etc/story/notes.txt", "first\n"),
            ],
            "packages": {},
            "units": {},
        });
        facts["network"] = demo::network("2345");
        for concern in ["system", "ssh", "firewall"] {
            facts[concern] = declared["hosts"]["linode"][concern].clone();
        }
        facts["system"]["hostname"] = json!("web");
        facts["system"]["users"] =
            json!({ "bob": { "groups": ["audio"], "keys": [], "shell": "/bin/sh" } });
    })?;
    cluster.adopt_all()?;
    apply(&cluster, 0)?;
    Ok(cluster)
}

fn apply(cluster: &Cluster, code: i32) -> Result<()> {
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(code);
    Ok(())
}

fn planned(cluster: &Cluster, code: i32, says: &[&str]) -> Result<()> {
    let mut run = cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(code);
    for text in says {
        run = run.says(text);
    }
    Ok(())
}

fn extra(cluster: &Cluster, change: impl FnOnce(&mut Value)) -> Result<()> {
    cluster.redeclare("web", |facts| change(&mut facts["extra"]))
}

#[test]
fn what_runs_is_put_back_into_effect() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    firewall(&cluster, web)?;
    accounts(&cluster, web)?;
    owners(&cluster, web)?;
    record(&cluster, web)
}

fn firewall(cluster: &Cluster, web: &Machine) -> Result<()> {
    let table = "nft list table inet deployctl";
    let loaded = web.ok(&format!("{table} | grep -v counter"))?;
    web.ok("nft flush ruleset")?;
    planned(cluster, 3, &["table inet deployctl", "is not loaded"])?;
    apply(cluster, 0)?;
    assert_eq!(web.ok(&format!("{table} | grep -v counter"))?, loaded);

    web.ok("nft insert rule inet deployctl input tcp dport 8443 accept")?;
    planned(
        cluster,
        3,
        &["is not as its files say", "- tcp dport 8443 accept"],
    )?;
    apply(cluster, 0)?;
    assert_eq!(web.ok(&format!("{table} | grep -v counter"))?, loaded);
    // Whatever passed meanwhile, the counters among it, is no change.
    planned(cluster, 0, &["nothing to change"])?;

    web.ok(
        "nft add table ip filter; nft add chain ip filter ufw-before-input; \
         nft add chain ip filter INPUT '{ type filter hook input priority 0; policy drop; }'; \
         nft add rule ip filter INPUT tcp dport 22 accept; \
         nft add rule ip filter INPUT ct state established accept",
    )?;
    planned(cluster, 0, &["ufw filters incoming packets, too"])?;
    web.ok("nft delete table ip filter")?;
    Ok(())
}

fn accounts(cluster: &Cluster, web: &Machine) -> Result<()> {
    web.ok("userdel -r bob 2>/dev/null || userdel bob")?;
    planned(cluster, 3, &["user bob", "is not there"])?;
    apply(cluster, 0)?;
    assert!(web.ok("id -nG bob")?.contains("audio"));
    assert!(web.exists("/home/bob")?);
    web.ok("gpasswd -d bob audio")?;
    planned(cluster, 3, &["is not in the group audio"])?;
    apply(cluster, 0)?;
    planned(cluster, 0, &[])?;

    extra(cluster, |extra| {
        let mut file = demo::file("/etc/grouped.conf", "x\n");
        file["group"] = json!("nosuchgrp");
        extra["files"].as_array_mut().expect("files").push(file);
    })?;
    planned(
        cluster,
        9,
        &["`/etc/grouped.conf` is to belong to the group `nosuchgrp`"],
    )?;
    extra(cluster, |extra| {
        extra["files"].as_array_mut().expect("files").pop();
    })
}

/// Numbers without names, and names that a plan cannot hold.
fn owners(cluster: &Cluster, web: &Machine) -> Result<()> {
    web.ok("chown 4711:4712 /etc/alpha.conf")?;
    // A rollback gives each back to the number it belonged to.
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/story/notes.txt", "second\n");
        facts["extra"]["checks"] = json!({ "never": {
            "command": "echo no", "status": 0, "contains": ["yes"], "deadline_seconds": 5, "retries": 0, "gate": true,
        } });
    })?;
    planned(cluster, 3, &["owner _4711:_4712 to root:root"])?;
    apply(cluster, 5)?;
    assert_eq!(web.ok("stat -c %u:%g /etc/alpha.conf")?, "4711:4712\n");
    extra(cluster, |extra| extra["checks"] = json!({}))?;
    apply(cluster, 0)?;
    assert_eq!(web.ok("stat -c %u:%g /etc/alpha.conf")?, "0:0\n");

    web.ok("echo 'first.last:x:4713:4713::/:/bin/sh' >>/etc/passwd; echo 'domain users:x:4713:' >>/etc/group; \
            chown 4713:4713 /etc/alpha.conf")?;
    planned(cluster, 3, &["owner _4713:_4713 to root:root"])?;
    apply(cluster, 0)?;
    assert_eq!(web.ok("stat -c %u:%g /etc/alpha.conf")?, "0:0\n");
    Ok(())
}

/// A host that was put by hand to what is declared next.
fn record(cluster: &Cluster, web: &Machine) -> Result<()> {
    web.ok("echo 'colour = blue' >/etc/alpha.conf")?;
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = blue\n");
    })?;
    planned(cluster, 3, &["the record of generation"])?;
    apply(cluster, 0)?;
    planned(cluster, 0, &["nothing to change"])?;

    let number = web.read("/var/lib/deployctl/generation")?;
    web.ok(": >/var/lib/deployctl/generation")?;
    let run = cluster.deployctl(&["plan", "web"])?;
    assert_ne!(run.code, 0, "{run:?}");
    run.says(&format!("its newest generation is {}", number.trim()));
    web.write("/var/lib/deployctl/generation", number)?;
    Ok(())
}

#[test]
fn what_stands_in_the_way_is_told_beforehand() -> Result<()> {
    let cluster = deployed()?;
    let web = cluster.machine("web");
    units(&cluster, web)?;
    places(&cluster, web)?;
    others(&cluster, web)?;
    only_planned(&cluster, web)
}

fn units(cluster: &Cluster, web: &Machine) -> Result<()> {
    let service = demo::service("plain");
    web.write("/etc/systemd/system/plain.service", &service)?;
    let aliased = format!("{}Alias=other.service\n", demo::service("real"));
    web.write("/etc/systemd/system/real.service", aliased)?;
    web.write("/etc/systemd/system/shut.service", demo::service("shut"))?;
    web.ok("systemctl daemon-reload; systemctl enable --now real.service; rm -f /etc/systemd/system/shut.service; systemctl mask shut.service")?;
    let on = demo::unit(&[]);
    extra(cluster, |extra| {
        extra["units"] = json!({ "other.service": on });
    })?;
    planned(
        cluster,
        0,
        &["`other.service` is another name of `real.service`"],
    )?;
    extra(cluster, |extra| {
        extra["units"] = json!({ "x@.service": on });
    })?;
    planned(cluster, 9, &["`x@.service` is a template"])?;
    // No program to start; bytes that are no text.
    for (name, text) in [
        ("bad.service", &b"[Service]\nType=oneshot\n"[..]),
        (
            "bytes.service",
            b"[Unit]\nDescription=caf\xe9 \xff\n[Service]\nType=oneshot\n",
        ),
    ] {
        web.write(&format!("/etc/systemd/system/{name}"), text)?;
        extra(cluster, |extra| extra["units"] = json!({ name: on }))?;
        planned(cluster, 9, &[&format!("systemd cannot load `{name}`")])?;
        web.ok(&format!("rm /etc/systemd/system/{name}"))?;
    }

    // Masked, and declared off: it neither runs nor starts. And a setting waits for its interface.
    cluster.redeclare("web", |facts| {
        facts["extra"]["units"] = json!({
            "plain.service": on,
            "shut.service": { "enabled": false, "running": false, "restart_on": [] },
        });
        facts["network"]["sysctl"]["net.ipv4.conf.absent0.rp_filter"] = json!("2");
    })?;
    planned(cluster, 3, &["waits for the interface `absent0`"])?;
    apply(cluster, 0)?;

    // A drop-in by hand, and no word to systemd.
    web.ok("mkdir /etc/systemd/system/plain.service.d; printf '[Service]\\nNice=3\\n' >/etc/systemd/system/plain.service.d/x.conf")?;
    planned(
        cluster,
        0,
        &[
            "the files of `plain.service` changed since systemd loaded them: it runs by the former ones",
        ],
    )?;
    web.ok("rm -r /etc/systemd/system/plain.service.d")?;

    // What is declared no more and is gone is as it should be.
    web.ok("systemctl disable --now plain.service; rm /etc/systemd/system/plain.service; systemctl daemon-reload")?;
    extra(cluster, |extra| extra["units"] = json!({}))?;
    planned(
        cluster,
        3,
        &["no longer declared, and not on the host any more"],
    )?;
    apply(cluster, 0)?;
    planned(cluster, 0, &["nothing to change"])
}

fn places(cluster: &Cluster, web: &Machine) -> Result<()> {
    extra(cluster, |extra| {
        let files = extra["files"].as_array_mut().expect("files");
        files.push(demo::file("/etc/dir/deep/x.conf", "x\n"));
    })?;
    apply(cluster, 0)?;
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = green\n");
    })?;
    web.ok("mount --bind /etc/alpha.conf /etc/alpha.conf")?;
    planned(cluster, 9, &["`/etc/alpha.conf` is a mount point"])?;
    web.ok("umount /etc/alpha.conf; chattr +i /etc/alpha.conf")?;
    planned(cluster, 9, &["`/etc/alpha.conf` is immutable"])?;
    web.ok("chattr -i /etc/alpha.conf")?;
    apply(cluster, 0)?;

    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/dir/deep/x.conf", "y\n");
    })?;
    web.ok("chown 4711 /etc/dir")?;
    planned(
        cluster,
        9,
        &["`/etc/dir` belongs to the user with number 4711"],
    )?;
    // A directory that became a link; one that leads to a directory of another user.
    web.ok("chown 0 /etc/dir; mkdir -p /srv/else; mv /etc/dir /srv/else/dir; ln -s /srv/else/dir /etc/dir")?;
    planned(cluster, 3, &["`/etc/dir` is a link to `/srv/else/dir`"])?;
    web.ok("chown 4711 /srv/else")?;
    planned(
        cluster,
        9,
        &["`/srv/else` belongs to the user with number 4711"],
    )?;
    web.ok("rm /etc/dir; mv /srv/else/dir /etc/dir")?;
    // What is only to go, and is gone, needs no directory.
    web.ok("rm -r /etc/dir; echo >/etc/dir")?;
    planned(
        cluster,
        9,
        &["`/etc/dir` is no directory but a regular file"],
    )?;
    extra(cluster, |extra| {
        extra["files"]
            .as_array_mut()
            .expect("files")
            .retain(|file| file["path"] != "/etc/dir/deep/x.conf");
    })?;
    planned(
        cluster,
        3,
        &["is gone, and was not there before deployctl either"],
    )?;
    apply(cluster, 0)?;
    planned(cluster, 0, &["nothing to change"])
}

/// Lets bob read /etc/alpha.conf, as setfacl(1) does, which the machine does not have.
const OPEN_TO_BOB: &str = r#"perl -e 'my ($file, $name) = ("/etc/alpha.conf", "system.posix_acl_access");
    my $list = pack "V (vvV)*", 2, 1, 6, -1, 2, 4, 1234, 4, 4, -1, 16, 4, -1, 32, 4, -1;
    syscall(188, $file, $name, $list, length $list, 0) == 0 or die $!'"#;

/// What others did to managed files and their directories, and what their programs write.
fn others(cluster: &Cluster, web: &Machine) -> Result<()> {
    cluster.redeclare("web", |facts| {
        demo::set_file(facts, "/etc/alpha.conf", "colour = black\n");
        demo::set_file(facts, "/etc/story/notes.txt", "second\n");
    })?;
    web.ok("chattr +a /etc/alpha.conf; chattr +i /etc/story")?;
    planned(
        cluster,
        9,
        &[
            "`/etc/alpha.conf` is append-only",
            "`/etc/story` is immutable",
        ],
    )?;
    web.ok("chattr -a /etc/alpha.conf; chattr -i /etc/story")?;
    apply(cluster, 0)?;
    web.ok(OPEN_TO_BOB)?;
    planned(
        cluster,
        0,
        &["an access control list (`getfacl /etc/alpha.conf`"],
    )?;

    // A daemon that writes its own value, again and again.
    web.ok("systemd-run --quiet --unit=writer sh -c 'while :; do echo 77 >/proc/sys/net/core/somaxconn; sleep 0.2; done'; sleep 0.5")?;
    planned(cluster, 3, &["2345", "77", "a program wrote it"])?;
    web.ok("systemctl stop writer")?;
    apply(cluster, 0)?;

    // Lines of others that sshd does not take: it would not load ours either.
    web.ok("printf '\\nPermitRotLogin no\\nPort many\\n' >/etc/ssh/sshd_config.d/50-theirs.conf")?;
    planned(
        cluster,
        9,
        &[
            "`sshd` does not take `/etc/ssh/sshd_config.d/50-theirs.conf:2`: Bad configuration option: PermitRotLogin",
            "`sshd` does not take `/etc/ssh/sshd_config.d/50-theirs.conf:3`",
        ],
    )?;
    web.ok("rm /etc/ssh/sshd_config.d/50-theirs.conf")?;
    Ok(())
}

/// What no machine of this kind takes, and what it would do at its next boot.
fn only_planned(cluster: &Cluster, web: &Machine) -> Result<()> {
    let before = cluster.facts("web")?;
    let mac = web.read("/sys/class/net/host0/address")?;
    cluster.redeclare("web", |facts| {
        facts["network"]["interfaces"]["lan0"] = json!({
            "match": { "mac": mac.trim(), "driver": null }, "addresses": ["10.77.0.1/24"], "dhcp": false,
            "gateway": null, "mtu": 1500, "rings": null, "required_for_boot": false,
        });
    })?;
    planned(
        cluster,
        3,
        &["no interface is called `lan0` before the reboot: `10.77.0.1/24` is away until then"],
    )?;
    cluster.declare("web", &before)?;
    cluster.redeclare("web", |facts| {
        facts["kernel"] = json!({
            "flavour": "stock", "command_line": [], "modules": [], "sysctl": { "vm.swappiness": "1" },
            "io_uring_group": null, "symbols": {},
        });
    })?;
    planned(
        cluster,
        9,
        &["`vm.swappiness` cannot be set: `/proc/sys` is mounted read-only there"],
    )?;
    cluster.declare("web", &before)
}

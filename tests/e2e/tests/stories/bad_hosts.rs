//! Hosts that are not what they should be: each a clear message, the right exit code, and nothing
//! changed.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use deployctl_e2e::{MachineSpec, Sudo};

use crate::cluster::Cluster;
use crate::demo;

fn cluster_of(spec: MachineSpec) -> Result<Cluster> {
    let cluster = Cluster::boot(&[spec])?;
    cluster.redeclare("web", |facts| facts["extra"] = demo::extra())?;
    Ok(cluster)
}

fn web() -> MachineSpec {
    MachineSpec::new("web")
}

#[track_caller]
fn untouched(cluster: &Cluster) {
    for path in ["/etc/alpha.conf", "/var/lib/deployctl/generation"] {
        assert!(
            !cluster
                .machine("web")
                .exists(path)
                .expect("the machine answers"),
            "{path}"
        );
    }
}

#[test]
fn a_host_that_nobody_adopted_is_refused() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("deployctl adopt web");
    untouched(&cluster);
    let wrong = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    cluster
        .deployctl(&["adopt", "web", "--fingerprint", wrong])?
        .expect(9)
        .says("SHA256:");
    assert!(!cluster.path("hosts/web/identity.json").exists());
    cluster
        .deployctl(&["adopt", "web"])?
        .expect(2)
        .says("--fingerprint");
    Ok(())
}

#[test]
fn another_host_key_is_refused() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.adopt_all()?;
    cluster.machine("web").ok(
        "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
         systemctl restart ssh",
    )?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("host key")
        .says("adopt");
    untouched(&cluster);
    Ok(())
}

#[test]
fn another_machine_with_the_same_key_is_refused() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.adopt_all()?;
    cluster
        .machine("web")
        .write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("machine");
    untouched(&cluster);
    Ok(())
}

#[test]
fn another_operating_system_than_declared_is_refused() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.redeclare("web", |facts| {
        facts["os"] = serde_json::json!({ "id": "ubuntu", "version": "24.04" });
    })?;
    cluster.adopt_all()?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("debian")
        .says("ubuntu");
    untouched(&cluster);
    Ok(())
}

#[test]
fn an_operator_without_sudo_rights_is_refused() -> Result<()> {
    let cluster = cluster_of(web().sudo(Sudo::Refused))?;
    let line = cluster
        .machine("web")
        .ok("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
    let fingerprint = line
        .split_whitespace()
        .nth(1)
        .expect("a fingerprint")
        .to_owned();
    cluster
        .deployctl(&["adopt", "web", "--fingerprint", &fingerprint])?
        .expect(9)
        .says("sudo");
    untouched(&cluster);
    Ok(())
}

#[test]
fn a_sudo_password_works_and_is_seen_nowhere() -> Result<()> {
    let cluster = cluster_of(web().sudo(Sudo::Password))?;
    let file = cluster.world.scratch().join("password");
    std::fs::write(&file, "operator\n")?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
    let machine = cluster.machine("web");
    // Another password than the user's name, so that finding it means something.
    let mut chpasswd = machine
        .shell("chpasswd")
        .stdin(std::process::Stdio::piped())
        .spawn()?;
    chpasswd
        .stdin
        .take()
        .expect("stdin is a pipe")
        .write_all(b"operator:poison-4711\n")?;
    assert!(chpasswd.wait()?.success());
    std::fs::write(&file, "poison-4711\n")?;

    // The bracket keeps the spy from finding itself.
    machine.ok(
        r"systemd-run -q --unit=spy sh -c 'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr \\0 \\n | grep -a poison-471[1]; done >/var/spied'",
    )?;
    let fingerprint = machine
        .ok("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?
        .split_whitespace()
        .nth(1)
        .expect("a fingerprint")
        .to_owned();
    let password = file.to_string_lossy().into_owned();
    let with_password = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--sudo-password-file", &password]);
        cluster.deployctl(&all)
    };
    let adopt = with_password(&["adopt", "web", "--fingerprint", &fingerprint])?.expect(0);
    let apply = with_password(&["apply", "web", "--yes"])?.expect(0);
    for text in [&adopt.stdout, &adopt.stderr, &apply.stdout, &apply.stderr] {
        assert!(!text.contains("poison-4711"), "{text}");
    }
    let spied = machine.read("/var/spied")?;
    let found = machine.exec("grep -rl poison-471[1] /etc /var /run /tmp 2>/dev/null")?;
    // The spy would have seen it.
    machine.ok("sh -c 'sleep 3; true' poison-4711")?;
    machine.ok("systemctl stop spy; grep -q poison-4711 /var/spied")?;
    assert_eq!(spied, "");
    assert_eq!(found.stdout, "");
    Ok(())
}

#[test]
fn a_full_disk_is_refused() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.adopt_all()?;
    let machine = cluster.machine("web");
    machine.ok("mkdir -p /var/lib/deployctl && mount -t tmpfs -o size=64k,mode=0700 tmpfs /var/lib/deployctl")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("/var/lib/deployctl");
    machine.ok("umount /var/lib/deployctl")?;
    untouched(&cluster);
    Ok(())
}

#[test]
fn a_read_only_etc_is_refused() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.adopt_all()?;
    let machine = cluster.machine("web");
    machine.ok("mount --bind /etc /etc && mount -o remount,ro,bind /etc")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("/etc")
        .says("read-only");
    machine.ok("umount /etc")?;
    untouched(&cluster);
    Ok(())
}

#[test]
fn a_host_that_talks_nonsense_cannot_hurt_the_terminal() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.adopt_all()?;
    let machine = cluster.machine("web");
    // A hostile name of a unit, a banner, and noise before every script's output.
    machine.ok(
        r"printf 'printf \047\\033]0;owned\\007\\033[2J noise\\n\047\n' >/etc/profile.d/noise.sh
          printf 'printf \047\\033]0;owned\\007 noise\\n\047\n' >>/home/operator/.bashrc
          printf '\033]0;owned\007 banner\n' >/etc/issue.net
          printf 'Banner /etc/issue.net\n' >/etc/ssh/sshd_config.d/banner.conf
          systemctl reload ssh",
    )?;
    machine.write(
        "/etc/alpha.conf",
        "evil \u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}text\n",
    )?;
    let run = cluster.deployctl(&["plan", "web"])?.expect(0);
    for text in [&run.stdout, &run.stderr] {
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'),
            "{text:?}"
        );
    }
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(())
}

#[test]
fn a_host_that_never_ends_is_given_up() -> Result<()> {
    let cluster = cluster_of(web())?;
    cluster.adopt_all()?;
    let machine = cluster.machine("web");
    machine.ok("mv /usr/bin/dpkg-query /usr/bin/dpkg-query.real
        printf '#!/bin/sh\\nexec yes\\n' >/usr/bin/dpkg-query; chmod +x /usr/bin/dpkg-query")?;
    cluster.redeclare("web", |facts| {
        facts["extra"]["packages"] = serde_json::json!({ "haproxy": null });
    })?;
    let start = Instant::now();
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(9);
    assert!(start.elapsed() < Duration::from_secs(60));
    untouched(&cluster);
    Ok(())
}

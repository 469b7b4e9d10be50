//! A secret's whole life: made, put on a host, read by a service, changed, rolled back, damaged, removed. Its value is
//! on the host in memory only, and nowhere else at all.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::json;

use crate::cluster::Cluster;
use crate::demo;

/// What every value begins with, so that finding it anywhere means something.
const POISON: &str = "poison-4712";

/// Waits for the secret as a service does, and tells what it was given.
const READER: &str = "\
[Unit]
Description=reads a secret

[Service]
LoadCredential=token:/etc/deployctl/secrets/token
ExecStart=/bin/sh -c 'sha256sum <\"$CREDENTIALS_DIRECTORY/token\" >/run/reader.sum; echo start >>/run/reader.starts; exec sleep infinity'

[Install]
WantedBy=multi-user.target
";

fn declare(cluster: &Cluster) -> Result<()> {
    cluster.redeclare("box", |facts| {
        facts["extra"] = json!({
            "files": [
                demo::file("/etc/systemd/system/reader.service", READER),
                demo::file("/etc/systemd/system/alpha.service", &demo::service("alpha")),
            ],
            "packages": {},
            "units": {
                "reader.service": demo::unit(&[
                    "/etc/systemd/system/reader.service",
                    "/etc/deployctl/sealed/token.age",
                ]),
                "alpha.service": demo::unit(&["/etc/systemd/system/alpha.service"]),
            },
        });
    })
}

/// Gives `name` a value, as a person types it.
fn set(cluster: &Cluster, name: &str, value: &str) -> Result<()> {
    let file = cluster.world.scratch().join("value");
    fs::write(&file, value)?;
    let mut command = cluster.command(&["secret", "set", name]);
    let status = command.stdin(fs::File::open(&file)?).output()?;
    fs::remove_file(&file)?;
    ensure!(status.status.success(), "{status:?}");
    Ok(())
}

/// What a service of the machine was given.
fn given(machine: &Machine) -> Result<String> {
    machine.wait_until(Duration::from_secs(10), "[ -s /run/reader.sum ]")?;
    machine.ok("cut -d' ' -f1 /run/reader.sum")
}

fn sum(value: &str) -> Result<String> {
    let script = format!("printf %s '{value}' | sha256sum | cut -d' ' -f1");
    let output = Command::new("sh").args(["-c", &script]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Files of the machine, apart from memory that is a secret's own, and of the controller, that hold a value.
fn leaks(cluster: &Cluster, machine: &Machine) -> Result<String> {
    let found = machine.ok(
        "sync; grep -rl poison-471[2] /etc /home /opt /root /srv /tmp /var /dev/shm /run --exclude-dir=credentials 2>/dev/null |
           grep -v '^/run/deployctl/secrets/' || :
         cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -a -o 'poison-471[2]' || :
         journalctl -q | grep -o 'poison-471[2]' || :",
    )?;
    let here = Command::new("grep")
        .args(["-rl", POISON])
        .args([cluster.world.scratch(), cluster.world.home()])
        .arg("/dev/shm")
        .output()?;
    Ok(found + &String::from_utf8_lossy(&here.stdout))
}

#[test]
fn a_secret_is_on_its_host_in_memory_and_nowhere_else() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
    let machine = cluster.machine("box");
    declare(&cluster)?;
    cluster.declare_secrets(&json!({ "token": { "for": ["box"] } }))?;

    cluster.adopt_all()?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(2)
        .says("there is no `secrets/token.age`");
    cluster
        .deployctl(&["secret", "check"])?
        .expect(4)
        .says("`deployctl secret set token` writes it");
    set(&cluster, "token", &format!("{POISON}-first\n"))?;
    cluster.deployctl(&["secret", "check"])?.expect(0);

    let plan = cluster.deployctl(&["plan", "box", "--verbose"])?.expect(0);
    assert!(!plan.stdout.contains(POISON), "{plan:?}");
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    assert_eq!(given(machine)?, sum(&format!("{POISON}-first"))?);
    assert_eq!(leaks(&cluster, machine)?, "");
    // The search would have found it.
    machine.ok("cp /run/deployctl/secrets/token /root/found")?;
    assert_eq!(leaks(&cluster, machine)?, "/root/found\n");
    machine.ok("rm /root/found")?;
    let place = "stat -L -c '%U:%G %a' /etc/deployctl/secrets/token; stat -f -L -c %T /etc/deployctl/secrets/token";
    assert_eq!(machine.ok(place)?, "root:root 400\nramfs\n");
    cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("nothing to change");
    cluster
        .deployctl(&["verify", "box", "--only", "secrets"])?
        .expect(0);

    // Another value restarts its reader, and nothing else.
    set(&cluster, "token", &format!("{POISON}-second"))?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0)
        .says("3 changes: 1 file, 2 units");
    machine.wait_until(
        Duration::from_secs(10),
        "[ \"$(grep -c . /run/reader.starts)\" = 2 ]",
    )?;
    assert_eq!(given(machine)?, sum(&format!("{POISON}-second"))?);
    assert_eq!(machine.ok("grep -c . /run/alpha.starts")?, "1\n");

    // After a reboot it is there before its reader.
    machine.ok("rm -f /run/reader.sum")?;
    machine.reboot()?;
    assert_eq!(given(machine)?, sum(&format!("{POISON}-second"))?);

    // An earlier generation has its own value.
    cluster.deployctl(&["rollback", "box", "--yes"])?.expect(0);
    machine.wait_until(
        Duration::from_secs(10),
        "[ \"$(grep -c . /run/reader.starts)\" = 2 ]",
    )?;
    assert_eq!(given(machine)?, sum(&format!("{POISON}-first"))?);

    bad_files(&cluster, machine)?;

    // Removed: nothing is left, in memory either.
    cluster.declare_secrets(&json!({}))?;
    cluster.redeclare("box", |facts| {
        facts["extra"] = json!({ "files": [], "packages": {}, "units": {} });
    })?;
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    machine.ok("! ls -A /etc/deployctl/sealed /etc/deployctl/secrets /run/deployctl/secrets 2>/dev/null | grep . && ! grep /run/deployctl/secrets /proc/mounts")?;
    assert_eq!(leaks(&cluster, machine)?, "");
    Ok(())
}

/// What the host cannot open changes nothing on it.
fn bad_files(cluster: &Cluster, machine: &Machine) -> Result<()> {
    let file = cluster.path("secrets/token.age");
    let good = fs::read_to_string(&file)?;
    let before = machine.ok("find /etc/deployctl -type f -exec sha256sum {} +")?;

    // Its value was changed after it was encrypted; the header is as it was.
    let lines: Vec<&str> = good.lines().collect();
    let (last, payload) = (lines.len() - 1, lines.len() - 2);
    let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let first = if lines[payload].starts_with('A') {
        "B"
    } else {
        "A"
    };
    changed[payload].replace_range(0..1, first);
    assert_eq!(lines[last], "-----END AGE ENCRYPTED FILE-----");
    fs::write(&file, changed.join("\n") + "\n")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(9)
        .says("/etc/deployctl/sealed/token.age")
        .says("/etc/ssh/ssh_host_ed25519_key");
    cluster
        .deployctl(&["secret", "show", "token"])?
        .expect(9)
        .says("it was changed or damaged after it was encrypted");

    // It is encrypted to others.
    let other = cluster.world.scratch().join("other");
    let made = Command::new("age-keygen").arg("-o").arg(&other).output()?;
    let recipient = String::from_utf8(made.stderr)?;
    let recipient = recipient.trim().rsplit(' ').next().unwrap_or_default();
    let sealed = Command::new("sh")
        .args(["-c", &format!("echo x | age -a -r {recipient}")])
        .output()?;
    fs::write(&file, &sealed.stdout)?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(2)
        .says("`secrets/token.age` is not encrypted to this host's pinned key");
    fs::write(&file, &good.as_bytes()[..40])?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(2)
        .says("`secrets/token.age`: it is truncated");
    fs::write(&file, &good)?;
    assert_eq!(
        machine.ok("find /etc/deployctl -type f -exec sha256sum {} +")?,
        before
    );
    Ok(())
}

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

/// Looks for values where none may be. Each line is a place, how much of it was looked at, and how often a value is there.
const LOOK: &str = "\
count() { printf '%s\\t%s\\t%s\\n' \"$1\" \"$2\" \"$3\"; }
sync
for place in /etc /home /opt /root /srv /tmp /var /dev/shm; do
    count \"$place\" \"$(find \"$place\" -type f 2>/dev/null | wc -l)\" \"$(grep -rl poison-471[2] \"$place\" 2>/dev/null | wc -l)\"
done
count /run \"$(find /run -type f 2>/dev/null | wc -l)\" \"$(grep -rl poison-471[2] /run --exclude-dir=credentials 2>/dev/null | grep -vc '^/run/deployctl/secrets/')\"
count 'command lines' \"$(ls -d /proc/[0-9]* | wc -l)\" \"$(cat /proc/[0-9]*/cmdline 2>/dev/null | grep -ac 'poison-471[2]')\"
count environments \"$(ls -d /proc/[0-9]* | wc -l)\" \"$(cat /proc/[0-9]*/environ 2>/dev/null | grep -ac 'poison-471[2]')\"
count 'lines of the journal' \"$(journalctl -q | wc -l)\" \"$(journalctl -q | grep -c 'poison-471[2]')\"
count 'seen during applies' \"$(wc -l </run/watch.rounds)\" \"$(wc -l </run/watch.hits)\"
";

/// What looks at all processes of the machine while applies run.
const WATCH: &str = "\
: >/run/watch.rounds; : >/run/watch.hits
systemd-run --quiet --unit watch sh -c 'while :; do
    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -ao poison-471[2] >>/run/watch.hits
    echo >>/run/watch.rounds; sleep 0.05
done'
";

/// The same on the controller, with every object of the repository's git.
const LOOK_HERE: &str = "\
cd \"$1\"
git init -q . 2>/dev/null; git add -A; git -c user.name=t -c user.email=t@t commit -qm state || :
objects=$(git cat-file --batch-all-objects --batch-check | wc -l)
count() { printf '%s\\t%s\\t%s\\n' \"$1\" \"$2\" \"$3\"; }
count 'objects of git' \"$objects\" \"$(git cat-file --batch-all-objects --batch | grep -ac 'poison-471[2]')\"
shift
for place in \"$@\" /dev/shm; do
    count \"the controller's $(basename \"$place\")\" \"$(find \"$place\" -type f 2>/dev/null | wc -l)\" \"$(grep -rl 'poison-471[2]' \"$place\" 2>/dev/null | wc -l)\"
done
";

/// The places that hold a value. All places are printed with their counts.
#[expect(clippy::print_stdout, reason = "the counts are the evidence")]
fn leaks(cluster: &Cluster, machine: &Machine) -> Result<Vec<String>> {
    let mut table = machine.ok(LOOK)?;
    let here = Command::new("sh")
        .args(["-c", LOOK_HERE, "sh"])
        .arg(cluster.path(""))
        .args([cluster.world.scratch(), cluster.world.home()])
        .output()?;
    ensure!(here.status.success(), "{here:?}");
    table += &String::from_utf8(here.stdout)?;
    println!("{table}");
    let rows = table.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let watched = rows
        .clone()
        .any(|row| row[0] == "seen during applies" && row[1] != "0");
    ensure!(watched, "nothing looked at processes while applies ran");
    Ok(rows
        .filter(|row| row.get(2) != Some(&"0"))
        .map(|row| row[0].to_owned())
        .collect())
}

#[test]
fn a_secret_is_on_its_host_in_memory_and_nowhere_else() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
    let machine = cluster.machine("box");
    declare(&cluster)?;
    cluster.declare_secrets(&json!({
        "shared": { "for": ["box"], "owner": "daemon", "group": "adm", "mode": "0440" },
        "token": { "for": ["box"] },
    }))?;

    cluster.adopt_all()?;
    set(&cluster, "shared", &format!("{POISON}-shared"))?;
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

    // sudo writes down what goes in and out of it, readable.
    machine
        .ok("printf 'Defaults log_input, log_output, !compress_io\\n' >/etc/sudoers.d/50-record")?;
    machine.ok(WATCH)?;
    let plan = cluster.deployctl(&["plan", "box", "--verbose"])?.expect(0);
    assert!(!plan.stdout.contains(POISON), "{plan:?}");
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    assert_eq!(given(machine)?, sum(&format!("{POISON}-first"))?);
    machine.ok("find /var/log/sudo-io -type f | grep -q .")?;
    assert_eq!(leaks(&cluster, machine)?, Vec::<String>::new());
    // The search would have found it, there and here.
    machine.ok("cp /run/deployctl/secrets/token /root/found; sh -c 'sleep 0.5; :' poison-4712")?;
    let page = cluster.path("verify.html");
    fs::write(&page, POISON)?;
    let found = [
        "/root",
        // What was seen is written down there.
        "/run",
        "seen during applies",
        "objects of git",
        "the controller's scratch",
    ];
    assert_eq!(leaks(&cluster, machine)?, found);
    machine.ok("rm /root/found; : >/run/watch.hits")?;
    fs::remove_dir_all(cluster.path(".git"))?;
    fs::remove_file(&page)?;
    let place = "cd /etc/deployctl/secrets; stat -L -c '%U:%G %a' shared token; stat -f -L -c %T shared token";
    assert_eq!(
        machine.ok(place)?,
        "daemon:adm 440\nroot:root 400\nramfs\nramfs\n"
    );
    // Without it, its reader does not start, rather than with an empty key.
    machine.ok(
        "systemctl stop deployctl-secrets; ! systemctl restart reader
         [ \"$(grep -c . /run/reader.starts)\" = 1 ]
         systemctl start deployctl-secrets; rm /run/reader.starts; systemctl restart reader",
    )?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("nothing to change");
    let page = cluster.world.scratch().join("page.html");
    cluster
        .deployctl(&[
            "verify",
            "box",
            "--only",
            "secrets",
            "--html",
            &page.to_string_lossy(),
        ])?
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

    // What was seen of processes until now is gone with the reboot.
    assert_eq!(leaks(&cluster, machine)?, Vec::<String>::new());
    fs::remove_dir_all(cluster.path(".git"))?;

    // After a reboot it is there before its reader.
    machine.ok("rm -f /run/reader.sum")?;
    machine.reboot()?;
    machine.ok(WATCH)?;
    assert_eq!(given(machine)?, sum(&format!("{POISON}-second"))?);

    // An earlier generation has its own value.
    cluster.deployctl(&["rollback", "box", "--yes"])?.expect(0);
    machine.wait_until(
        Duration::from_secs(10),
        "[ \"$(grep -c . /run/reader.starts)\" = 2 ]",
    )?;
    assert_eq!(given(machine)?, sum(&format!("{POISON}-first"))?);

    bad_files(&cluster, machine)?;
    // Generations of all values so far: the next step removes them.
    assert_eq!(leaks(&cluster, machine)?, Vec::<String>::new());
    fs::remove_dir_all(cluster.path(".git"))?;
    installed_anew(&cluster, machine)?;

    // Removed: nothing is left, in memory either.
    cluster.declare_secrets(&json!({}))?;
    cluster.redeclare("box", |facts| {
        facts["extra"] = json!({ "files": [], "packages": {}, "units": {} });
    })?;
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    machine.ok("! ls -A /etc/deployctl/sealed /etc/deployctl/secrets /run/deployctl/secrets 2>/dev/null | grep . && ! grep /run/deployctl/secrets /proc/mounts")?;
    assert_eq!(leaks(&cluster, machine)?, Vec::<String>::new());
    Ok(())
}

/// The host comes back empty and with another key, as docs/secrets.md tells it.
fn installed_anew(cluster: &Cluster, machine: &Machine) -> Result<()> {
    machine.ok(
        "systemctl disable --quiet --now reader alpha deployctl-secrets; ! mountpoint -q /run/deployctl/secrets || umount /run/deployctl/secrets
         rm -rf /etc/deployctl /var/lib/deployctl /run/reader.sum /etc/systemd/system/reader.service /etc/systemd/system/alpha.service /etc/systemd/system/deployctl-*
         rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl daemon-reload; systemctl restart ssh",
    )?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(9)
        .says("run `deployctl adopt --replace`");
    let line = machine.ok("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
    let fingerprint = line.split_whitespace().nth(1).unwrap_or_default();
    cluster
        .deployctl(&["adopt", "box", "--replace", "--fingerprint", fingerprint])?
        .expect(0)
        .says("this host cannot open secrets/shared.age, secrets/token.age; `deployctl secret rekey` encrypts them to its key");
    cluster
        .deployctl(&["secret", "check"])?
        .expect(4)
        .says("secrets/token.age: host `box` cannot open it");
    cluster.deployctl(&["secret", "rekey"])?.expect(0);
    cluster.deployctl(&["secret", "check"])?.expect(0);
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    assert_eq!(given(machine)?, sum(&format!("{POISON}-second"))?);
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

    // Another program encrypted an empty value: no service gets it.
    let key = machine.ok("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    let mut empty = Command::new("age");
    let empty = empty.args(["-a", "-r", key.trim(), "/dev/null"]).output()?;
    ensure!(empty.status.success(), "{empty:?}");
    fs::write(&file, &empty.stdout)?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(5)
        .says("rolled back");
    assert_eq!(given(machine)?, sum(&format!("{POISON}-first"))?);
    fs::write(&file, &good)?;
    assert_eq!(
        machine.ok("find /etc/deployctl -type f -exec sha256sum {} +")?,
        before
    );
    Ok(())
}

//! A secret's whole life: made, put on a host, read by a service, changed, rolled back, damaged, removed. Its value is
//! on the host in memory only, and nowhere else at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec};
use serde_json::json;

use crate::cluster::{Cluster, Run};
use crate::demo;
use leaks::{POISON, Watch, given, keep, leaks, run, set, sum};

pub(crate) mod leaks;
mod nixos;

/// An armoured file whose value is not what was encrypted. The last lines hold the end of the header, too, whose length is
/// random: the tenth character from the end is always one of the value.
fn damaged(good: &str) -> String {
    let end = good.rfind("-----END").unwrap_or(good.len());
    let of_value = good[..end].char_indices().rev();
    let mut of_value = of_value.filter(|(_, c)| !"=\n".contains(*c));
    let (at, was) = of_value.nth(9).expect("it holds a value");
    let other = if was == 'A' { "B" } else { "A" };
    let mut text = good.to_owned();
    text.replace_range(at..=at, other);
    text
}

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

/// `first` and the like, as a value that is looked for.
fn value(word: &str) -> String {
    format!("{}-{word}", *POISON)
}

/// No place holds a value, nor a machine what it is no reader of.
fn nothing_leaked(cluster: &Cluster, watch: &Watch) -> Result<()> {
    assert_eq!(leaks(cluster, watch)?, Vec::<String>::new());
    let repository = cluster.path(".git");
    fs::remove_dir_all(repository)?;
    let other = cluster.machine("other");
    other.ok("! grep -rls 'AGE ENCRYPTED FILE' /etc /home /opt /root /run /srv /tmp /var")?;
    other.ok("! ls -A /etc/deployctl/sealed /etc/deployctl/secrets /run/deployctl/secrets 2>/dev/null | grep .")?;
    Ok(())
}

#[test]
fn a_secret_is_on_its_host_in_memory_and_nowhere_else() -> Result<()> {
    let specs = [
        MachineSpec::new("box").base(Base::Python),
        MachineSpec::new("other"),
    ];
    let cluster = Cluster::boot(&specs)?;
    let machine = cluster.machine("box");
    let watch = Watch::start(&cluster);
    declare(&cluster)?;
    cluster.redeclare("other", |facts| facts["extra"] = demo::extra())?;
    cluster.declare_secrets(&json!({
        "shared": { "for": ["box"], "owner": "daemon", "group": "adm", "mode": "0440" },
        "token": { "for": ["box"], "generate_bytes": 32 },
    }))?;

    cluster.adopt_all()?;
    set(&cluster, "shared", &value("shared"))?;
    run(&cluster, &["plan", "box"])?
        .expect(2)
        .says("there is no `secrets/token.age`");
    run(&cluster, &["secret", "check"])?
        .expect(4)
        .says("`deployctl secret rotate token` makes a random value");
    edit(&cluster)?;
    run(&cluster, &["secret", "check"])?.expect(0);

    // sudo writes down what goes in and out of it, readable.
    for machine in &cluster.machines {
        machine.ok(
            "printf 'Defaults log_input, log_output, !compress_io\n' >/etc/sudoers.d/50-record",
        )?;
    }
    let reports = cluster.world.scratch().join("reports");
    fs::create_dir(&reports)?;
    let report = |name: &str| reports.join(name).to_string_lossy().into_owned();
    run(&cluster, &["plan", "--verbose", "--full"])?.expect(0);
    run(&cluster, &["plan", "--json", "--out", &report("plan.json")])?.expect(0);
    run(
        &cluster,
        &["apply", "--yes", "--plan", &report("plan.json")],
    )?
    .expect(0);
    assert_eq!(given(machine)?, sum(&value("first")));
    for machine in &cluster.machines {
        machine.ok("find /var/log/sudo-io -type f | grep -q .")?;
    }
    let (html, junit) = (report("page.html"), report("results.xml"));
    let verify = ["verify", "box", "--only", "secrets"];
    let said = run(&cluster, &[&verify[..], &["--json"]].concat())?.expect(0);
    fs::write(report("verify.json"), said.stdout)?;
    run(
        &cluster,
        &[&verify[..], &["--html", &html, "--junit", &junit]].concat(),
    )?
    .expect(0);
    run(
        &cluster,
        &["verify", "--accept", "box", "--only", "secrets"],
    )?
    .expect(0);
    assert_eq!(fs::read_dir(&reports)?.count(), 4);
    nothing_leaked(&cluster, &watch)?;
    the_search_finds(&cluster, &watch)?;
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
    run(&cluster, &["plan"])?
        .expect(0)
        .says("nothing to change");

    // Another value restarts its reader, and nothing else.
    set(&cluster, "token", &value("second"))?;
    run(&cluster, &["apply", "box", "--yes"])?
        .expect(0)
        .says("3 changes: 1 file, 2 units");
    machine.wait_until(
        Duration::from_secs(10),
        "[ \"$(grep -c . /run/reader.starts)\" = 2 ]",
    )?;
    assert_eq!(given(machine)?, sum(&value("second")));
    assert_eq!(machine.ok("grep -c . /run/alpha.starts")?, "1\n");
    nothing_leaked(&cluster, &watch)?;

    // After a reboot it is there before its reader.
    machine.ok("rm -f /run/reader.sum")?;
    machine.reboot()?;
    assert_eq!(given(machine)?, sum(&value("second")));

    // An earlier generation has its own value.
    run(&cluster, &["rollback", "box", "--yes"])?.expect(0);
    machine.wait_until(
        Duration::from_secs(10),
        "[ \"$(grep -c . /run/reader.starts)\" = 2 ]",
    )?;
    assert_eq!(given(machine)?, sum(&value("first")));

    bad_files(&cluster, machine)?;
    // Generations of all values so far: the next step removes them.
    nothing_leaked(&cluster, &watch)?;
    installed_anew(&cluster, machine)?;
    run(&cluster, &["secret", "rotate", "token"])?.expect(0);
    run(&cluster, &["apply", "--yes"])?.expect(0);

    // Removed: nothing is left, in memory either.
    cluster.declare_secrets(&json!({}))?;
    cluster.redeclare("box", |facts| {
        facts["extra"] = json!({ "files": [], "packages": {}, "units": {} });
    })?;
    run(&cluster, &["apply", "--yes"])?.expect(0);
    machine.ok("! ls -A /etc/deployctl/sealed /etc/deployctl/secrets /run/deployctl/secrets 2>/dev/null | grep . && ! grep /run/deployctl/secrets /proc/mounts")?;
    nothing_leaked(&cluster, &watch)?;
    let commands = ["set", "edit", "rotate", "rekey"].map(|command| format!("secret {command}"));
    watch.expect(&commands.each_ref().map(String::as_str))?;
    watch.expect(&["plan", "apply", "verify", "rollback"])?;
    Ok(())
}

/// Gives `token` its first value by editors: one that leaves swap, backup and undo files beside what it edits, then vim.
fn edit(cluster: &Cluster) -> Result<()> {
    let careless = cluster.world.scratch().join("careless");
    let first = cluster.world.scratch().join("first");
    fs::write(
        &careless,
        format!(
            "#!/bin/sh\nfolder=${{1%/*}} name=${{1##*/}}\nmv {} \"$1\"\n\
             for left in \"$1~\" \"$folder/.$name.swp\" \"$folder/#$name#\" \"$folder/.$name.un~\"; do cp \"$1\" \"$left\"; done\n\
             mkdir \"$folder/backup\"; cp \"$1\" \"$folder/backup/$name\"; sleep 0.3\n",
            first.display()
        ),
    )?;
    fs::set_permissions(&careless, fs::Permissions::from_mode(0o755))?;
    fs::write(&first, value("draft"))?;
    let by = |editor: &str| -> Result<Run> {
        let mut command = cluster.command(&["secret", "edit", "token"]);
        keep(cluster, Run::of(command.env("EDITOR", editor))?)
    };
    by(&careless.to_string_lossy())?
        .expect(0)
        .says("secrets/token.age written");
    fs::remove_file(&careless)?;
    // As a person would: it writes what it edits, and its own files wherever it does.
    by("vim -e -s -c %s/draft/first/ -c wq")?
        .expect(0)
        .says("secrets/token.age written");
    Ok(())
}

/// The search finds values where they are put.
fn the_search_finds(cluster: &Cluster, watch: &Watch) -> Result<()> {
    let [machine, other] = ["box", "other"].map(|name| cluster.machine(name));
    machine.ok("cp /run/deployctl/secrets/token /root/found")?;
    other.write("/var/lib/deployctl/found", POISON.as_bytes())?;
    other.ok(&format!("sh -c 'sleep 0.5; :' {}", *POISON))?;
    let page = cluster.path("verify.html");
    let temporary = tempfile_of(".token.swp");
    fs::write(&page, POISON.as_bytes())?;
    fs::write(&temporary, POISON.as_bytes())?;
    let found = leaks(cluster, watch);
    fs::remove_file(&temporary)?;
    assert_eq!(
        found?,
        [
            "all: processes: command lines, environments",
            "box: /root",
            "controller: /tmp",
            "controller: objects of git",
            "controller: scratch",
            "other: /var",
        ]
    );
    machine.ok("rm /root/found")?;
    other.ok("rm /var/lib/deployctl/found")?;
    watch.forget_hits();
    fs::remove_dir_all(cluster.path(".git"))?;
    fs::remove_file(&page)?;
    Ok(())
}

/// A place of no other run below `/tmp`.
fn tempfile_of(suffix: &str) -> std::path::PathBuf {
    std::path::Path::new("/tmp").join(format!("deployctl-story-{}{suffix}", std::process::id()))
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
    assert_eq!(given(machine)?, sum(&value("second")));
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
        .says("damaged: token")
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
        .says("`secrets/token.age`: it is truncated or damaged");

    // Another program encrypted an empty value: no service gets it.
    let key = machine.ok("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    let mut empty = Command::new("age");
    let empty = empty.args(["-a", "-r", key.trim(), "/dev/null"]).output()?;
    ensure!(empty.status.success(), "{empty:?}");
    fs::write(&file, &empty.stdout)?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(9)
        .says("empty: token (`deployctl secret set` gives it a value)");
    assert_eq!(given(machine)?, sum(&value("first")));
    fs::write(&file, &good)?;
    assert_eq!(
        machine.ok("find /etc/deployctl -type f -exec sha256sum {} +")?,
        before
    );
    Ok(())
}

/// What an apply that is refused for a secret may not have changed.
const STATE: &str = "dpkg-query -W; find /etc /usr /opt -xdev -newer /run/before ! -path '/etc/deployctl*' 2>/dev/null; \
                     ls -A /etc/deployctl /run/deployctl 2>/dev/null; command -v age";

fn state(machine: &Machine) -> Result<String> {
    Ok(machine.exec(STATE)?.stdout)
}

/// The archive's `age` starts the real program, which is on the machine where no `PATH` leads.
fn without_age() -> Result<Cluster> {
    let program = fs::read("/usr/bin/age").context("age (package age)")?;
    let spec = MachineSpec::new("box").program("/usr/local/libexec/age", program);
    let cluster = Cluster::boot(&[spec])?;
    let package = Deb::new("age", "1.1.1-1").file(
        "/usr/bin/age",
        "#!/bin/sh\nexec /usr/local/libexec/age \"$@\"\n",
    );
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[package])?;
    cluster.machine("box").use_apt_repo(&archive)?;
    cluster.redeclare("box", |facts| {
        facts["extra"] = json!({
            "files": [demo::file("/etc/alpha.conf", "colour = red\n")],
            "packages": {},
            "units": {},
        });
    })?;
    cluster.declare_secrets(&json!({ "token": { "for": ["box"] } }))?;
    cluster.adopt_all()?;
    set(&cluster, "token", "value")?;
    Ok(cluster)
}

/// It has no program to open secrets with: files are tried all the same, before anything changes.
#[test]
fn a_host_without_age_refuses_what_it_could_not_open() -> Result<()> {
    let cluster = without_age()?;
    let machine = cluster.machine("box");
    let file = cluster.path("secrets/token.age");
    let good = fs::read_to_string(&file)?;
    machine.ok(": >/run/before; ! command -v age")?;
    let before = state(machine)?;
    let refused = |text: &str| -> Result<()> {
        cluster
            .deployctl(&["apply", "box", "--yes"])?
            .expect(9)
            .says(text)
            .says("/etc/ssh/ssh_host_ed25519_key");
        ensure!(state(machine)? == before, "something was changed");
        Ok(())
    };

    // The header is whole; the value is not what was encrypted.
    fs::write(&file, damaged(&good))?;
    refused("damaged: token")?;

    let key = machine.ok("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    let mut age = Command::new("age");
    let empty = age.args(["-a", "-r", key.trim(), "/dev/null"]).output()?;
    ensure!(empty.status.success(), "{empty:?}");
    fs::write(&file, &empty.stdout)?;
    refused("empty: token (`deployctl secret set` gives it a value)")?;

    // The package cannot be had.
    fs::write(&file, &good)?;
    machine.ok("mv /srv/deployctl-apt /srv/away")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(9)
        .says("age");
    ensure!(state(machine)? == before, "something was changed");
    machine.ok("mv /srv/away /srv/deployctl-apt")?;

    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    let found = machine.ok("sha256sum </etc/deployctl/secrets/token | cut -d' ' -f1")?;
    assert_eq!(found.trim(), sum("value"));

    // A key that cannot be used says nothing of the files; an empty one is passed over, as agenix does.
    machine.ok("echo garbage >/run/bad; : >/run/empty")?;
    let tried = |keys: &str| {
        let program = "/etc/deployctl/libexec/try-secrets";
        let files = "token:/etc/deployctl/sealed/token.age";
        let own = "/etc/ssh/ssh_host_ed25519_key";
        machine.ok(&format!(
            "sh {program} age '{keys} {own}' '{files}' 2>&1 || :"
        ))
    };
    assert_eq!(tried("/run/empty")?, "");
    let said = tried("/run/bad")?;
    ensure!(
        said.starts_with("a key of this host cannot be used"),
        "{said}"
    );
    ensure!(
        !said.contains("damaged") && !said.contains("secret set"),
        "{said}"
    );

    // The package is installed, and its program is gone.
    machine.ok("mv /usr/bin/age /usr/bin/age-away")?;
    set(&cluster, "token", "another")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(9)
        .says("there is no program `age` to open secrets with, although its package is installed");
    let found = machine.ok("sha256sum </etc/deployctl/secrets/token | cut -d' ' -f1")?;
    assert_eq!(found.trim(), sum("value"));
    Ok(())
}

//! A program from an archive: refused where it could reach out of its release, resumed after a cut, switched to, put back, freed.

use std::fs;

use anyhow::{Context as _, Result};
use deployctl_e2e::{AptRepo, Base, Deb, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::hub::{Hub, noise};

const TOKEN: &str = "secretsecretsecret";
const MIB: usize = 1 << 20;

/// What each bad archive does to the good tree, and what is said of it.
const BAD: [(&str, &str, &str); 10] = [
    (
        "outside",
        "tar -cPf $out e --transform 's,^e/lib,../x,'",
        "has a path with `..`",
    ),
    (
        "stripped",
        "tar -cPf $out e --transform 's,^e/lib,e//opt/engine,'",
        "has a path with `//`",
    ),
    (
        "hard",
        "ln e/lib/data e/lib/same; tar -cPf $out --transform 's,^e/lib/.*,e//etc/shadow,RSh' e",
        "has a path with `//`",
    ),
    (
        "blank",
        "mv e/lib/data 'e/lib/data '; tar -cf $out e",
        "has a name that begins or ends with a blank",
    ),
    (
        "link",
        "ln -s ../../../etc e/out; tar -cf $out e",
        "has a link that leaves the release",
    ),
    (
        "rights",
        "chmod 4755 e/bin/engine; tar -cf $out e",
        "has a set-uid or set-gid bit",
    ),
    (
        "missing",
        "rm e/bin/engine; tar -cf $out e",
        "has no file `bin/engine`",
    ),
    (
        "mode",
        "chmod 0644 e/bin/engine; tar -cf $out e",
        "is not executable for all",
    ),
    (
        "damaged",
        "head -c 5000 e/lib/data >$out",
        "cannot be read as an archive of tar",
    ),
    (
        "large",
        "truncate -s 8T e/sparse; tar -cSf $out e",
        "more, and 64.0 MiB have to stay free",
    ),
];

struct Story {
    hub: Hub,
    cluster: Cluster,
}

impl Story {
    /// Publishes what `command` makes of the tree of a release, and returns how it is declared.
    fn publish(&self, name: &str, seed: u64, command: &str) -> Result<Value> {
        let folder = self.cluster.world.scratch().join(name);
        fs::create_dir_all(folder.join("e/bin"))?;
        fs::create_dir_all(folder.join("e/lib"))?;
        fs::write(
            folder.join("e/bin/engine"),
            format!("#!/bin/sh\necho {name}\n"),
        )?;
        fs::write(folder.join("e/lib/data"), noise(seed, 6 * MIB))?;
        let script = format!(
            "out={name}.tar; chmod 0777 e/bin/engine; chown -R 1000:1000 e; {command}; sha256sum $out; stat -c %s $out"
        );
        let mut shell = std::process::Command::new("sh");
        let made = Run::of(shell.args(["-euc", &script]).current_dir(&folder))?.expect(0);
        let mut lines = made.stdout.lines();
        let hash = lines
            .next()
            .and_then(|line| line.split(' ').next())
            .context("no hash")?;
        let size: u64 = lines.next().context("no size")?.parse()?;
        let path = format!("{name}.tar");
        self.hub.put(&path, &fs::read(folder.join(&path))?)?;
        Ok(json!({ "path": path, "size": size, "sha256": hash }))
    }

    fn declare(&self, archive: &Value) -> Result<()> {
        self.cluster.redeclare("box", |facts| {
            facts["release"] = json!({ "programs": { "engine": {
                "folder": "/opt/engine",
                "archive": archive,
                "mirror": self.hub.url(),
                "credential": "release-token",
                "strip": 1,
                "executables": ["bin/engine"],
            }}});
        })
    }

    fn says(&self, text: &str) -> Result<()> {
        let said = self
            .cluster
            .machine("box")
            .ok("/opt/engine/current/bin/engine")?;
        assert_eq!(said.trim(), text);
        Ok(())
    }
}

#[test]
fn a_program_comes_from_an_archive() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
    let hub = Hub::start(&cluster.world)?;
    cluster.adopt_all()?;
    let story = &Story { hub, cluster };
    let machine = story.cluster.machine("box");
    story.hub.trusted_by(machine)?;
    machine.write("/etc/deployctl/secrets/release-token", format!("{TOKEN}\n"))?;
    let run = |arguments: &[&str], code| -> Result<Run> {
        Ok(story.cluster.deployctl(arguments)?.expect(code))
    };
    story.hub.behave(&json!({ "token": TOKEN }))?;
    for (name, command, says) in BAD {
        story.declare(&story.publish(name, 1, command)?)?;
        run(&["stage", "box"], 7)?.says(says);
        machine.ok("! test -e /opt/engine/current && ! test -e /opt/engine/x")?;
    }
    let first = story.publish("first", 1, "tar -cf $out e")?;
    let second = story.publish("second", 2, "tar -cf $out e")?;
    let mut wrong = first.clone();
    wrong["sha256"] = second["sha256"].clone();
    story.declare(&wrong)?;
    run(&["stage", "box"], 7)?.says("is not what is declared: its sha256 is");
    story.hub.asked()?;
    story.declare(&first)?;
    story
        .hub
        .behave(&json!({ "token": TOKEN, "cut_after": 2 * MIB, "times": 1 }))?;
    run(&["apply", "box", "--yes"], 0)?;
    let sent: u64 = story.hub.asked()?.iter().map(|answer| answer.sent).sum();
    assert_eq!(Some(sent), first["size"].as_u64(), "no byte came twice");
    story.says("first")?;
    machine.ok("test \"$(stat -L -c '%u %g %a' /opt/engine/current/bin/engine)\" = '0 0 755'")?;
    story.declare(&second)?;
    run(&["apply", "box", "--yes"], 0)?;
    story.says("second")?;
    run(&["verify", "box", "--only", "release"], 0)?;
    story.hub.asked()?;
    run(&["rollback", "box", "--to", "1", "--yes"], 0)?;
    story.says("first")?;
    run(&["apply", "box", "--yes"], 0)?;
    story.says("second")?;
    assert_eq!(story.hub.asked()?, [], "both are kept");
    machine.ok("printf x | dd of=/opt/engine/current/lib/data conv=notrunc status=none")?;
    run(&["verify", "box", "--only", "release"], 4)?.says("lib/data: FAILED");
    machine.ok("chmod 0644 /opt/engine/current/bin/engine")?;
    run(&["verify", "box", "--only", "release"], 4)?.says("bin/engine is not executable for all");
    sent_and_unpacked(story)?;
    story.cluster.redeclare("box", |facts| {
        facts.as_object_mut().map(|facts| facts.remove("release"));
    })?;
    run(&["apply", "box", "--yes"], 0)?;
    run(&["gc", "box", "--yes"], 0)?.says("freed");
    machine.ok("test -z \"$(find /opt/engine -type f ! -name .lock)\"")?;
    machine.ok(&format!("! grep -rqs {TOKEN} /var/lib/deployctl /var/log"))?;
    Ok(())
}

/// An archive that this machine has, compressed by a program that comes with the same apply. It has links that stay within it.
fn sent_and_unpacked(story: &Story) -> Result<()> {
    let linked = "ln -s ../bin/engine e/lib/engine; ln e/lib/data e/lib/same; tar -cJf $out e";
    let mut third = story.publish("third", 3, linked)?;
    let (cluster, machine) = (&story.cluster, story.cluster.machine("box"));
    fs::create_dir_all(cluster.path("dist"))?;
    let packed = cluster.world.scratch().join("third/third.tar");
    fs::copy(packed, cluster.path("dist/third.tar.xz"))?;
    third["path"] = json!("third.tar.xz");
    cluster.redeclare("box", |facts| {
        let engine = &mut facts["release"]["programs"]["engine"];
        for key in ["mirror", "credential"] {
            engine.as_object_mut().map(|engine| engine.remove(key));
        }
        engine["upload"] = json!("dist");
        engine["archive"] = third;
    })?;
    // A stand-in for xz-utils: the real decompressor is that of Python.
    let unpacks = "#!/usr/bin/python3\nimport lzma, shutil, sys\nshutil.copyfileobj(lzma.open(sys.stdin.buffer), sys.stdout.buffer)\n";
    let package = Deb::new("xz-utils", "1").file("/usr/bin/xz", unpacks);
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[package])?;
    machine.use_apt_repo(&archive)?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("in a second step: all else is applied first: this needs `xz`");
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    story.says("third")?;
    machine.ok("/opt/engine/current/lib/engine | grep -qx third")?;
    machine.ok("cmp /opt/engine/current/lib/data /opt/engine/current/lib/same")?;
    let verify = ["verify", "box", "--only", "release"];
    cluster.deployctl(&verify)?.expect(0);
    assert_eq!(story.hub.asked()?, []);
    Ok(())
}

//! A model that the controller sends, to a machine without curl and without a token: files that are not what is declared stay here;
//! what came before the controller was killed, the connection was cut or Ctrl-C was pressed is not sent again.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::hub::{manifest, noise};

const MIB: usize = 1 << 20;
const WEIGHTS: usize = 26 * MIB;
const TOKENIZER: usize = 2 * MIB;
const FIRST: &str = "1111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222";
const IN_USE: &str = "readlink /srv/models/tiny/current";
/// Bytes of the weights that a release has which is not whole.
const THERE: &str = "find /srv/models/tiny -path '*.part/model.safetensors' -printf %s";
/// Nothing receives.
const QUIET: &str = "! systemctl --quiet is-active 'deployctl-stage-*'";

/// Takes 2 MiB a second.
pub(crate) const SLOW_HEAD: &str = r#"#!/bin/sh
[ "$1" = -c ] || exec /usr/bin/head "$@"
left=$2
while [ "$left" -gt 0 ]; do
  /usr/bin/head -c "$((left < 204800 ? left : 204800))" || exit
  left=$((left - 204800))
  sleep 0.1
done
"#;

struct Story {
    cluster: Cluster,
    first: Value,
    second: Value,
}

/// Files of one revision, in the repository.
fn revision(cluster: &Cluster, name: &str, revision: &str, seed: u64) -> Result<Value> {
    let files = [
        ("config.json", format!("{name}\n").into_bytes()),
        ("tokenizer/vocabulary.bin", noise(7, TOKENIZER)),
        ("model.safetensors", noise(seed, WEIGHTS)),
    ];
    manifest(&cluster.path("weights").join(name), revision, &files)
}

impl Story {
    fn begin() -> Result<Self> {
        let cluster = Cluster::boot(&[MachineSpec::new("box")])?;
        cluster.adopt_all()?;
        cluster
            .machine("box")
            .ok("rm -f /usr/bin/curl; ! command -v curl")?;
        Ok(Self {
            first: revision(&cluster, "red", FIRST, 1)?,
            second: revision(&cluster, "blue", SECOND, 2)?,
            cluster,
        })
    }

    fn machine(&self) -> &Machine {
        self.cluster.machine("box")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.cluster.path("weights").join(name)
    }

    fn declare(&self, manifest: &Value, name: &str) -> Result<()> {
        self.cluster.redeclare("box", |facts| {
            facts["models"] = json!({ "snapshots": { "tiny": {
                "manifest": manifest,
                "folder": "/srv/models/tiny",
                "upload": format!("weights/{name}"),
            }}});
        })
    }

    /// What follows is received slowly, or as fast as it comes.
    fn slowly(&self, slowly: bool) -> Result<()> {
        let machine = self.machine();
        if slowly {
            machine.write("/usr/local/bin/head", SLOW_HEAD)?;
            machine.ok("chmod 0755 /usr/local/bin/head")?;
        } else {
            machine.ok("rm -f /usr/local/bin/head")?;
        }
        Ok(())
    }

    fn stage(&self, code: i32) -> Result<Run> {
        Ok(self.cluster.deployctl(&["stage", "box"])?.expect(code))
    }

    /// A controller that stages meanwhile.
    fn staging(&self) -> Result<Child> {
        let mut command = self.cluster.command(&["stage", "box"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// Waits until so much of the weights is there.
    fn has(&self, mib: usize) -> Result<()> {
        let there = format!("test \"$({THERE})\" -gt {}", mib * MIB);
        self.machine().wait_until(Duration::from_secs(30), &there)
    }

    /// How many bytes of the weights are there, once nothing receives.
    fn kept(&self) -> Result<u64> {
        let machine = self.machine();
        machine.wait_until(Duration::from_secs(20), QUIET)?;
        Ok(machine.ok(THERE)?.trim().parse()?)
    }

    fn in_use(&self) -> Result<String> {
        Ok(self.machine().ok(IN_USE)?.trim().to_owned())
    }

    fn apply(&self) -> Result<Run> {
        self.cluster.deployctl(&["apply", "box", "--yes"])
    }
}

/// How many bytes a run says that it sent.
fn sent(run: &Run) -> u64 {
    run.json()["hosts"][0]["outcome"]["bytes"]
        .as_u64()
        .unwrap_or_else(|| panic!("{run:?}"))
}

fn heard(child: Child) -> Result<Run> {
    let output = child.wait_with_output()?;
    Ok(Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn interrupt(child: &Child) -> Result<()> {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-s", "INT", &pid]).status()?;
    assert!(status.success());
    Ok(())
}

#[test]
fn a_model_is_sent_by_the_controller() -> Result<()> {
    let story = Story::begin()?;
    refused(&story)?;
    killed(&story)?;
    let first = switched_to(&story, "red")?;
    cut_and_interrupted(&story)?;
    let second = switched_to(&story, "blue")?;
    assert_ne!(first, second);
    story
        .cluster
        .deployctl(&["rollback", "box", "--to", "1", "--yes"])?
        .expect(0);
    assert_eq!(story.in_use()?, first);
    story.cluster.deployctl(&["gc", "box"])?.expect(0);
    Ok(())
}

/// A plan needs none of the files; to stage names all that are missing or differ, and sends nothing.
fn refused(story: &Story) -> Result<()> {
    let machine = story.machine();
    story.declare(&story.first, "red")?;
    fs::rename(story.file("red"), story.file("aside"))?;
    story
        .cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("28.0 MiB in 3 files")
        .says("sent from this machine: weights/red");
    for command in [&["stage", "box"][..], &["apply", "box", "--yes"]] {
        story
            .cluster
            .deployctl(command)?
            .expect(7)
            .says("not staged, nothing was changed")
            .says("there is no folder `weights/red` in the repository here");
    }
    fs::rename(story.file("aside"), story.file("red"))?;
    let red = |path: &str| story.file("red").join(path);
    let mut weights = fs::read(red("model.safetensors"))?;
    weights[WEIGHTS - 1] ^= 1;
    fs::write(red("model.safetensors"), &weights)?;
    fs::write(red("config.json"), "red")?;
    fs::rename(red("tokenizer"), red("elsewhere"))?;
    story
        .stage(7)?
        .says("`model.safetensors` is not what is declared: its sha256 is ")
        .says("`config.json` has 3 bytes, and 4 are declared")
        .says("`tokenizer/vocabulary.bin` is missing");
    machine.ok("test -z \"$(find /srv/models/tiny -path '*.part/*' -type f)\"")?;
    weights[WEIGHTS - 1] ^= 1;
    fs::write(red("model.safetensors"), &weights)?;
    fs::write(red("config.json"), "red\n")?;
    fs::rename(red("elsewhere"), red("tokenizer"))?;
    machine
        .ok("mount -t tmpfs -o size=40m,mode=0755 tmpfs /srv/models/tiny")
        .context("the folder is there")?;
    story.stage(7)?.says("needs 28.0 MiB more");
    machine.ok("umount /srv/models/tiny")?;
    Ok(())
}

/// The controller that sends is killed; another one, which followed it, goes on from there.
fn killed(story: &Story) -> Result<()> {
    let machine = story.machine();
    story.slowly(true)?;
    let mut first = story.staging()?;
    story.has(3)?;
    machine.ok("systemctl show -P Nice -P CPUWeight 'deployctl-stage-*.service' | tr '\\n' ' ' | grep -qE '19 10|10 19'")?;
    first.kill()?;
    first.wait()?;
    let kept = story.kept()?;
    assert!(kept >= 3 * u64::try_from(MIB)?);
    machine.ok(
        "test -z \"$(find /srv/models/tiny/releases -mindepth 1 -type d ! -path '*.part*')\"",
    )?;

    let mut second = story.staging()?;
    story.has(usize::try_from(kept)? / MIB + 2)?;
    let mut third = story.cluster.command(&["stage", "box", "--json"]);
    let third = third
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    story.has(usize::try_from(kept)? / MIB + 5)?;
    let kept: u64 = machine.ok(THERE)?.trim().parse()?;
    second.kill()?;
    second.wait()?;
    story.slowly(false)?;
    let third = heard(third)?.expect(0);
    let rest = u64::try_from(WEIGHTS + TOKENIZER)? - kept;
    let sent = sent(&third);
    assert!(sent > 0 && sent <= rest, "{sent} of {rest}");
    story.stage(0)?.says("all of it is staged already");
    Ok(())
}

fn switched_to(story: &Story, name: &str) -> Result<String> {
    story.apply()?.expect(0).says("committed as generation");
    story.machine().ok(&format!(
        "grep -qx {name} /srv/models/tiny/current/config.json"
    ))?;
    story
        .cluster
        .deployctl(&["verify", "box", "--only", "models"])?
        .expect(0)
        .says("models/hashes/tiny");
    story
        .cluster
        .deployctl(&["plan", "box", "--exit-code"])?
        .expect(0);
    story.in_use()
}

/// Ctrl-C, then a connection that breaks; and what came is altered on the machine meanwhile.
fn cut_and_interrupted(story: &Story) -> Result<()> {
    let machine = story.machine();
    story.declare(&story.second, "blue")?;
    story.slowly(true)?;
    let child = story.staging()?;
    story.has(2)?;
    interrupt(&child)?;
    heard(child)?.says("is not sent any further");
    let kept = story.kept()?;
    assert!(kept >= 2 * u64::try_from(MIB)?);
    machine.ok(
        "test \"$(stat -c %h /srv/models/tiny/releases/*.part/tokenizer/vocabulary.bin)\" -eq 2",
    )?;

    let child = story.staging()?;
    story.has(usize::try_from(kept)? / MIB + 2)?;
    // The machine hears nothing of it, and stops waiting by itself.
    machine.cut_link()?;
    sleep(Duration::from_secs(25));
    machine.restore_link()?;
    story.slowly(false)?;
    heard(child)?
        .expect(0)
        .says("connection lost while model tiny was sent")
        .says("staged: 1 artifact");

    machine.ok("cd /srv/models/tiny/releases && new=$(ls -td */ | head -n 1) && mv ${new%/} ${new%/}.part && cd ${new%/}.part && truncate -s 9000000 model.safetensors && printf x | dd of=model.safetensors conv=notrunc status=none")?;
    let run = story
        .cluster
        .deployctl(&["stage", "box", "--json"])?
        .expect(0);
    // Its end, and then all of it.
    let weights = u64::try_from(WEIGHTS)?;
    assert_eq!(sent(&run), 2 * weights - 9_000_000);
    Ok(())
}

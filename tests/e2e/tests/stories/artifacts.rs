//! A model from a hub that misbehaves: staged beside the one in use, resumed, refused where it is not what was declared,
//! switched to by an apply, put back by a gate, and freed.

use std::thread::sleep;
use std::time::Duration;

use crate::hub::{Answer, Hub, noise};
use anyhow::{Context as _, Result};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::demo;

const MIB: usize = 1 << 20;
/// Bytes of the weights, and of all files of a revision but for a few.
/// What is left of it after a few MiB is still large enough to be hashed while it comes.
const WEIGHTS: usize = 26 * MIB;
const TOKENIZER: usize = 2 * MIB;
const TOKEN: &str = "hf_secretsecretsecret";
const FIRST: &str = "1111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222";

/// A unit that uses the model.
const READER: &str = "[Service]\nExecStart=/bin/sh -c 'cat /srv/models/tiny/current/config.json; exec sleep infinity'\n[Install]\nWantedBy=multi-user.target\n";

/// What stands at the link, in words of the unit that uses the model.
const IN_USE: &str = "readlink /srv/models/tiny/current";
const STARTED: &str = "systemctl show -P ActiveEnterTimestampMonotonic reader.service";

fn files(colour: &str, seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "config.json",
            format!("{{\"colour\": \"{colour}\"}}\n").into_bytes(),
        ),
        ("tokenizer/vocabulary.bin", noise(7, TOKENIZER)),
        ("model.safetensors", noise(seed, WEIGHTS)),
    ]
}

fn sent(answers: &[Answer], file: &str) -> u64 {
    let of_file = answers.iter().filter(|answer| answer.file == file);
    of_file.map(|answer| answer.sent).sum()
}

/// A machine that trusts the hub, a unit that uses the model, and two revisions.
struct Story {
    hub: Hub,
    first: Value,
    second: Value,
    cluster: Cluster,
}

impl Story {
    fn begin() -> Result<Self> {
        let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
        let hub = Hub::start(&cluster.world)?;
        let first = hub.publish(FIRST, &files("red", 1))?;
        let second = hub.publish(SECOND, &files("blue", 2))?;
        cluster.adopt_all()?;
        let story = Self {
            hub,
            first,
            second,
            cluster,
        };
        let machine = story.machine();
        story.hub.trusted_by(machine)?;
        machine.write("/etc/deployctl/secrets/hub-token", format!("{TOKEN}\n"))?;
        story.declare(&story.first)?;
        Ok(story)
    }

    fn machine(&self) -> &Machine {
        self.cluster.machine("box")
    }

    fn declare(&self, manifest: &Value) -> Result<()> {
        self.cluster.redeclare("box", |facts| {
            facts["models"] = json!({ "snapshots": { "tiny": {
                "manifest": manifest,
                "folder": "/srv/models/tiny",
                "hub": self.hub.url(),
                "credential": "hub-token",
            }}});
            facts["extra"] = json!({
                "files": [demo::file("/etc/systemd/system/reader.service", READER)],
                "packages": {},
                "units": { "reader.service": demo::unit(&["/srv/models/tiny/current"]) },
            });
        })
    }

    /// Fails to stage, and says why.
    fn refuses(&self, control: &Value, says: &str) -> Result<()> {
        self.hub.behave(control)?;
        self.cluster
            .deployctl(&["stage", "box"])?
            .expect(7)
            .says("not staged, nothing was changed")
            .says(says);
        Ok(())
    }

    fn serves(&self) -> Result<()> {
        self.hub
            .behave(&json!({ "token": TOKEN, "redirect": true }))
    }

    fn stage(&self, code: i32, says: &str) -> Result<()> {
        self.cluster
            .deployctl(&["stage", "box"])?
            .expect(code)
            .says(says);
        Ok(())
    }

    fn digest_in_use(&self) -> Result<String> {
        Ok(self.machine().ok(IN_USE)?.trim().to_owned())
    }
}

#[test]
fn a_model_comes_from_a_hub_that_misbehaves() -> Result<()> {
    let story = Story::begin()?;
    killed_and_rebooted(&story)?;
    let first = switched_to(&story)?;
    altered_bytes_are_refused(&story, &first)?;
    cut_and_put_back(&story, &first)?;
    let second = switched_to(&story)?;
    assert_ne!(first, second);
    verified_and_mended(&story)?;
    rolled_back(&story, &first, &second)?;
    freed(&story)?;
    Ok(())
}

#[test]
fn what_goes_wrong_with_a_model_is_said_with_place_and_cause() -> Result<()> {
    let story = &Story::begin()?;
    let machine = story.machine();
    let good = json!({ "token": TOKEN });
    story
        .cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("model tiny  new ")
        .says("28.0 MiB in 3 files");
    machine.ok("mv /etc/deployctl/secrets/hub-token /root/kept")?;
    story.refuses(
        &good,
        "`/etc/deployctl/secrets/hub-token` is missing or empty",
    )?;
    machine.ok("echo wrong >/etc/deployctl/secrets/hub-token")?;
    story.refuses(
        &good,
        "answered 401: the token in `/etc/deployctl/secrets/hub-token` does not open it",
    )?;
    machine.ok("mv /root/kept /etc/deployctl/secrets/hub-token")?;
    story.refuses(&json!({ "status": 403 }), "answered 403")?;
    story.refuses(&json!({ "status": 404 }), "answered 404: no such file")?;
    story.refuses(
        &json!({ "status": 429, "retry_after": 3600 }),
        "wants a pause of 3600 s",
    )?;
    story.refuses(&json!({ "status": 500 }), "answered 500, 5 times in a row")?;
    story.refuses(
        &json!({ "html": true }),
        "answered with a web page, not with the file",
    )?;
    machine.ok("mv /usr/bin/curl /usr/bin/curl-kept")?;
    story.refuses(&good, "`curl` is not installed")?;
    machine.ok("mv /usr/bin/curl-kept /usr/bin/curl; mv /etc/ssl/certs/ca-certificates.crt /root/; cp /root/ca-certificates.crt /etc/ssl/certs/; rm /usr/local/share/ca-certificates/hub.crt; update-ca-certificates --fresh")?;
    story.refuses(&good, "the certificate of")?;
    story.hub.trusted_by(machine)?;
    machine.ok(
        "mkdir -p /srv/models/tiny && mount -t tmpfs -o size=40m,mode=0755 tmpfs /srv/models/tiny",
    )?;
    story.refuses(&good, "`/srv/models/tiny` has 40.0 MiB free; model `tiny` needs 28.0 MiB more, and 64.0 MiB have to stay free")?;
    machine.ok("umount /srv/models/tiny && chown 1:1 /srv/models/tiny")?;
    story.refuses(&good, "`/srv/models/tiny` is not owned by root")?;
    machine.ok("chown 0:0 /srv/models/tiny && ! test -e /srv/models/tiny/current")?;
    // An apply stops at the same place, before anything is changed.
    story.hub.behave(&json!({ "status": 401 }))?;
    story
        .cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(7)
        .says("answered 401");
    machine.ok(
        "! test -e /var/lib/deployctl/generation && ! test -e /etc/systemd/system/reader.service",
    )?;
    // What passes by itself is waited for.
    let busy = json!({ "status": 429, "retry_after": 4, "times": 1, "token": TOKEN });
    story.hub.behave(&busy)?;
    story.stage(0, "waits 4 s: the server answered 429")?;
    // A server that continues no file is asked for the whole of it.
    story.declare(&story.second)?;
    let forgetful =
        json!({ "token": TOKEN, "cut_after": 5 * MIB, "ignore_range": true, "times": 3 });
    story.hub.behave(&forgetful)?;
    story.stage(0, "staged: 1 artifact")?;
    Ok(())
}

/// The controller is killed, then the machine reboots; what had come is not fetched again.
fn killed_and_rebooted(story: &Story) -> Result<()> {
    let machine = story.machine();
    let some = |mib: usize| {
        let least = mib * MIB;
        let there = format!(
            "test \"$(find /srv/models/tiny -name model.safetensors -printf %s)\" -gt {least}"
        );
        machine.wait_until(Duration::from_secs(30), &there)
    };
    story
        .hub
        .behave(&json!({ "token": TOKEN, "redirect": true, "rate": 2 * MIB }))?;
    let mut controller = story.cluster.command(&["stage", "box"]).spawn()?;
    some(2)?;
    controller.kill()?;
    controller.wait()?;
    some(4)?;
    machine.ok("systemctl show -P Nice -P CPUWeight 'deployctl-stage-*.service' | grep -qx 19; ! test -e /srv/models/tiny/current")?;
    machine.ok("! pgrep -f hf_[s]ecret")?;
    machine.reboot()?;
    let kept: u64 = machine
        .ok("find /srv/models/tiny -name model.safetensors -printf %s")?
        .trim()
        .parse()?;
    assert!(kept > 0, "a reboot keeps what was there");
    story.serves()?;
    sleep(Duration::from_millis(200));
    story.hub.asked()?;
    story.stage(0, "staged: 1 artifact")?;
    let asked = story.hub.asked()?;
    let whole = u64::try_from(WEIGHTS)?;
    assert_eq!(sent(&asked, "model.safetensors"), whole - kept, "{asked:?}");
    assert_eq!(sent(&asked, "config.json"), 0, "{asked:?}");
    machine.ok(
        "grep -q 'model.safetensors was hashed while it came' /var/lib/deployctl/artifacts/*/log",
    )?;
    story.stage(0, "all of it is staged already")?;
    assert_eq!(story.hub.asked()?, []);
    Ok(())
}

/// Applies what is staged; returns where the link leads.
fn switched_to(story: &Story) -> Result<String> {
    let machine = story.machine();
    let before = machine.exec(STARTED)?.stdout;
    story
        .cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0)
        .says("committed as generation");
    assert_eq!(story.hub.asked()?, [], "all of it was staged");
    assert_ne!(
        machine.ok(STARTED)?,
        before,
        "the unit that uses it is restarted"
    );
    story.digest_in_use()
}

fn altered_bytes_are_refused(story: &Story, first: &str) -> Result<()> {
    let machine = story.machine();
    story.declare(&story.second)?;
    story.hub.alter(SECOND, "model.safetensors")?;
    story.refuses(
        &json!({ "token": TOKEN }),
        "is not what is declared: its sha256 is",
    )?;
    story.hub.alter(SECOND, "model.safetensors")?;
    assert_eq!(story.digest_in_use()?, first);
    machine.ok("test \"$(find /srv/models/tiny/releases -mindepth 1 -maxdepth 1 -type d ! -name '*.part' | wc -l)\" -eq 1")?;
    story.hub.asked()?;
    Ok(())
}

/// The link is cut in the middle, and the server continues no file at first; then a gate fails.
fn cut_and_put_back(story: &Story, first: &str) -> Result<()> {
    let cut = json!({ "token": TOKEN, "redirect": true, "cut_after": 5 * MIB, "times": 2 });
    story.hub.behave(&cut)?;
    let gate = json!({ "colour": {
        "command": "cat /srv/models/tiny/current/config.json",
        "status": 0,
        "contains": ["red"],
        "deadline_seconds": 5,
        "retries": 0,
        "gate": true,
    }});
    story
        .cluster
        .redeclare("box", |facts| facts["extra"]["checks"] = gate)?;
    let started = story.machine().ok(STARTED)?;
    story
        .cluster
        .deployctl(&["apply", "box", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("extra/check/colour");
    assert_eq!(story.digest_in_use()?, first, "the link is put back");
    assert_ne!(
        story.machine().ok(STARTED)?,
        started,
        "and the unit runs with the old one"
    );
    let asked = story.hub.asked()?;
    let weights: Vec<_> = asked
        .iter()
        .filter(|it| it.file == "model.safetensors" && it.status != 302)
        .map(|it| (it.status, it.first))
        .collect();
    let whole = u64::try_from(WEIGHTS)?;
    assert_eq!(sent(&asked, "model.safetensors"), whole, "{asked:?}");
    assert_eq!(weights.len(), 3, "{asked:?}");
    assert!(
        weights[1..]
            .iter()
            .all(|(status, first)| *status == 206 && *first > 0),
        "{asked:?}"
    );
    assert_eq!(
        sent(&asked, "vocabulary.bin"),
        0,
        "the first revision has the same bytes: {asked:?}"
    );
    story
        .cluster
        .redeclare("box", |facts| facts["extra"]["checks"] = json!({}))?;
    story
        .machine()
        .ok("test \"$(stat -c %h /srv/models/tiny/current/tokenizer/vocabulary.bin)\" -eq 2")?;
    Ok(())
}

fn verified_and_mended(story: &Story) -> Result<()> {
    let machine = story.machine();
    let verify = || {
        story
            .cluster
            .deployctl(&["verify", "box", "--only", "models"])
    };
    verify()?.expect(0);
    machine.ok("printf x | dd of=/srv/models/tiny/current/config.json conv=notrunc status=none")?;
    verify()?.expect(4).says("config.json with another SHA-256");
    machine.ok("cd /srv/models/tiny && truncate -s 5 current/model.safetensors")?;
    verify()?
        .expect(4)
        .says("model.safetensors missing or of another size");
    machine.ok(
        "cd /srv/models/tiny && release=$(readlink -f current) && mv -T $release $release.part",
    )?;
    story
        .cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("which is missing");
    story.stage(0, "staged: 1 artifact")?;
    verify()?.expect(0);
    Ok(())
}

fn rolled_back(story: &Story, first: &str, second: &str) -> Result<()> {
    story.hub.asked()?;
    story
        .cluster
        .deployctl(&["rollback", "box", "--to", "1", "--yes"])?
        .expect(0);
    assert_eq!(story.digest_in_use()?, first);
    story
        .cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0);
    assert_eq!(story.digest_in_use()?, second);
    assert_eq!(story.hub.asked()?, [], "both are kept");
    story
        .cluster
        .deployctl(&["gc", "box"])?
        .expect(0)
        .says("nothing to free")
        .says("the former one");
    Ok(())
}

/// A third one from a directory of the host; the first one goes. Without the fact, all go.
fn freed(story: &Story) -> Result<()> {
    let machine = story.machine();
    machine.ok("mkdir -p /srv/incoming && printf 'yellow\\n' >/srv/incoming/config.json && : >/srv/incoming/empty")?;
    let hash = |file: &str| -> Result<String> {
        let text = machine.ok(&format!("sha256sum /srv/incoming/{file}"))?;
        Ok(text.split(' ').next().context("no hash")?.to_owned())
    };
    let third = json!({ "repository": "lab/tiny", "revision": FIRST, "files": [
        { "path": "config.json", "size": 7, "sha256": hash("config.json")? },
        { "path": "empty", "size": 0, "sha256": hash("empty")? },
    ]});
    story.cluster.redeclare("box", |facts| {
        facts["models"] = json!({ "snapshots": { "tiny": { "manifest": third, "folder": "/srv/models/tiny", "directory": "/srv/incoming" }}});
    })?;
    story
        .cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0);
    machine.ok("grep -qx yellow /srv/models/tiny/current/config.json")?;
    let count = "find /srv/models/tiny/releases -mindepth 1 -maxdepth 1 -type d | wc -l";
    story
        .cluster
        .deployctl(&["gc", "box"])?
        .expect(0)
        .says("can be freed: `--yes`");
    assert_eq!(machine.ok(count)?.trim(), "3");
    story
        .cluster
        .deployctl(&["gc", "box", "--yes"])?
        .expect(0)
        .says("freed");
    assert_eq!(machine.ok(count)?.trim(), "2");
    story.cluster.redeclare("box", |facts| {
        for concern in ["models", "extra"] {
            facts.as_object_mut().map(|it| it.remove(concern));
        }
    })?;
    story
        .cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0);
    machine.ok("! test -e /srv/models/tiny/current && ! test -h /srv/models/tiny/current")?;
    story.cluster.deployctl(&["gc", "box", "--yes"])?.expect(0);
    assert_eq!(machine.ok(count)?.trim(), "0");
    // Whatever was logged, the token is in none of it.
    machine.ok(&format!(
        "! grep -rqs {TOKEN} /var/lib/deployctl /var/log && ! journalctl -b | grep -q {TOKEN}"
    ))?;
    Ok(())
}

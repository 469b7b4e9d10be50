//! Environments of Python that the real uv makes on a host from an index that misbehaves: staged beside the one in use,
//! switched to by an apply, put back, refused where something is wrong, and freed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::hub::{Answer, Hub};
use crate::projects::{Project, project, publish_uv, wheel};

const MIB: usize = 1 << 20;
/// Bytes of the package that stays the same in both locks.
const LARGE: usize = 24 * MIB;
pub(crate) const PASSWORD: &str = "sesamesesamesesame";
/// What is in use.
const IN_USE: &str = "readlink /opt/tools/current";

/// A machine that trusts the index, and two locks: the second one has another `tiny`.
struct Story {
    hub: Hub,
    uv: Value,
    first: Project,
    second: Project,
    cluster: Cluster,
}

fn sent(answers: &[Answer]) -> u64 {
    answers.iter().map(|answer| answer.sent).sum()
}

impl Story {
    fn begin() -> Result<Self> {
        let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
        let hub = Hub::start(&cluster.world)?;
        let place = cluster.world.scratch().join("wheels");
        std::fs::create_dir_all(&place)?;
        let uv = publish_uv(&hub)?;
        let tiny = wheel(&hub, &place, ("tiny", "1.0", Some("large")), 10)?;
        let newer = wheel(&hub, &place, ("tiny", "1.1", Some("large")), 10)?;
        let large = wheel(&hub, &place, ("large", "2.0", None), LARGE)?;
        let first = project(&hub, &[&tiny, &large]);
        let second = project(&hub, &[&newer, &large]);
        cluster.adopt_all()?;
        let story = Self {
            hub,
            uv,
            first,
            second,
            cluster,
        };
        story.hub.trusted_by(story.machine())?;
        story.declare(&story.first, "1.0", &json!({}))?;
        Ok(story)
    }

    fn machine(&self) -> &Machine {
        self.cluster.machine("box")
    }

    /// Declares the environment; `more` is added to its `project`.
    fn declare(&self, project: &Project, version: &str, more: &Value) -> Result<()> {
        let mut made = json!({
            "pyproject": project.pyproject,
            "lock": project.lock,
            "python": "/usr/bin/python3",
        });
        for (key, value) in more.as_object().context("a map")? {
            made[key] = value.clone();
        }
        self.cluster.redeclare("box", |facts| {
            facts["python"] = json!({
                "uv": self.uv,
                "environments": { "tools": {
                    "path": "/opt/tools/current",
                    "imports": { "tiny": version, "large": null },
                    "tensor": null,
                    "project": made,
                }},
            });
        })
    }

    /// What logs in to the index.
    fn login(&self) -> Value {
        json!({ "credential": {
            "server": self.cluster.world.address().to_string(),
            "user": "reader",
            "secret": "index",
        }})
    }

    /// Fails to stage, says why, and leaves what is in use.
    fn refuses(&self, says: &str) -> Result<()> {
        self.cluster
            .deployctl(&["stage", "box"])?
            .expect(7)
            .says("not staged, nothing was changed")
            .says(says);
        Ok(())
    }

    fn applies(&self, version: &str) -> Result<String> {
        self.cluster
            .deployctl(&["apply", "box", "--yes"])?
            .expect(0)
            .says("committed as generation");
        self.runs(version)?;
        Ok(self.machine().ok(IN_USE)?.trim().to_owned())
    }

    fn runs(&self, version: &str) -> Result<()> {
        let said = self.machine().ok("/opt/tools/current/bin/tiny")?;
        ensure!(said.trim() == format!("tiny {version}"), "{said}");
        Ok(())
    }
}

#[test]
fn an_environment_comes_from_a_lock_and_goes_back() -> Result<()> {
    let story = Story::begin()?;
    let first = killed_and_switched_to(&story)?;
    refused_where_something_is_wrong(&story, &first)?;
    let second = renewed_without_bytes(&story, &first)?;
    assert_ne!(first, second);
    rolled_back(&story, &first, &second)?;
    altered_and_mended(&story)?;
    freed(&story)?;
    Ok(())
}

/// The controller is killed while the wheels come; the host goes on, and staging again follows it.
fn killed_and_switched_to(story: &Story) -> Result<String> {
    let machine = story.machine();
    story
        .cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("python tools  new ")
        .says("made on the host from pyproject.toml, uv.lock, ");
    story.hub.behave(&json!({ "rate": 3 * MIB }))?;
    let mut controller = story.cluster.command(&["stage", "box"]).spawn()?;
    machine.wait_until(
        Duration::from_secs(60),
        "test -d /opt/tools/cache/uv/archive-v0",
    )?;
    controller.kill()?;
    controller.wait()?;
    machine.ok(
        "systemctl --quiet is-active 'deployctl-stage-*.service' && ! test -e /opt/tools/current",
    )?;
    story.hub.behave(&json!({}))?;
    // It follows what goes on, or finds it done.
    story.cluster.deployctl(&["stage", "box"])?.expect(0);
    story
        .cluster
        .deployctl(&["stage", "box"])?
        .expect(0)
        .says("all of it is staged already");
    story.hub.asked()?;
    let first = story.applies("1.0")?;
    assert_eq!(story.hub.asked()?, [], "all of it was staged");
    story
        .cluster
        .deployctl(&["verify", "box", "--only", "python"])?
        .expect(0);
    Ok(first)
}

/// What is wrong is said with its cause, and the first environment runs on.
fn refused_where_something_is_wrong(story: &Story, first: &str) -> Result<()> {
    let machine = story.machine();
    let none = json!({});
    let changed = |from: &str, to: &str| -> Project {
        let mut project = story.second.clone();
        assert!(project.lock.contains(from), "{from}");
        project.lock = project.lock.replace(from, to);
        project
    };

    let other_hash = {
        let at = story.second.lock.find("sha256:").context("a hash")? + "sha256:".len();
        let old = story.second.lock[at..at + 4].to_owned();
        changed(&format!("sha256:{old}"), "sha256:0000")
    };
    story.declare(&other_hash, "1.1", &none)?;
    story.refuses("Hash mismatch for `tiny==1.1`")?;

    story.declare(
        &changed("1.1-py3-none-any", "1.1-cp311-cp311-manylinux_2_17_s390x"),
        "1.1",
        &none,
    )?;
    story.refuses("the lock has no wheel of it for x86_64")?;

    let mut unlocked = story.second.clone();
    unlocked.pyproject = unlocked.pyproject.replace("tiny==1.1", "tiny==1.0");
    story.declare(&unlocked, "1.1", &none)?;
    story.refuses("`uv.lock` is not of this `pyproject.toml`")?;

    story.declare(&story.second, "1.1", &json!({ "python": "3.55" }))?;
    story.refuses("there is no interpreter `3.55` on the host")?;
    story.declare(
        &story.second,
        "1.1",
        &json!({ "python": "/usr/bin/python3.55" }),
    )?;
    story.refuses("there is no interpreter `/usr/bin/python3.55` on the host")?;

    story.declare(&story.second, "1.1", &none)?;
    for (status, says) in [
        (403, "(403 Forbidden)"),
        (404, "(404 Not Found)"),
        (500, "(500 Internal Server Error)"),
    ] {
        story.hub.behave(&json!({ "status": status }))?;
        story.refuses(says)?;
    }
    story
        .hub
        .behave(&json!({ "login": format!("reader:{PASSWORD}") }))?;
    story.refuses("(401 Unauthorized)")?;
    story.declare(&story.second, "1.1", &story.login())?;
    story.refuses("`/etc/deployctl/secrets/index` is missing or empty")?;

    story.hub.behave(&none)?;
    machine.ok("mkdir -p /mnt/small && mount -t tmpfs -o size=120m,mode=0755 tmpfs /mnt/small")?;
    story.declare(&story.second, "1.1", &none)?;
    story.cluster.redeclare("box", |facts| {
        facts["python"]["environments"]["tools"]["path"] = json!("/mnt/small/current");
    })?;
    story.refuses("python `tools` needs 72.0 MiB more, and 64.0 MiB have to stay free")?;

    assert_eq!(machine.ok(IN_USE)?.trim(), first);
    story.runs("1.0")?;
    story
        .hub
        .behave(&json!({ "login": format!("reader:{PASSWORD}") }))
}

/// Another lock, from an index that wants a login: only what is new in it is fetched.
fn renewed_without_bytes(story: &Story, first: &str) -> Result<String> {
    let machine = story.machine();
    story.declare(&story.second, "1.1", &story.login())?;
    machine.write("/etc/deployctl/secrets/index", format!("{PASSWORD}\n"))?;
    story.hub.asked()?;
    story
        .cluster
        .deployctl(&["stage", "box"])?
        .expect(0)
        .says("staged: 1 artifact, 1.");
    let second = story.applies("1.1")?;
    let asked = story.hub.asked()?;
    assert!(sent(&asked) < u64::try_from(LARGE / 100)?, "{asked:?}");
    let shared =
        format!("find /opt/tools/{first} -name noise.bin -path '*large*' -links +2 | grep -q .");
    machine.ok(&shared)?;
    machine.ok(&format!(
        "! grep -rqs {PASSWORD} /var/lib/deployctl /var/log /run && ! journalctl -b | grep -q {PASSWORD}"
    ))?;
    Ok(second)
}

fn rolled_back(story: &Story, first: &str, second: &str) -> Result<()> {
    story
        .cluster
        .deployctl(&["rollback", "box", "--to", "1", "--yes"])?
        .expect(0);
    story.runs("1.0")?;
    assert_eq!(story.machine().ok(IN_USE)?.trim(), first);
    assert_eq!(story.applies("1.1")?, second);
    assert_eq!(story.hub.asked()?, [], "both are kept");
    Ok(())
}

/// What was altered after it was whole is seen, and made anew: from the index, since the cache has the same bytes.
fn altered_and_mended(story: &Story) -> Result<()> {
    let machine = story.machine();
    let verify = || {
        story
            .cluster
            .deployctl(&["verify", "box", "--only", "python"])
    };
    machine.ok("cd /opt/tools/current/lib/python3*/site-packages && printf x | dd of=large/noise.bin conv=notrunc status=none")?;
    verify()?.expect(4).says("large/noise.bin");
    machine
        .ok("cd /opt/tools && release=$(readlink -f current) && mv -T $release $release.part")?;
    story
        .cluster
        .deployctl(&["stage", "box"])?
        .expect(0)
        .says("staged: 1 artifact");
    verify()?.expect(0);
    Ok(())
}

fn freed(story: &Story) -> Result<()> {
    let machine = story.machine();
    // What was never whole, and a cache below a folder that nothing declares any more.
    story
        .cluster
        .deployctl(&["gc", "box", "--yes"])?
        .expect(0)
        .says("/mnt/small/cache")
        .says(".part");
    story
        .cluster
        .deployctl(&["gc", "box"])?
        .expect(0)
        .says("nothing to free");
    story.cluster.redeclare("box", |facts| {
        facts.as_object_mut().map(|it| it.remove("python"));
    })?;
    story
        .cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0);
    machine.ok("! test -h /opt/tools/current")?;
    story
        .cluster
        .deployctl(&["gc", "box", "--yes"])?
        .expect(0)
        .says("/opt/tools/cache");
    machine.ok("test -z \"$(find /opt/tools/releases -mindepth 1 -maxdepth 1 -type d)\" && ! test -e /opt/tools/cache")?;
    story
        .cluster
        .deployctl(&["rollback", "box", "--to", "1", "--yes"])?
        .expect(9)
        .says("the release of python `tools` is not on the host any more");
    Ok(())
}

//! A model on a stand-in for a Mac: staged by a job of launchd beside the system, switched to before it, and put back with it.
//! The tools of macOS, its file system and its launchd are not there: what Linux has plays them.

use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::Machine;
use serde_json::{Value, json};

use crate::artifacts_sent::SLOW_HEAD;
use crate::closures::{CURRENT, installed_mac};
use crate::closures_darwin::{quiet, system};
use crate::cluster::{Cluster, Run};
use crate::hub::{Hub, manifest, noise};

const MIB: usize = 1 << 20;
const WEIGHTS: usize = 18 * MIB;
const TOKEN: &str = "hf_secretsecretsecret";
const IN_USE: &str = "readlink /opt/models/tiny/current";
/// The job that stages, as launchd tells it.
const JOB: &str =
    "launchctl print system/org.deployctl.stage.$(basename /var/lib/deployctl/artifacts/*/)";

/// A Mac that trusts the hub, and two revisions of a model there.
struct Story {
    hub: Hub,
    red: Value,
    blue: Value,
    cluster: Cluster,
}

/// The system with a daemon that reads the model; its arguments say which one is meant.
fn with_reader(version: &str, colour: &str) -> Value {
    let mut system = system(version);
    system["daemons"]["org.nixos.reader"] =
        json!(format!("/bin/sh /usr/local/lib/reader {colour}"));
    system
}

impl Story {
    fn begin() -> Result<Self> {
        let cluster = installed_mac(&system("1"))?;
        let hub = Hub::start(&cluster.world)?;
        let published = |colour: &str, revision: &str, seed| {
            let config = format!("{colour}\n").into_bytes();
            let weights = noise(seed, WEIGHTS);
            hub.publish(
                &revision.repeat(40),
                &[("config.json", config), ("model.safetensors", weights)],
            )
        };
        let (red, blue) = (published("red", "1", 1)?, published("blue", "2", 2)?);
        let story = Self {
            hub,
            red,
            blue,
            cluster,
        };
        let mac = story.mac();
        story.hub.trusted_by(mac)?;
        mac.write("/usr/bin/curl", std::fs::read("/usr/bin/curl")?)?;
        mac.write(
            "/usr/local/lib/reader",
            "cat /opt/models/tiny/current/config.json >/run/reader.said\nexec sleep infinity\n",
        )?;
        mac.write("/etc/deployctl/secrets/hub-token", format!("{TOKEN}\n"))?;
        mac.ok("chmod 0755 /usr/bin/curl")?;
        Ok(story)
    }

    fn mac(&self) -> &Machine {
        self.cluster.machine("mac")
    }

    fn declare(&self, manifest: &Value) -> Result<()> {
        self.cluster.redeclare("mac", |facts| {
            facts["models"] = json!({ "snapshots": { "tiny": {
                "manifest": manifest,
                "folder": "/opt/models/tiny",
                "hub": self.hub.url(),
                "credential": "hub-token",
            }}});
        })?;
        self.cluster.commit("a model")
    }

    fn apply(&self) -> Result<Run> {
        self.cluster
            .deployctl(&["apply", "mac", "--yes", "--timeout", "30"])
    }

    /// Waits until so much of the weights is there.
    fn has(&self, mib: usize) -> Result<()> {
        let least = mib * MIB;
        let there = format!(
            "test \"$(find /opt/models/tiny -name model.safetensors -printf %s)\" -gt {least}"
        );
        self.mac().wait_until(Duration::from_secs(30), &there)
    }

    /// The daemon reads the model, which is the one that is declared.
    fn serves(&self, colour: &str) -> Result<String> {
        let mac = self.mac();
        mac.ok("launchctl print system/org.nixos.reader | grep -q 'state = running'")?;
        assert_eq!(mac.ok("cat /run/reader.said")?, format!("{colour}\n"));
        Ok(mac.ok(IN_USE)?.trim().to_owned())
    }

    fn is_as_declared(&self) -> Result<()> {
        self.cluster
            .deployctl(&["verify", "mac", "--only", "models"])?
            .expect(0)
            .says("models/sizes/tiny")
            .says("models/hashes/tiny");
        self.cluster
            .deployctl(&["plan", "mac", "--exit-code"])?
            .expect(0);
        Ok(())
    }
}

#[test]
fn a_model_on_a_mac_is_switched_to_and_put_back_with_the_system() -> Result<()> {
    let story = Story::begin()?;
    interrupted(&story)?;
    sent(&story)?;
    refused(&story)?;
    switched(&story)?;
    no_longer_declared(&story)
}

/// The controller is killed, the Mac reboots, the connection is cut: what had come is not fetched again.
fn interrupted(story: &Story) -> Result<()> {
    let (mac, cluster) = (story.mac(), &story.cluster);
    story.declare(&story.red)?;
    cluster.declare_system("mac", &with_reader("2", "red"))?;
    story
        .hub
        .behave(&json!({ "token": TOKEN, "rate": 2 * MIB }))?;
    let mut controller = cluster.command(&["stage", "mac"]).spawn()?;
    story.has(2)?;
    controller.kill()?;
    controller.wait()?;
    story.has(4)?;
    let job = mac.ok(JOB)?;
    assert!(job.contains("\tstate = running\n"), "{job}");
    mac.ok(
        "unit=$(basename /run/launchd/org.deployctl.stage.*)
         systemctl show -P Nice -P IOSchedulingClass \"launchd-$unit\" | tr '\\n' ' ' | grep -qx '19 3 '",
    )?;
    mac.ok("! pgrep -f hf_[s]ecret; ! test -e /opt/models/tiny/current")?;

    mac.reboot()?;
    mac.wait_for_systemd()?;
    mac.ok(&format!("! {JOB}"))?;
    let there = "find /opt/models/tiny -name model.safetensors -printf %s";
    let kept: u64 = mac.ok(there)?.trim().parse()?;
    assert!(kept > 0, "a reboot keeps what was there");
    story.hub.asked()?;
    let controller = cluster.command(&["stage", "mac"]).spawn()?;
    story.has(usize::try_from(kept)? / MIB + 3)?;
    // One that is killed is still known to launchd, and the controller starts it anew.
    mac.ok(&format!(
        "kill -9 $({JOB} | sed -n 's/^[[:blank:]]*pid = //p')"
    ))?;
    story.has(usize::try_from(kept)? / MIB + 5)?;
    mac.ok("pkill -f '[s]shd.*: root@'")?;
    let output = controller.wait_with_output()?;
    assert!(output.status.success(), "{output:?}");
    let asked = story.hub.asked()?;
    let sent = asked.iter().filter(|it| it.file == "model.safetensors");
    let sent: u64 = sent.map(|it| it.sent).sum();
    // What was on its way to the one that was killed is sent again.
    let rest = u64::try_from(WEIGHTS)? - kept;
    assert!(
        (rest..rest + u64::try_from(MIB)?).contains(&sent),
        "{rest} bytes of {asked:?}"
    );
    cluster
        .deployctl(&["stage", "mac"])?
        .expect(0)
        .says("all of it is staged already");
    assert_eq!(story.hub.asked()?, []);
    quiet(cluster)
}

/// What the controller sends comes in its session, without launchd, and goes on where it was after the controller was killed.
fn sent(story: &Story) -> Result<()> {
    let (mac, cluster) = (story.mac(), &story.cluster);
    let files = [
        ("config.json", b"green\n".to_vec()),
        ("model.safetensors", noise(3, WEIGHTS)),
    ];
    let green = manifest(&cluster.path("weights"), &"3".repeat(40), &files)?;
    cluster.redeclare("mac", |facts| {
        facts["models"] = json!({ "snapshots": { "tiny": {
            "manifest": green,
            "folder": "/opt/models/tiny",
            "upload": "weights",
        }}});
    })?;
    cluster.commit("a model that is sent")?;
    mac.write("/usr/local/bin/head", SLOW_HEAD)?;
    mac.ok("chmod 0755 /usr/local/bin/head; mv /usr/bin/curl /usr/bin/curl-kept")?;
    let mut controller = cluster.command(&["stage", "mac"]).spawn()?;
    let part = "find /opt/models/tiny -path '*.part/model.safetensors' -printf %s";
    let some = format!("test \"$({part})\" -gt {}", 2 * MIB);
    mac.wait_until(Duration::from_secs(30), &some)?;
    mac.ok("test \"$(ps -o ni= -p $(pgrep -f '[s]tage.sh run' | head -n 1))\" -eq 19; rm /usr/local/bin/head")?;
    controller.kill()?;
    controller.wait()?;
    mac.wait_until(Duration::from_secs(20), "! pgrep -f '[s]tage.sh run'")?;
    let kept: u64 = mac.ok(part)?.trim().parse()?;
    let run = cluster
        .deployctl(&["stage", "mac", "--json"])?
        .expect(0)
        .json();
    assert_eq!(
        run["hosts"][0]["outcome"]["bytes"],
        json!(u64::try_from(WEIGHTS)? - kept),
        "{run}"
    );
    mac.ok("mv /usr/bin/curl-kept /usr/bin/curl")?;
    quiet(cluster)
}

/// What goes wrong is said, and a job that failed leaves nothing with launchd either.
fn refused(story: &Story) -> Result<()> {
    let (mac, cluster) = (story.mac(), &story.cluster);
    story.declare(&story.blue)?;
    let fails = |says: &str| -> Result<()> {
        cluster
            .deployctl(&["stage", "mac"])?
            .expect(7)
            .says("not staged, nothing was changed")
            .says(says);
        quiet(cluster)
    };
    mac.ok("mv /usr/bin/find /usr/bin/find-kept")?;
    mac.write(
        "/usr/bin/find",
        "#!/bin/sh\necho 'find: -printf: unknown primary or operator' >&2\nexit 1\n",
    )?;
    mac.ok("chmod 0755 /usr/bin/find")?;
    fails(
        "needs GNU's `find` and `stat`, `flock` and `sha256sum`: the host does not have that yet",
    )?;
    mac.ok("mv /usr/bin/find-kept /usr/bin/find")?;
    story.hub.behave(&json!({ "status": 403 }))?;
    fails("answered 403")?;
    story.hub.behave(&json!({ "token": TOKEN }))?;
    mac.ok(
        "mkdir -p /opt/models/tiny && mount -t tmpfs -o size=40m,mode=0755 tmpfs /opt/models/tiny",
    )?;
    fails(
        "`/opt/models/tiny` has 40.0 MiB free; model `tiny` needs 18.0 MiB more, and 64.0 MiB have to stay free",
    )?;
    mac.ok("umount /opt/models/tiny && ! test -e /opt/models/tiny/current")?;
    Ok(())
}

/// Link and system go together, forth and back.
fn switched(story: &Story) -> Result<()> {
    let (mac, cluster) = (story.mac(), &story.cluster);
    story.declare(&story.red)?;
    story.apply()?.expect(0).says("committed as generation 1");
    let first = story.serves("red")?;
    story.is_as_declared()?;
    let before = mac.ok(CURRENT)?;

    // The switch fails: both are as they were.
    story.declare(&story.blue)?;
    let mut broken = with_reader("3", "blue");
    broken["activate"] = json!("echo no; exit 7");
    cluster.declare_system("mac", &broken)?;
    story.apply()?.expect(5).says("rolled back");
    assert_eq!(mac.ok(CURRENT)?, before);
    assert_eq!(story.serves("red")?, first);

    // The controller is lost in the window: the Mac goes back by itself.
    let mut slow = with_reader("3", "blue");
    slow["activate"] = json!("sleep 25");
    cluster.declare_system("mac", &slow)?;
    let mut controller = cluster
        .command(&["apply", "mac", "--yes", "--timeout", "10"])
        .spawn()?;
    mac.wait_until(
        Duration::from_secs(40),
        &format!("test \"$({IN_USE})\" != {first}"),
    )?;
    controller.kill()?;
    controller.wait()?;
    mac.wait_until(
        Duration::from_secs(120),
        "test ! -e /var/lib/deployctl/lease",
    )?;
    assert_eq!(mac.ok(CURRENT)?, before);
    assert_eq!(story.serves("red")?, first);

    cluster.declare_system("mac", &with_reader("3", "blue"))?;
    cluster
        .deployctl(&["plan", "mac"])?
        .expect(0)
        .says("staged already");
    story.apply()?.expect(0).says("committed as generation 2");
    assert_ne!(story.serves("blue")?, first);
    story.is_as_declared()?;

    // By hand: the link is drift, and put right without an activation.
    mac.ok(&format!("ln -sfn {first} /opt/models/tiny/current"))?;
    cluster
        .deployctl(&["plan", "mac", "--exit-code"])?
        .expect(3)
        .says("model tiny");
    story.apply()?.expect(0);
    story.is_as_declared()?;

    cluster
        .deployctl(&["rollback", "mac", "--to", "1", "--yes"])?
        .expect(0);
    assert_eq!(story.serves("red")?, first);
    assert_eq!(mac.ok(CURRENT)?, before);
    cluster
        .deployctl(&["gc", "mac"])?
        .expect(0)
        .says("/opt/models/tiny/releases/");
    quiet(cluster)
}

/// The link goes with the last declared model, after what reads it, and comes back with an earlier generation.
fn no_longer_declared(story: &Story) -> Result<()> {
    let (mac, cluster) = (story.mac(), &story.cluster);
    cluster.redeclare("mac", |facts| {
        facts.as_object_mut().map(|facts| facts.remove("models"));
    })?;
    cluster.commit("no model")?;
    let mut without = system("4");
    without["activate"] = json!("readlink /opt/models/tiny/current >/run/at.switch");
    cluster.declare_system("mac", &without)?;
    cluster
        .deployctl(&["plan", "mac"])?
        .expect(0)
        .says("/opt/models/tiny/current");
    story.apply()?.expect(0);
    mac.ok("[ -s /run/at.switch ] && [ ! -h /opt/models/tiny/current ]")?;
    cluster
        .deployctl(&["plan", "mac", "--exit-code"])?
        .expect(0);
    cluster
        .deployctl(&["rollback", "mac", "--to", "2", "--yes"])?
        .expect(0);
    story.serves("blue")?;
    Ok(())
}

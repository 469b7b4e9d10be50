//! A model on a stand-in for `NixOS`: staged beside the system, switched to before it, and put back with it.

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::closures::{installed_as, system, systems};
use crate::cluster::{Cluster, Run};
use crate::hub::{manifest, noise};

const IN_USE: &str = "readlink /srv/models/tiny/current";
/// What the reader found when it was started last.
const READ: &str = "cat /run/reader.said";

/// The system with a unit that reads the model; like `restartTriggers`, a word of it says which one is meant.
fn with_reader(version: &str, colour: &str) -> Value {
    let mut system = system(version);
    system["units"]["reader.service"] = json!(format!(
        "[Unit]\nDescription=reads the {colour} model\n\n[Service]\nExecStart=/bin/sh -c 'cat /srv/models/tiny/current/config.json >/run/reader.said; exec sleep infinity'\n"
    ));
    system
}

/// Puts a revision where the host's operator brings it, and declares it.
fn declare(cluster: &Cluster, colour: &str) -> Result<()> {
    let web = cluster.machine("web");
    let folder = format!("/srv/incoming/{colour}");
    web.ok(&format!("mkdir -p {folder}"))?;
    web.write(&format!("{folder}/config.json"), format!("{colour}\n"))?;
    web.ok(&format!(
        "head -c 3000000 /dev/urandom >{folder}/model.safetensors"
    ))?;
    let listed = web.ok(&format!(
        "cd {folder} && for f in *; do echo \"$f $(stat -c %s \"$f\") $(sha256sum \"$f\" | cut -d' ' -f1)\"; done"
    ))?;
    let files = listed.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let size: u64 = words[1].parse().unwrap_or_default();
        json!({ "path": words[0], "size": size, "sha256": words[2] })
    });
    let files: Vec<Value> = files.collect();
    cluster.redeclare("web", |facts| {
        facts["models"] = json!({ "snapshots": { "tiny": {
            "manifest": { "repository": "lab/tiny", "revision": "1".repeat(40), "files": files },
            "folder": "/srv/models/tiny",
            "directory": folder,
        }}});
    })?;
    cluster.commit(colour)
}

/// The same, where the controller sends it.
fn declare_sent(cluster: &Cluster, colour: &str) -> Result<()> {
    let folder = format!("weights/{colour}");
    let files = [
        ("config.json", format!("{colour}\n").into_bytes()),
        ("model.safetensors", noise(2, 3_000_000)),
    ];
    let manifest = manifest(&cluster.path(&folder), &"2".repeat(40), &files)?;
    cluster.redeclare("web", |facts| {
        facts["models"] = json!({ "snapshots": { "tiny": {
            "manifest": manifest,
            "folder": "/srv/models/tiny",
            "upload": folder,
        }}});
    })?;
    cluster.commit(colour)
}

fn apply(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&["apply", "web", "--yes", "--timeout", "30"])
}

fn verified(cluster: &Cluster) -> Result<()> {
    cluster
        .deployctl(&["verify", "web", "--only", "models"])?
        .expect(0)
        .says("models/hashes/tiny");
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    Ok(())
}

fn reads(web: &Machine, colour: &str) -> Result<String> {
    web.ok("systemctl is-active reader.service")?;
    assert_eq!(web.ok(READ)?, format!("{colour}\n"));
    Ok(web.ok(IN_USE)?.trim().to_owned())
}

#[test]
fn a_model_on_nixos_is_switched_to_and_put_back_with_the_system() -> Result<()> {
    let cluster = installed_as(&MachineSpec::new("web"), &system("1"))?;
    let web = cluster.machine("web");

    declare(&cluster, "red")?;
    cluster.declare_system("web", &with_reader("2", "red"))?;
    cluster
        .deployctl(&["stage", "web"])?
        .expect(0)
        .says("staged: 1 artifact");
    web.ok("test ! -e /srv/models/tiny/current; ! systemctl cat reader.service")?;
    apply(&cluster)?.expect(0).says("committed as generation 1");
    let first = reads(web, "red")?;
    verified(&cluster)?;
    let red = systems(web)?;

    // The switch fails: both are as they were, and the unit reads what it read.
    declare_sent(&cluster, "blue")?;
    let mut broken = with_reader("3", "blue");
    broken["activate"] = json!("echo no; exit 7");
    cluster.declare_system("web", &broken)?;
    apply(&cluster)?.expect(5).says("rolled back");
    assert_eq!(systems(web)?, red);
    assert_eq!(reads(web, "red")?, first);

    cluster.declare_system("web", &with_reader("3", "blue"))?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("staged already")
        .says("reader.service");
    apply(&cluster)?.expect(0).says("committed as generation 2");
    assert_ne!(reads(web, "blue")?, first);
    verified(&cluster)?;

    // By hand: the link is drift, and put right without a switch.
    web.ok(&format!("ln -sfn {first} /srv/models/tiny/current"))?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("model tiny");
    apply(&cluster)?.expect(0);
    verified(&cluster)?;

    cluster
        .deployctl(&["rollback", "web", "--to", "1", "--yes"])?
        .expect(0);
    assert_eq!(reads(web, "red")?, first);
    assert_eq!(systems(web)?, red);
    cluster
        .deployctl(&["gc", "web"])?
        .expect(0)
        .says("/srv/models/tiny/releases/");
    no_longer_declared(&cluster)
}

/// The link goes with the last declared model, after the units that read it, and comes back with an earlier generation.
fn no_longer_declared(cluster: &Cluster) -> Result<()> {
    let web = cluster.machine("web");
    cluster.redeclare("web", |facts| {
        facts.as_object_mut().map(|facts| facts.remove("models"));
    })?;
    cluster.commit("no model")?;
    let mut without = system("4");
    without["activate"] = json!("readlink /srv/models/tiny/current >/run/at.switch");
    cluster.declare_system("web", &without)?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("/srv/models/tiny/current");
    apply(cluster)?.expect(0);
    web.ok("[ -s /run/at.switch ] && [ ! -h /srv/models/tiny/current ]")?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    cluster
        .deployctl(&["rollback", "web", "--to", "2", "--yes"])?
        .expect(0);
    reads(web, "blue")?;
    Ok(())
}

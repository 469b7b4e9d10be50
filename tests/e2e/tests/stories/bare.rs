//! A machine with nothing on it: tokens, the interpreter, an environment of Python and a model come by applies alone.

mod inference;
mod real_vllm;

use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::demo;
use crate::environments::PASSWORD;
use crate::hub::{Hub, noise};
use crate::projects::{project, publish_uv, wheel};
use crate::secrets::leaks::set;

const MIB: usize = 1 << 20;
const WEIGHTS: usize = 12 * MIB;
const TOKEN: &str = "hf_secretsecretsecret";
const REVISION: &str = "3333333333333333333333333333333333333333";
/// An interpreter that a package brings.
const PYTHON: &str = "/opt/interpreter/bin/python3";

/// Uses the environment, the model and a token: it cannot start without one of them.
const SERVER: &str = "\
[Unit]
Description=uses what was delivered

[Service]
LoadCredential=token:/etc/deployctl/secrets/hub-token
ExecStart=/bin/sh -c '/opt/tools/current/bin/tiny >/run/server.said && sha256sum /srv/models/tiny/current/model.safetensors >>/run/server.said && [ -s \"$CREDENTIALS_DIRECTORY/token\" ] && exec sleep infinity'

[Install]
WantedBy=multi-user.target
";

struct Story {
    hub: Hub,
    cluster: Cluster,
}

impl Story {
    fn begin() -> Result<Self> {
        let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
        let hub = Hub::start(&cluster.world)?;
        let machine = cluster.machine("box");
        hub.trusted_by(machine)?;
        let interpreter =
            Deb::new("interpreter", "1").file(PYTHON, "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n");
        let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[interpreter])?;
        machine.use_apt_repo(&archive)?;
        declare(&cluster, &hub)?;
        cluster.adopt_all()?;
        let story = Self { hub, cluster };
        story.answers(&json!({}))?;
        Ok(story)
    }

    fn machine(&self) -> &Machine {
        self.cluster.machine("box")
    }

    fn answers(&self, more: &Value) -> Result<()> {
        answers(&self.hub, more)
    }

    /// All that is declared is so, and `plan` finds nothing to do.
    fn is_delivered(&self) -> Result<()> {
        let said = self.machine().ok("cat /run/server.said")?;
        assert!(said.starts_with("tiny 1.0\n"), "{said}");
        self.cluster
            .deployctl(&["plan", "box", "--exit-code"])?
            .expect(0);
        let verified = self.cluster.deployctl(&["verify", "box"])?.expect(0);
        // None failed, and none was skipped.
        assert!(verified.stdout.ends_with(" passed\n"), "{verified:?}");
        Ok(())
    }
}

/// How the hub answers: both what holds the model and what holds wheels want a login.
fn answers(hub: &Hub, more: &Value) -> Result<()> {
    let mut control =
        json!({ "token": TOKEN, "login": format!("reader:{PASSWORD}"), "redirect": true });
    for (key, value) in more.as_object().into_iter().flatten() {
        control[key] = value.clone();
    }
    hub.behave(&control)
}

fn declare(cluster: &Cluster, hub: &Hub) -> Result<()> {
    let place = cluster.world.scratch().join("wheels");
    std::fs::create_dir_all(&place)?;
    let uv = publish_uv(hub)?;
    let tiny = wheel(hub, &place, ("tiny", "1.0", None), 10)?;
    let project = project(hub, &[&tiny]);
    let manifest = hub.publish(
        REVISION,
        &[
            ("config.json", b"{}\n".to_vec()),
            ("model.safetensors", noise(9, WEIGHTS)),
        ],
    )?;
    cluster.declare_secrets(&json!({
        "hub-token": { "for": ["box"] },
        "index-password": { "for": ["box"] },
    }))?;
    let address = cluster.world.address().to_string();
    cluster.redeclare("box", |facts| {
        facts["python"] = json!({ "uv": uv, "environments": { "tools": {
            "path": "/opt/tools/current",
            "imports": { "tiny": "1.0" },
            "tensor": null,
            "project": {
                "pyproject": project.pyproject,
                "lock": project.lock,
                "python": PYTHON,
                "credential": { "server": address, "user": "reader", "secret": "index-password" },
            },
        }}});
        facts["models"] = json!({ "snapshots": { "tiny": {
            "manifest": manifest,
            "folder": "/srv/models/tiny",
            "hub": hub.url(),
            "credential": "hub-token",
        }}});
        let links = ["/opt/tools/current", "/srv/models/tiny/current"];
        facts["extra"] = json!({
            "files": [demo::file("/etc/systemd/system/server.service", SERVER)],
            "packages": { "interpreter": "1" },
            "units": { "server.service": demo::unit(&links) },
        });
    })
}

#[test]
fn a_first_step_is_gone_back_to_and_put_back_where_it_breaks_something() -> Result<()> {
    let story = Story::begin()?;
    let Story { cluster, .. } = &story;
    let machine = story.machine();
    set(cluster, "hub-token", TOKEN)?;
    set(cluster, "index-password", PASSWORD)?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0)
        .says("a first step without python tools, model tiny, which needs")
        .says("committed as generation 2")
        .says("a first step is committed as generation 1, without python tools, model tiny");
    machine.ok("test \"$(cat /var/lib/deployctl/generation)\" = 2")?;
    story.is_delivered()?;
    // Back to the first step, which had neither: what uses them is stopped.
    cluster
        .deployctl(&["rollback", "box", "--to", "1", "--yes"])?
        .expect(0);
    machine.ok("! systemctl is-active --quiet server.service; ! systemctl is-failed --quiet server.service; test ! -e /srv/models/tiny/current")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0)
        .says("committed as generation 4");
    story.is_delivered()?;
    a_gate_that_passed_before_decides(&story)
}

/// A first step breaks what the concern of a unit that reads the artifact had in order: it is put back.
fn a_gate_that_passed_before_decides(story: &Story) -> Result<()> {
    let Story { cluster, .. } = story;
    cluster.redeclare("box", |facts| {
        if let Some(files) = facts["extra"]["files"].as_array_mut() {
            files.push(demo::file("/etc/colour", "green\n"));
        }
        facts["extra"]["checks"] = json!({ "colour": {
            "command": "cat /etc/colour", "status": 0, "contains": ["green"], "deadline_seconds": 5, "retries": 0, "gate": true,
        }});
    })?;
    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    let tokens = ["hub-token", "index-password", "another-token"];
    let tokens = tokens.map(|name| (name.to_owned(), json!({ "for": ["box"] })));
    cluster.declare_secrets(&Value::Object(tokens.into_iter().collect()))?;
    set(cluster, "another-token", TOKEN)?;
    cluster.redeclare("box", |facts| {
        let mut other = facts["models"]["snapshots"]["tiny"].clone();
        other["folder"] = "/srv/models/other".into();
        other["credential"] = "another-token".into();
        facts["models"]["snapshots"]["other"] = other;
        let links = [
            "/opt/tools/current",
            "/srv/models/tiny/current",
            "/srv/models/other/current",
        ];
        facts["extra"]["units"]["server.service"] = demo::unit(&links);
        if let Some(file) = facts["extra"]["files"]
            .as_array_mut()
            .and_then(|files| files.last_mut())
        {
            file["content"] = "red\n".into();
        }
    })?;
    let machine = story.machine();
    let started = "systemctl show -p ExecMainStartTimestampMonotonic server.service";
    let before = machine.ok(started)?;
    cluster
        .deployctl(&["apply", "box", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("a first step without model other")
        .says("extra/check/colour");
    machine.ok("grep -q green /etc/colour && test \"$(cat /var/lib/deployctl/generation)\" = 5 && test ! -e /etc/deployctl/secrets/another-token")?;
    assert_eq!(machine.ok(started)?, before);
    Ok(())
}

#[test]
fn a_bare_machine_that_is_cut_off_goes_on_with_the_second_step() -> Result<()> {
    let story = Story::begin()?;
    let Story { cluster, .. } = &story;
    let machine = story.machine();
    set(cluster, "hub-token", "hf_of_another_account")?;
    set(cluster, "index-password", PASSWORD)?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("in a second step: all else is applied first: this needs `/etc/deployctl/secrets/hub-token`")
        .says(&format!("`/etc/deployctl/secrets/index-password`, `{PYTHON}`"));
    cluster
        .deployctl(&["stage", "box"])?
        .expect(7)
        .says("the host does not have that yet")
        .says("`deployctl apply box` applies all else in a first step, and stages after that");
    machine.ok("test ! -e /var/lib/deployctl/generation")?;

    // The token is refused: the first step stays, and says so.
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(7)
        .says("not staged, nothing more was changed")
        .says("a first step is committed as generation 1, without python tools, model tiny");
    machine.ok("test -s /etc/deployctl/secrets/hub-token; test ! -e /srv/models/tiny/current")?;
    machine.ok("! systemctl is-active --quiet server.service")?;

    // The right one is opened first. The controller is killed while the model comes, and then the machine reboots.
    set(cluster, "hub-token", TOKEN)?;
    cluster
        .deployctl(&["plan", "box"])?
        .expect(0)
        .says("this needs the new `/etc/deployctl/sealed/hub-token.age`");
    story.answers(&json!({ "rate": 2 * MIB }))?;
    let mut controller = cluster.command(&["apply", "box", "--yes"]).spawn()?;
    machine.wait_until(
        Duration::from_secs(60),
        "test \"$(find /srv/models/tiny -name model.safetensors -printf %s)\" -gt 2000000",
    )?;
    controller.kill()?;
    controller.wait()?;
    machine.ok(
        "test \"$(cat /var/lib/deployctl/generation)\" = 2; ! test -e /var/lib/deployctl/lease",
    )?;
    machine.reboot()?;
    machine.ok("systemctl is-active sshd && test -s /etc/deployctl/secrets/hub-token")?;
    story.answers(&json!({}))?;
    story.hub.asked()?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0)
        .says("committed as generation 3");
    let first = story.hub.asked()?;
    let model = first
        .iter()
        .find(|it| it.file == "model.safetensors" && it.status == 206);
    assert!(model.is_some_and(|it| it.first > 0), "{first:?}");
    story.is_delivered()?;
    rotated(&story)
}

/// Another token and another revision at once: what runs goes on with its own until the new one is there.
fn rotated(story: &Story) -> Result<()> {
    let Story { cluster, hub } = story;
    let another = "hf_anothersecretsecret";
    let manifest = hub.publish(
        &REVISION.replace('3', "4"),
        &[
            ("config.json", b"{\"revision\": 4}\n".to_vec()),
            ("model.safetensors", noise(9, WEIGHTS)),
        ],
    )?;
    set(cluster, "hub-token", another)?;
    cluster.redeclare("box", |facts| {
        facts["models"]["snapshots"]["tiny"]["manifest"] = manifest;
    })?;
    story.answers(&json!({ "token": another }))?;
    let in_use = story.machine().ok("readlink /srv/models/tiny/current")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(0)
        .says("a first step without model tiny, which needs the new `/etc/deployctl/sealed/hub-token.age`")
        .says("committed as generation 5");
    assert_ne!(
        story.machine().ok("readlink /srv/models/tiny/current")?,
        in_use
    );
    // A password or a token is in no log and no record of jobs.
    story.machine().ok(&format!(
        "! grep -rls -e {TOKEN} -e {another} -e {PASSWORD} /var/lib/deployctl /var/log /opt /srv /etc"
    ))?;
    story.is_delivered()
}

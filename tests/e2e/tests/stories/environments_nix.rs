//! Environments of Python that the real uv makes with an interpreter of the store of Nix, which is real and keeps that as long as
//! a release needs it: on a stand-in for NixOS, and on one for a Mac, where the wheel of uv, its packages and the interpreter are
//! those of Linux. The interpreter is Debian's, put into the store.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::closures::{installed_as, installed_mac, system};
use crate::closures_darwin;
use crate::cluster::Cluster;
use crate::environments::PASSWORD;
use crate::hub::Hub;
use crate::projects::{Project, project, publish_uv, wheel};

const IN_USE: &str = "readlink /opt/tools/current";
/// Where a system of Nix has its programs: here the link alone.
const PYTHON: &str = "/usr/local/bin/python3.11";

struct Story {
    hub: Hub,
    uv: Value,
    first: Project,
    second: Project,
    host: &'static str,
    cluster: Cluster,
    /// The interpreter's path in the store.
    stored: String,
}

/// Debian's Python as one path of the store, which nothing holds, and a link to it.
fn put_into_store(cluster: &Cluster, machine: &Machine) -> Result<String> {
    let archive = cluster.world.scratch().join("python.tar");
    let output = Command::new("tar")
        .args(["-C", "/usr", "--exclude=__pycache__", "--exclude=test"])
        .args(["--exclude=config-3.11*", "-cf"])
        .arg(&archive)
        .args(["bin/python3.11", "lib/python3.11"])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    machine.write("/var/python.tar", std::fs::read(&archive)?)?;
    let stored = machine.ok(
        "mkdir /var/python && tar -C /var/python -xf /var/python.tar && nix-store --add /var/python",
    )?;
    let stored = stored.trim().to_owned();
    machine.ok(&format!(
        "rm -rf /var/python /var/python.tar; ln -s {stored}/bin/python3.11 {PYTHON}"
    ))?;
    Ok(stored)
}

impl Story {
    fn begin(cluster: Cluster, host: &'static str, wheel_of_uv: Option<&str>) -> Result<Self> {
        let hub = Hub::start(&cluster.world)?;
        let place = cluster.world.scratch().join("wheels");
        std::fs::create_dir_all(&place)?;
        let machine = cluster.machine(host);
        let uv = publish_uv(&hub)?["wheel"].take();
        let file = uv["path"].as_str().unwrap_or_default().to_owned();
        let bytes = std::fs::read(cluster.world.scratch().join("hub/files/uv").join(&file))?;
        let file = wheel_of_uv.map_or(file, str::to_owned);
        machine.write(&format!("/srv/incoming/{file}"), bytes)?;
        let uv = json!({
            "wheel": { "path": file, "size": uv["size"], "sha256": uv["sha256"] },
            "directory": "/srv/incoming",
        });
        let tiny = wheel(&hub, &place, ("tiny", "1.0", None), 10)?;
        let newer = wheel(&hub, &place, ("tiny", "1.1", None), 10)?;
        let (first, second) = (project(&hub, &[&tiny]), project(&hub, &[&newer]));
        hub.trusted_by(machine)?;
        machine.write("/etc/deployctl/secrets/index", format!("{PASSWORD}\n"))?;
        hub.behave(&json!({ "login": format!("reader:{PASSWORD}") }))?;
        let stored = put_into_store(&cluster, machine)?;
        Ok(Self {
            hub,
            uv,
            first,
            second,
            host,
            cluster,
            stored,
        })
    }

    fn machine(&self) -> &Machine {
        self.cluster.machine(self.host)
    }

    fn declare(&self, project: &Project, version: &str) -> Result<()> {
        self.cluster.redeclare(self.host, |facts| {
            facts["python"] = json!({
                "uv": self.uv,
                "environments": { "tools": {
                    "path": "/opt/tools/current",
                    "imports": { "tiny": version },
                    "tensor": null,
                    "project": {
                        "pyproject": project.pyproject,
                        "lock": project.lock,
                        "python": PYTHON,
                        "credential": {
                            "server": self.cluster.world.address().to_string(),
                            "user": "reader",
                            "secret": "index",
                        },
                    },
                }},
            });
        })?;
        self.cluster.commit(version)
    }

    fn applies(&self, version: &str) -> Result<String> {
        self.cluster
            .deployctl(&["apply", self.host, "--yes", "--timeout", "30"])?
            .expect(0)
            .says("committed as generation");
        self.runs(version)?;
        self.cluster
            .deployctl(&["verify", self.host, "--only", "python"])?
            .expect(0)
            .says("python/tools/import/tiny")
            .says("python/tools/hashes");
        self.cluster
            .deployctl(&["plan", self.host, "--exit-code"])?
            .expect(0);
        Ok(self.machine().ok(IN_USE)?.trim().to_owned())
    }

    fn runs(&self, version: &str) -> Result<()> {
        let said = self.machine().ok("/opt/tools/current/bin/tiny")?;
        ensure!(said.trim() == format!("tiny {version}"), "{said}");
        Ok(())
    }

    /// The host has neither interpreter nor password, and its next system brings both; a unit of it waits for the environment.
    fn bare(&self, next: &Value) -> Result<()> {
        let secret = "/etc/deployctl/secrets/index";
        self.machine().ok(&format!("rm {PYTHON} {secret}"))?;
        let mut next = next.clone();
        next["activate"] = json!(format!(
            "if [ -e /usr/bin/find.gnu ]; then mv /usr/bin/find.gnu /usr/bin/find; fi
             ln -sfn {}/bin/python3.11 {PYTHON}
             umask 077; mkdir -p /etc/deployctl/secrets; echo {PASSWORD} >{secret}",
            self.stored
        ));
        self.cluster.declare_system(self.host, &next)
    }

    /// The first of two steps holds: the index is away, so what waits for the environment is not started. Then it is back.
    fn goes_half_way(&self) -> Result<()> {
        self.hub.behave(&json!({ "login": "reader:another" }))?;
        self.cluster
            .deployctl(&["apply", self.host, "--yes", "--timeout", "30"])?
            .expect(7)
            .says("committed as generation 1");
        let machine = self.machine();
        assert_eq!(machine.ok(RUNS)?.trim(), "inactive");
        machine.ok(&format!("test -h {PYTHON} && ! test -e /opt/tools/current"))?;
        self.hub
            .behave(&json!({ "login": format!("reader:{PASSWORD}") }))
    }

    /// Without the gate, the second step is committed.
    fn goes_the_rest(&self) -> Result<()> {
        self.cluster.redeclare(self.host, |facts| {
            facts.as_object_mut().map(|facts| facts.remove("extra"));
        })?;
        self.cluster.commit("no gate")?;
        self.cluster
            .deployctl(&["apply", self.host, "--yes", "--timeout", "30"])?
            .expect(0)
            .says("committed as generation 2");
        assert_eq!(self.machine().ok(RUNS)?.trim(), "active");
        self.runs("1.0")
    }

    /// The interpreter is in the store, held by these releases.
    fn is_held_by(&self, releases: &[&str]) -> Result<()> {
        let machine = self.machine();
        let roots = machine.ok(&format!("nix-store --query --roots {}", self.stored))?;
        let mut roots: Vec<&str> = roots
            .lines()
            .filter_map(|line| line.split(" -> ").next())
            .collect();
        roots.sort_unstable();
        let mut expected: Vec<String> = releases
            .iter()
            .map(|release| format!("/opt/tools/{release}.root"))
            .collect();
        expected.sort_unstable();
        assert_eq!(roots, expected);
        Ok(())
    }

    /// Two releases, a collection of Nix' own, a rollback, and the end of both.
    fn happens(&self) -> Result<()> {
        let machine = self.machine();
        self.declare(&self.first, "1.0")?;
        self.cluster
            .deployctl(&["stage", self.host])?
            .expect(0)
            .says("staged: 1 artifact");
        machine.ok(&format!(
            "! test -e /opt/tools/current && ! grep -rqs {PASSWORD} /var/lib/deployctl /var/log /run"
        ))?;
        let first = self.applies("1.0")?;
        self.is_held_by(&[&first])?;
        self.declare(&self.second, "1.1")?;
        let second = self.applies("1.1")?;
        self.is_held_by(&[&first, &second])?;

        // The system has another interpreter by now, and Nix removes what nothing holds.
        machine.ok(&format!("rm {PYTHON} && nix-store --gc"))?;
        self.runs("1.1")?;
        self.cluster
            .deployctl(&["rollback", self.host, "--to", "1", "--yes"])?
            .expect(0);
        self.runs("1.0")?;
        machine.ok(&format!(
            "readlink -f /opt/tools/current/bin/python | grep -q ^{}/",
            self.stored
        ))?;

        self.cluster.redeclare(self.host, |facts| {
            facts.as_object_mut().map(|facts| facts.remove("python"));
        })?;
        self.cluster.commit("no environment")?;
        self.cluster
            .deployctl(&["apply", self.host, "--yes", "--timeout", "30"])?
            .expect(0);
        self.cluster
            .deployctl(&["gc", self.host, "--yes"])?
            .expect(0)
            .says(&first);
        self.is_held_by(&[])?;
        machine.ok(&format!(
            "nix-store --gc --print-dead | grep -qx {}",
            self.stored
        ))?;
        self.hub.asked()?;
        Ok(())
    }
}

#[test]
fn an_environment_on_nixos_keeps_its_interpreter() -> Result<()> {
    let cluster = installed_as(&MachineSpec::new("web"), &system("1"))?;
    Story::begin(cluster, "web", None)?.happens()
}

#[test]
fn an_environment_on_a_mac_keeps_its_interpreter() -> Result<()> {
    let cluster = installed_mac(&closures_darwin::system("1"))?;
    let wheel = "uv-0.13.9-py3-none-macosx_11_0_x86_64.whl";
    Story::begin(cluster, "mac", Some(wheel))?.happens()
}

/// A system with a unit that waits for the environment, as what is wanted by `multi-user.target` does on a real `NixOS`.
fn with_reader(version: &str) -> Value {
    let mut system = system(version);
    system["units"]["reader.service"] = json!(
        "[Unit]\nDescription=reads\nConditionPathExists=/opt/tools/current/bin/tiny\n\n[Service]\nExecStart=/bin/sh -c '/opt/tools/current/bin/tiny >/run/reader.said; exec sleep infinity'\n"
    );
    system
}

const RUNS: &str = "systemctl is-active reader.service || true";

/// A host whose next system brings all that the environment needs, and the unit that waits for it.
fn bare_with_reader() -> Result<Story> {
    let cluster = installed_as(&MachineSpec::new("web"), &system("1"))?;
    let story = Story::begin(cluster, "web", None)?;
    story
        .machine()
        .ok("mkdir -p /etc/systemd/system/multi-user.target.wants
         ln -s ../reader.service /etc/systemd/system/multi-user.target.wants/")?;
    story.declare(&story.first, "1.0")?;
    story.bare(&with_reader("2"))?;
    Ok(story)
}

#[test]
fn a_system_brings_what_an_environment_is_made_with() -> Result<()> {
    let story = bare_with_reader()?;
    let (cluster, machine) = (&story.cluster, story.machine());
    let apply = ["apply", "web", "--yes", "--timeout", "30"];
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("in a second step: all else is applied first: this needs")
        .says("multi-user.target");

    story.goes_half_way()?;

    // A gate of the second step fails: what it started is stopped, and the link goes.
    let gate = json!({ "checks": { "said": {
        "command": "cat /run/reader.said",
        "status": 0,
        "contains": ["tiny 2.0"],
        "deadline_seconds": 5,
        "retries": 0,
        "gate": true,
    }}});
    cluster.redeclare("web", |facts| facts["extra"] = gate)?;
    cluster.commit("a gate")?;
    cluster
        .deployctl(&apply)?
        .expect(5)
        .says("extra/check/said");
    assert_eq!(machine.ok("cat /run/reader.said")?, "tiny 1.0\n");
    assert_eq!(machine.ok(RUNS)?.trim(), "inactive");
    machine.ok("! test -e /opt/tools/current")?;

    story.goes_the_rest()?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    Ok(())
}

#[test]
fn a_reboot_in_the_second_step_puts_back_that_step_alone() -> Result<()> {
    let story = bare_with_reader()?;
    let (cluster, machine) = (&story.cluster, story.machine());
    story.goes_half_way()?;
    let gate = json!({ "checks": { "slow": {
        "command": "sleep 8; echo done",
        "status": 0,
        "contains": ["done"],
        "deadline_seconds": 10,
        "retries": 0,
        "gate": true,
    }}});
    cluster.redeclare("web", |facts| facts["extra"] = gate)?;
    cluster.commit("a gate that takes long")?;
    let mut controller = cluster
        .command(&["apply", "web", "--yes", "--timeout", "300"])
        .spawn()?;
    machine.wait_until(
        Duration::from_secs(90),
        "test -e /run/reader.said && systemctl is-active -q reader.service",
    )?;
    controller.kill()?;
    controller.wait()?;
    machine.reboot()?;
    machine.wait_until(
        Duration::from_secs(60),
        "systemctl is-active -q multi-user.target && ! test -e /var/lib/deployctl/lease",
    )?;
    // The first step holds, and what waits for the environment was neither started nor stopped by force.
    machine.ok(&format!(
        "test -h {PYTHON} && ! test -e /opt/tools/current && ! test -e /run/reader.said"
    ))?;
    assert_eq!(machine.ok(RUNS)?.trim(), "inactive");
    assert_eq!(machine.ok("cat /var/lib/deployctl/generation")?.trim(), "1");
    assert_eq!(
        machine.ok("systemctl list-units --state=failed --plain --no-legend")?,
        ""
    );

    story.goes_the_rest()
}

#[test]
fn an_apply_to_a_bare_mac_goes_in_two_steps() -> Result<()> {
    let cluster = installed_mac(&closures_darwin::system("1"))?;
    let wheel = "uv-0.13.9-py3-none-macosx_11_0_x86_64.whl";
    let story = Story::begin(cluster, "mac", Some(wheel))?;
    story.declare(&story.first, "1.0")?;
    story.bare(&closures_darwin::system("2"))?;
    // As macOS has it.
    let find =
        "#!/bin/sh\ncase \"$*\" in *-printf*) exit 1 ;; esac\nexec /usr/bin/find.gnu \"$@\"\n";
    let machine = story.machine();
    machine.ok("mv /usr/bin/find /usr/bin/find.gnu")?;
    machine.write("/usr/bin/find", find)?;
    machine.ok("chmod 755 /usr/bin/find")?;
    story
        .cluster
        .deployctl(&["plan", "mac"])?
        .expect(0)
        .says("GNU's `find` and `stat`");
    story
        .cluster
        .deployctl(&["apply", "mac", "--yes", "--timeout", "30"])?
        .expect(0)
        .says("committed as generation 2");
    story.runs("1.0")?;
    story
        .cluster
        .deployctl(&["plan", "mac", "--exit-code"])?
        .expect(0);
    Ok(())
}

//! Environments of Python that the real uv makes with an interpreter of the store of Nix, which is real and keeps that as long as
//! a release needs it: on a stand-in for NixOS, and on one for a Mac, where the wheel of uv, its packages and the interpreter are
//! those of Linux. The interpreter is Debian's, put into the store.

use std::process::Command;

use anyhow::{Result, ensure};
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::{Value, json};

use crate::closures::{installed_as, installed_mac, system};
use crate::closures_darwin;
use crate::cluster::Cluster;
use crate::environments::{PASSWORD, Project, project, publish_uv, wheel};
use crate::hub::Hub;

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

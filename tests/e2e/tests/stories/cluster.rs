//! A repository of the test's own, whose hosts are real machines, and deployctl run in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{Machine, MachineSpec, World};
use serde_json::{Value, json};

/// A world of machines and the repository that declares them.
pub(crate) struct Cluster {
    pub(crate) machines: Vec<Machine>,
    pub(crate) world: World,
    repo: PathBuf,
}

/// How a run of deployctl ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs `command` to its end.
    pub(crate) fn of(command: &mut Command) -> Result<Self> {
        let output = command.output().context("deployctl did not start")?;
        Ok(Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Fails the story unless the run ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails the story unless what the user sees, on either stream, holds `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "`{text}` is missing\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Returns standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{}", self.stdout))
    }
}

impl Cluster {
    /// Boots one machine per spec and declares each under its own name, with the facts of [`facts`].
    pub(crate) fn boot(specs: &[MachineSpec]) -> Result<Self> {
        let world = World::new()?;
        let machines = world.boot_all(specs)?;
        let repo = world.scratch().join("repo");
        let hosts = repo.join("hosts");
        fs::create_dir_all(&hosts)?;
        // As who starts a cluster of their own has them: a flake sees nothing outside of itself.
        for reader in ["default.nix", "inventory.nix"] {
            let from = source("modules/flake/template/hosts").join(reader);
            fs::copy(from, hosts.join(reader))?;
        }
        fs::write(
            repo.join("flake.nix"),
            "{ outputs = _: { inventory = import ./hosts; }; }\n",
        )?;
        symlink(source("modules"), repo.join("modules"))?;
        let cluster = Self {
            machines,
            world,
            repo,
        };
        let key = fs::read_to_string(cluster.world.home().join(".ssh/id_ed25519.pub"))?;
        cluster.declare_cluster(&json!({
            "cluster": {
                "name": "test",
                "operators": { "operator": { "keys": [key.trim()] } },
                "links": {},
                "findings": [],
            },
            "defaults": {},
        }))?;
        for machine in &cluster.machines {
            cluster.declare(machine.name(), &facts(machine))?;
        }
        Ok(cluster)
    }

    /// The machine with this name.
    pub(crate) fn machine(&self, name: &str) -> &Machine {
        self.machines
            .iter()
            .find(|machine| machine.name() == name)
            .expect("the story booted it")
    }

    /// Gives the repository the concerns of `tests/fixtures/strangers`, in the place of the project's own modules.
    pub(crate) fn bring_strangers(&self) -> Result<()> {
        let modules = self.repo.join("modules");
        if modules.is_symlink() {
            fs::remove_file(&modules)?;
        }
        let from = source("tests/fixtures/strangers");
        let mut copy = Command::new("cp");
        let copied = copy.arg("-r").arg(from).arg(&modules).status()?;
        ensure!(copied.success(), "the strangers were not copied");
        Ok(())
    }

    /// Writes the facts of a host.
    pub(crate) fn declare(&self, host: &str, facts: &Value) -> Result<()> {
        self.write(&format!("hosts/{host}"), facts)
    }

    /// Changes the facts of a host.
    pub(crate) fn redeclare(&self, host: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut facts = self.facts(host)?;
        change(&mut facts);
        self.declare(host, &facts)
    }

    /// Declares the networks that the machines share.
    pub(crate) fn declare_links(&self, links: &Value) -> Result<()> {
        self.redeclare_cluster(|cluster| cluster["links"] = links.clone())
    }

    /// Declares the values that only some hosts may read.
    pub(crate) fn declare_secrets(&self, secrets: &Value) -> Result<()> {
        self.redeclare_cluster(|cluster| cluster["secrets"] = secrets.clone())
    }

    /// Changes the facts of the cluster.
    pub(crate) fn redeclare_cluster(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let text = fs::read_to_string(self.repo.join("hosts/cluster.json"))?;
        let mut cluster: Value = serde_json::from_str(&text)?;
        change(&mut cluster["cluster"]);
        self.declare_cluster(&cluster)
    }

    /// The facts of a host as declared.
    pub(crate) fn facts(&self, host: &str) -> Result<Value> {
        let text = fs::read_to_string(self.repo.join(format!("hosts/{host}/facts.json")))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// A file of the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.repo.join(relative)
    }

    fn declare_cluster(&self, value: &Value) -> Result<()> {
        fs::write(
            self.repo.join("hosts/cluster.json"),
            serde_json::to_string_pretty(value)?,
        )?;
        fs::write(
            self.repo.join("hosts/cluster.nix"),
            "builtins.fromJSON (builtins.readFile ./cluster.json)\n",
        )?;
        Ok(())
    }

    fn write(&self, folder: &str, facts: &Value) -> Result<()> {
        let folder = self.repo.join(folder);
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join("facts.json"),
            serde_json::to_string_pretty(facts)?,
        )?;
        fs::write(
            folder.join("default.nix"),
            "builtins.fromJSON (builtins.readFile ./facts.json)\n",
        )?;
        Ok(())
    }

    /// deployctl with these arguments, in the repository and the world's network.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.controller(deployctl());
        command.env("DEPLOYCTL_HOSTPROBE", hostprobe());
        command
            .args(arguments)
            .current_dir(&self.repo)
            .stdin(Stdio::null());
        command
    }

    /// Runs deployctl to its end.
    pub(crate) fn deployctl(&self, arguments: &[&str]) -> Result<Run> {
        Run::of(&mut self.command(arguments))
    }

    /// Adopts every machine, by the fingerprint of the key that it really has.
    pub(crate) fn adopt_all(&self) -> Result<()> {
        for machine in &self.machines {
            let line = machine.ok("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
            let fingerprint = line.split_whitespace().nth(1).context("no fingerprint")?;
            let run = self.deployctl(&["adopt", machine.name(), "--fingerprint", fingerprint])?;
            ensure!(run.code == 0, "adopt failed: {run:?}");
        }
        Ok(())
    }
}

/// The binary under test, built beside this test.
pub(crate) fn deployctl() -> PathBuf {
    if let Some(path) = std::env::var_os("DEPLOYCTL_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let target = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let binary = target.join("deployctl");
    assert!(
        binary.exists(),
        "`{}` is missing: cargo build -p deployctl",
        binary.display()
    );
    binary
}

/// The probe that is uploaded to machines: the static one of `tests/run`, or the one beside this test, for the
/// machines are of this computer's Debian.
fn hostprobe() -> PathBuf {
    let built = std::env::var_os("DEPLOYCTL_HOSTPROBE").map(PathBuf::from);
    built.unwrap_or_else(|| deployctl().with_file_name("hostprobe"))
}

fn source(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(relative)
}

/// Facts of a machine as small as they can be: nothing is managed yet.
pub(crate) fn facts(machine: &Machine) -> Value {
    json!({
        "description": "a test machine",
        "platform": "ubuntu",
        "architecture": "x86_64",
        "tags": ["test"],
        "os": { "id": "debian", "version": "12" },
        "connection": {
            "address": machine.address().to_string(),
            "port": 22,
            "user": "operator",
            "jump": null,
            "become": "sudo",
        },
        "hardware": {
            "board": "systemd-nspawn",
            "cpu": { "model": "shared", "cores": 1, "threads": 1 },
            "memory_gib": 1,
            "disks": [],
            "nics": [],
            "power_supply": null,
            "ups": null,
        },
    })
}

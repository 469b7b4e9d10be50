//! Machines whose systems Nix builds: what the closure stories share.
//!
//! Nix, its stores on both sides, the copy, profiles, roots and systemd are real. The *systems* are
//! stand-ins (`tests/e2e/stand-in`), for there is neither nixpkgs nor a Mac here.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// What the boot loader starts next, on a machine with a stand-in for `NixOS`.
pub(crate) const BOOT_DEFAULT: &str =
    "sed -n 's|.* init=\\(.*\\)/init .*|\\1|p' /boot/grub/grub.cfg";
/// What runs now.
pub(crate) const CURRENT: &str = "readlink /run/current-system";
/// What the next boot is meant to start.
pub(crate) const PROFILE: &str = "readlink -f /nix/var/nix/profiles/system";

/// Which system a host of `NixOS` runs now, is meant to run, and will boot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Systems {
    pub(crate) current: String,
    pub(crate) profile: String,
    pub(crate) boot: String,
}

impl Systems {
    /// The same in every respect.
    pub(crate) fn all(path: &str) -> Self {
        Self {
            current: path.to_owned(),
            profile: path.to_owned(),
            boot: path.to_owned(),
        }
    }
}

/// Which systems a machine has.
pub(crate) fn systems(machine: &Machine) -> Result<Systems> {
    let link = |script| Ok::<_, anyhow::Error>(machine.ok(script)?.trim().to_owned());
    Ok(Systems {
        current: link(CURRENT)?,
        profile: link(PROFILE)?,
        boot: link(BOOT_DEFAULT)?,
    })
}

/// A system that runs one service `alpha`, in the version of the system.
pub(crate) fn system(version: &str) -> Value {
    json!({
        "version": format!("26.05.{version}"),
        "packages": { "alpha": version },
        "units": { "alpha.service": service("@alpha@/bin/alpha") },
        "files": { "alpha.conf": format!("version = {version}\n") },
    })
}

/// A service that runs `command` for ever.
pub(crate) fn service(command: &str) -> String {
    format!("[Unit]\nDescription=story service\n\n[Service]\nExecStart={command}\n")
}

/// A `NixOS` machine `web`, adopted, that runs `system("1")` and has never seen deployctl.
pub(crate) fn installed() -> Result<Cluster> {
    installed_as(&MachineSpec::new("web"), &system("1"))
}

/// A `NixOS` machine of this kind, adopted, that runs `first`.
pub(crate) fn installed_as(spec: &MachineSpec, first: &Value) -> Result<Cluster> {
    let spec = spec
        .clone()
        .file("/etc/NIXOS", "")
        .file("/usr/lib/os-release", os_release("nixos", "26.05"))
        .file(
            "/usr/local/lib/stand-in/boot",
            read("stand-in/nixos/stage-2")?,
        )
        .file(
            "/etc/systemd/system/stand-in-boot.service",
            read("stand-in/nixos/stage-2.service")?,
        );
    install(
        &spec,
        &json!({ "platform": "nixos", "os": { "id": "nixos", "version": "26.05" } }),
        first,
        "bin/switch-to-configuration boot",
    )
}

/// A machine `mac` like one of nix-darwin, adopted, that runs `first`.
pub(crate) fn installed_mac(first: &Value) -> Result<Cluster> {
    let mut spec = MachineSpec::new("mac")
        .file("/usr/lib/os-release", os_release("macos", "26.1"))
        .file("/System/Library/LaunchDaemons/.exists", "")
        .file("/Library/LaunchDaemons/.exists", "")
        .file(
            "/usr/local/lib/stand-in/boot",
            read("stand-in/darwin/boot")?,
        )
        .file(
            "/etc/systemd/system/stand-in-boot.service",
            read("stand-in/darwin/boot.service")?,
        );
    for (path, stand_in) in [
        ("/usr/bin/launchctl", "launchctl"),
        ("/usr/sbin/networksetup", "record"),
        ("/usr/bin/pmset", "record"),
        ("/usr/bin/sw_vers", "sw_vers"),
        ("/usr/sbin/sysctl", "sysctl"),
    ] {
        spec = spec.program(path, read(&format!("stand-in/darwin/bin/{stand_in}"))?);
    }
    install(
        &spec,
        &json!({ "platform": "darwin", "os": { "id": "macos", "version": "26" } }),
        first,
        "activate",
    )
}

/// Boots a machine with Nix, gives it `first` by `program` of that system, and adopts it.
fn install(spec: &MachineSpec, facts: &Value, first: &Value, program: &str) -> Result<Cluster> {
    let cluster = boot(spec, facts)?;
    let machine = &cluster.machines[0];
    let name = machine.name().to_owned();
    cluster.declare_system(&name, first)?;
    let toplevel = cluster.build(&name)?;
    cluster.copy(machine, &toplevel)?;
    machine.ok(&format!(
        "nix-env -p /nix/var/nix/profiles/system --set {toplevel}
         {toplevel}/{program}
         systemctl -q enable stand-in-boot
         systemctl start stand-in-boot"
    ))?;
    cluster.adopt_all()?;
    cluster.commit("adopted")?;
    Ok(cluster)
}

/// Boots a Nix machine that deployctl reaches as root, and declares it.
fn boot(spec: &MachineSpec, platform: &Value) -> Result<Cluster> {
    // Nix makes it at its first run; the world's own is mounted over it.
    fs::create_dir_all("/nix").context("failed to create `/nix`")?;
    let cluster = Cluster::boot(&[spec.clone().base(Base::Nix)])?;
    let config = cluster.world.home().join(".config/nix/nix.conf");
    fs::create_dir_all(config.parent().context("a file has a folder")?)?;
    // A controller as it is: its own user's settings, no network.
    fs::write(
        config,
        "sandbox = false\nbuild-users-group =\nsubstituters =\n",
    )?;
    fs::write(cluster.path("flake.nix"), read("stand-in/flake.nix")?)?;
    // A flake sees nothing outside of its folder.
    fs::remove_file(cluster.path("modules"))?;
    for (from, to) in [
        ("stand-in", "stand-in"),
        ("../../modules/evaluate", "stand-in/evaluate"),
    ] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        let mut copy = Command::new("cp");
        let copied = copy.arg("-r").args([from, cluster.path(to)]).status()?;
        ensure!(copied.success(), "`{to}` was not copied");
    }
    cluster.git(&["init", "-q"])?;
    cluster.redeclare(cluster.machines[0].name(), |facts| {
        for key in ["platform", "os"] {
            facts[key] = platform[key].clone();
        }
        facts["connection"]["user"] = json!("root");
        facts["connection"]["become"] = json!("none");
        facts["nix"] = json!({
            "state_version": if platform["platform"] == "darwin" { "6" } else { "26.05" },
            "build_on": "controller",
            "substitute": false,
            "compress": false,
            "substituters": [],
            "trusted_public_keys": [],
        });
    })?;
    Ok(cluster)
}

/// What a stand-in machine says that it is.
fn os_release(id: &str, version: &str) -> String {
    format!("ID={id}\nVERSION_ID=\"{version}\"\nPRETTY_NAME=\"a stand-in\"\n")
}

impl Cluster {
    /// Declares the system of a host, committed.
    pub(crate) fn declare_system(&self, host: &str, system: &Value) -> Result<()> {
        fs::create_dir_all(self.path("systems"))?;
        fs::write(
            self.path(&format!("systems/{host}.json")),
            serde_json::to_string_pretty(system)?,
        )?;
        self.commit("a system")
    }

    /// Commits everything there is.
    pub(crate) fn commit(&self, message: &str) -> Result<()> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", message])
    }

    fn git(&self, arguments: &[&str]) -> Result<()> {
        let output = self
            .world
            .controller("git")
            .args(["-c", "user.name=operator", "-c", "user.email=operator@test"])
            .args(arguments)
            .current_dir(self.path(""))
            .output()?;
        ensure!(output.status.success(), "git {arguments:?}: {output:?}");
        Ok(())
    }

    /// Nix on the controller, with its newer commands.
    pub(crate) fn nix(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .world
            .controller("nix")
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(arguments)
            .current_dir(self.path(""))
            .output()?;
        ensure!(output.status.success(), "nix {arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Builds what a host of either platform is declared to run, without deployctl.
    pub(crate) fn build(&self, host: &str) -> Result<String> {
        let attribute = match self.facts(host)?["platform"].as_str() {
            Some("darwin") => format!("darwinConfigurations.{host}.system"),
            _ => format!("nixosConfigurations.{host}.config.system.build.toplevel"),
        };
        let flake = format!("{}#{attribute}", self.path("").display());
        let built = self.nix(&["build", "--no-link", "--json", &flake])?;
        let built: Value = serde_json::from_str(&built)?;
        let path = built[0]["outputs"]["out"].as_str().context("no output")?;
        Ok(path.to_owned())
    }

    /// Copies a closure to a machine, without deployctl.
    pub(crate) fn copy(&self, machine: &Machine, path: &str) -> Result<()> {
        let known_hosts = self.world.home().join(".ssh/known_hosts");
        fs::write(&known_hosts, machine.ssh_access().known_hosts_line())?;
        let store = format!("ssh-ng://root@{}", machine.address());
        self.nix(&["copy", "--no-check-sigs", "--to", &store, path])?;
        Ok(fs::remove_file(known_hosts)?)
    }
}

fn read(relative: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(relative);
    fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))
}

/// The stand-in systems themselves, without deployctl.
#[test]
fn the_stand_in_keeps_the_contract_of_switch_to_configuration() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = web.ok(CURRENT)?;
    assert_eq!(web.ok(BOOT_DEFAULT)?, first);
    assert_eq!(web.ok(PROFILE)?, first);
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 1\n");
    web.ok("systemctl is-active alpha")?;

    let next = |change: &dyn Fn(&mut serde_json::Value)| -> Result<String> {
        let mut declared = system("2");
        change(&mut declared);
        cluster.declare_system("web", &declared)?;
        let path = cluster.build("web")?;
        cluster.copy(web, &path)?;
        Ok(path)
    };
    let switch = |path: &str, action: &str| {
        web.exec(&format!("{path}/bin/switch-to-configuration {action}"))
    };

    let second = next(&|_| ())?;
    assert_eq!(switch(&second, "")?.code, 1);
    let dry = switch(&second, "dry-activate")?;
    assert_eq!(dry.code, 0);
    assert_eq!(
        dry.stderr,
        "would activate the configuration...\nwould restart the following units: alpha.service\n"
    );
    assert_eq!(switch(&second, "check")?.code, 0);
    assert_eq!(web.ok(CURRENT)?, first, "neither changes anything");

    let locked = web.exec(&format!(
        "flock /run/nixos/switch-to-configuration.lock {second}/bin/switch-to-configuration test"
    ))?;
    assert_eq!(locked.code, 1, "{locked:?}");
    assert!(locked.stderr.contains("Could not acquire lock"));

    assert_eq!(switch(&second, "test")?.code, 0);
    assert_eq!(web.ok(CURRENT)?.trim(), second);
    assert_eq!(
        web.ok(BOOT_DEFAULT)?,
        first,
        "only `boot` and `switch` move it"
    );
    let program = web.ok("systemctl show -P ExecStart alpha")?;
    assert!(program.contains("alpha-2"), "{program}");

    // What a test leaves behind is gone after a reboot.
    web.reboot()?;
    assert_eq!(web.wait_for_systemd()?, "running");
    assert_eq!(web.ok(CURRENT)?, first);
    assert_eq!(web.ok("readlink /run/booted-system")?, first);
    web.ok("systemctl is-active alpha")?;

    let fails = next(&|declared| declared["activate"] = json!("echo no; exit 7"))?;
    assert_eq!(switch(&fails, "test")?.code, 2);
    assert_eq!(web.ok(CURRENT)?.trim(), fails, "as in the real one");
    let unit = next(&|declared| {
        declared["units"]["beta.service"] =
            json!("[Service]\nType=oneshot\nExecStart=/bin/false\n");
    })?;
    assert_eq!(switch(&unit, "test")?.code, 4);
    let init = next(&|declared| declared["init"] = json!("systemd 300"))?;
    assert_eq!(switch(&init, "test")?.code, 100);
    let bootloader = next(&|declared| declared["bootloader"] = json!("exit 1"))?;
    assert_eq!(switch(&bootloader, "boot")?.code, 1);
    assert_eq!(web.ok(BOOT_DEFAULT)?, first);
    assert_eq!(switch(first.trim(), "test")?.code, 0);
    assert_eq!(web.ok(CURRENT)?, first);
    Ok(())
}

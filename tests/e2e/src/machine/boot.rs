//! Switching a machine on and off.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Machine, PATIENCE, PAUSE, wait};
use crate::output::run;

/// Boots a machine until it no longer wants to be rebooted.
const BOOT_LOOP: &str = include_str!("../../boot-loop");

impl Machine {
    /// Switches the machine on and waits until it lets people log in. It has the disk it had, and
    /// its cable is plugged in.
    pub fn power_on(&self) -> Result<()> {
        let mut boot_loop = self.boot_loop();
        if boot_loop.is_some() {
            bail!("machine `{}` is on already", self.name);
        }
        *boot_loop = Some(self.spawn()?);
        drop(boot_loop);
        self.wait_for_reboot(0)
    }

    /// Pulls the plug: every process of the machine is killed at once. Its disk stays, with all
    /// that was written to it (what the machine did not sync is not lost, unlike in a real one).
    pub fn power_off(&self) -> Result<()> {
        let Some(mut boot_loop) = self.boot_loop().take() else {
            return Ok(());
        };
        let group = self.group();
        let told = |event: &'static str| {
            let events = fs::read_to_string(group.join("cgroup.events"))?;
            Ok(events.contains(event).then_some(()))
        };
        // All of them stop before systemd ends: one that saw it die would write that down, as after no power cut.
        if let Some(leader) = leader(boot_loop.id()) {
            kill_shells(leader)?;
        }
        fs::write(group.join("cgroup.freeze"), "1")?;
        wait(PATIENCE, PAUSE, || told("frozen 1")).context("processes of the machine go on")?;
        fs::write(group.join("cgroup.kill"), "1")
            .with_context(|| format!("failed to kill machine `{}`", self.name))?;
        boot_loop.wait()?;
        wait(PATIENCE, PAUSE, || told("populated 0"))
            .context("processes of the machine survive SIGKILL")?;
        fs::write(group.join("cgroup.freeze"), "0")?;
        Ok(())
    }

    /// Reboots the machine as its administrator would, and waits until it lets people log in.
    pub fn reboot(&self) -> Result<()> {
        let before = self.leader()?;
        self.ok("systemctl reboot")?;
        self.wait_for_reboot(before)
    }

    /// Returns this boot's PID 1, as this computer numbers it: a new one after every reboot.
    pub fn leader(&self) -> Result<u32> {
        let boot_loop = self.boot_loop();
        let boot_loop = boot_loop.as_ref().context("the machine is off")?;
        leader(boot_loop.id()).context("the machine is rebooting")
    }

    /// Waits for the end of a reboot that something else began; `before` is what
    /// [`Machine::leader`] was.
    pub fn wait_for_reboot(&self, before: u32) -> Result<()> {
        wait(PATIENCE, PAUSE, || {
            let mut boot_loop = self.boot_loop();
            let boot_loop = boot_loop.as_mut().context("the machine is off")?;
            if let Some(status) = boot_loop.try_wait()? {
                bail!("the machine went off: {status}\n{}", self.console()?);
            }
            Ok(leader(boot_loop.id()).filter(|leader| *leader != before))
        })
        .context("the machine has no new PID 1")?;
        self.wait_for_login()
    }

    /// Waits until systemd has no more to do, and returns its state: `running`, or `degraded` when
    /// a unit has failed.
    pub fn wait_for_systemd(&self) -> Result<String> {
        let output = self.exec("timeout 30 systemctl is-system-running --wait")?;
        Ok(output.stdout.trim_end().to_owned())
    }

    /// Waits until sshd shows this machine's key, and everybody may log in.
    pub fn wait_for_login(&self) -> Result<()> {
        self.plug_nics()?;
        let address = self.address.to_string();
        wait(PATIENCE, PAUSE, || {
            let mut scan = self.site.in_netns();
            scan.args(["ssh-keyscan", "-T", "1", "-t", "ed25519", &address]);
            let output = run(&mut scan, b"")?;
            Ok(output.stdout.contains(&self.host_key).then_some(()))
        })
        .and_then(|()| {
            // As long as this file exists, PAM lets nobody in but root.
            wait(PATIENCE, PAUSE, || {
                Ok(self.exec("test ! -e /run/nologin")?.success().then_some(()))
            })
        })
        .with_context(|| match self.console() {
            Ok(console) => format!("nobody can log in; the console says:\n{console}"),
            Err(_) => "nobody can log in".to_owned(),
        })
    }

    /// Starts the boot loop, with nspawn in its own control group: two containers in one would take each other's
    /// processes for their own.
    fn spawn(&self) -> Result<std::process::Child> {
        let console = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("console"))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", BOOT_LOOP, "boot-loop"])
            .arg(self.group())
            .arg(format!("/run/netns/{}", self.site.netns()))
            .arg(self.link())
            .args(["systemd-nspawn", "--quiet", "--boot", "--console=pipe"])
            .args(["--register=no", "--keep-unit", "--network-bridge=br0"])
            .arg(format!("--machine={}", self.id))
            .arg(format!("--hostname={}", self.name))
            .arg(format!("--directory={}", self.root().display()))
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            // Ctrl-C is for the test, which then switches its machines off itself.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console);
        for (number, nic) in self.nics.iter().enumerate() {
            command.arg(format!(
                "--network-veth-extra={}:{nic}",
                self.nic_link(number)
            ));
        }
        for capability in &self.capabilities {
            command.arg(format!("--capability={capability}"));
        }
        let child = command.spawn().context("failed to run `systemd-nspawn`")?;
        Ok(child)
    }

    /// Returns the controller's end of the machine's further cable `number`.
    fn nic_link(&self, number: usize) -> String {
        format!("x{number}-{}", self.id)
    }

    /// Plugs the machine's further cables into the second bridge; nspawn makes them anew at every
    /// boot, and leaves them lying about.
    pub(super) fn plug_nics(&self) -> Result<()> {
        for number in 0..self.nics.len() {
            let link = self.nic_link(number);
            wait(Duration::from_secs(5), PAUSE, || {
                Ok(self
                    .site
                    .ip(&format!("link set {link} mtu 9216 master br1 up"))
                    .ok())
            })
            .with_context(|| format!("there is no interface `{link}`"))?;
        }
        Ok(())
    }
}

/// Returns the process that is PID 1 inside the container: a child of nspawn, which is a child of
/// the boot loop.
pub(super) fn leader(boot_loop: u32) -> Option<u32> {
    children(boot_loop)
        .into_iter()
        .flat_map(children)
        .find(|child| {
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            status
                .lines()
                .any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
        })
}

/// Kills what [`Machine::shell`] has started and still runs, the oldest first: it is in no control group of the machine, and
/// would go on until PID 1 has ended.
fn kill_shells(leader: u32) -> Result<()> {
    let namespace = fs::read_link(format!("/proc/{leader}/ns/pid"))?;
    let inside = |process: u32| {
        let group = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
        fs::read_link(format!("/proc/{process}/ns/pid")).is_ok_and(|it| it == namespace)
            && !group.contains("/dctl-")
    };
    let mut shells: Vec<u32> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process| inside(*process))
        .collect();
    shells.sort_unstable();
    if !shells.is_empty() {
        let shells = shells.iter().map(u32::to_string);
        // One may have ended by itself.
        Command::new("kill").arg("-KILL").args(shells).output()?;
    }
    Ok(())
}

fn children(process: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

//! One machine: its disk, its boots, how it is reached by ssh, and the ways to look at it from outside.

mod boot;
mod disk;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::output::{Output, run, stdout_of};
use crate::spec::MachineSpec;
use crate::world::Site;

/// How long a machine may take to boot, to shut down, or to say something.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked whether it is there.
const PAUSE: Duration = Duration::from_millis(50);

/// A machine that was booted in a [`crate::World`]; dropped with its world, or before it.
#[derive(Debug)]
pub struct Machine {
    site: Arc<Site>,
    name: String,
    /// The world's id and the machine's number: short enough for the name of an interface.
    id: String,
    address: Ipv4Addr,
    host_key: String,
    nics: Vec<String>,
    capabilities: Vec<String>,
    dir: PathBuf,
    /// What keeps the machine up while it is switched on.
    boot_loop: Mutex<Option<Child>>,
}

impl Machine {
    /// Makes the machine's disk and boots it.
    pub(crate) fn boot(site: &Arc<Site>, spec: &MachineSpec) -> Result<Self> {
        let number = site.next_machine();
        let id = format!("{}-{number}", site.id);
        let dir = site.dir.join(&id);
        let address = Ipv4Addr::new(10, 231, 0, 10 + number);
        let host_key = disk::make(site, spec, &dir, address)?;
        let machine = Self {
            site: Arc::clone(site),
            name: spec.name.clone(),
            id,
            address,
            host_key,
            nics: spec.nics.clone(),
            capabilities: spec.capabilities.clone(),
            dir,
            boot_loop: Mutex::new(None),
        };
        machine.power_on()?;
        Ok(machine)
    }

    /// Returns the host name it was booted with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its address on the world's bridge.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns what is needed to log in.
    pub fn ssh_access(&self) -> SshAccess {
        SshAccess {
            address: self.address,
            port: 22,
            key: self.site.key(),
            host_key: self.host_key.clone(),
        }
    }

    /// Returns the command that runs `script` by `/bin/sh` as root on the machine, without ssh, so
    /// also with the link cut. When the machine is off, it runs on the machine's disk.
    ///
    /// Whatever it leaves running should be a unit (`systemd-run`), for it is not among the
    /// machine's own control groups.
    pub fn shell(&self, script: &str) -> Command {
        let mut command;
        if let Some(boot_loop) = &*self.boot_loop() {
            // In the middle of a reboot there is no such process; then the command fails, as it
            // would over ssh.
            let leader = boot::leader(boot_loop.id()).unwrap_or(0);
            command = Command::new("nsenter");
            command.arg(format!("--target={leader}"));
            command.args(["-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wd"]);
        } else {
            command = Command::new("chroot");
            command.arg(self.root());
        }
        command.args(["/bin/sh", "-c", script]).env_clear().envs([
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
        ]);
        command
    }

    /// Runs `script` as root on the machine; see [`Machine::shell`].
    pub fn exec(&self, script: &str) -> Result<Output> {
        run(&mut self.shell(script), b"")
    }

    /// Runs `script` as root on the machine and returns its standard output; anything but exit
    /// code 0 is an error.
    pub fn ok(&self, script: &str) -> Result<String> {
        stdout_of(&mut self.shell(script)).with_context(|| format!("on machine `{}`", self.name))
    }

    /// Runs `script` over ssh as `user`, from the controller's side.
    pub fn ssh(&self, user: User, script: &str) -> Result<Output> {
        let known_hosts = self.dir.join("known_hosts");
        let mut command = self.site.in_netns();
        command
            .arg("ssh")
            .args(self.ssh_access().arguments(&known_hosts.to_string_lossy()))
            .args([&format!("{}@{}", user.name(), self.address), script]);
        run(&mut command, b"")
    }

    /// Returns the content of a file.
    pub fn read(&self, path: &str) -> Result<String> {
        self.ok(&format!("cat {}", quote(path)))
    }

    /// Writes a file (mode 0644 when it is new), and the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = quote(path);
        let script = format!("mkdir -p \"$(dirname {path})\" && cat >{path}");
        let output = run(&mut self.shell(&script), content.as_ref())?;
        if !output.success() {
            bail!(
                "failed to write {path} on `{}`: {}",
                self.name,
                output.stderr
            );
        }
        Ok(())
    }

    /// Tells whether there is something, of whatever kind, at `path`.
    pub fn exists(&self, path: &str) -> Result<bool> {
        let path = quote(path);
        Ok(self
            .exec(&format!("test -e {path} || test -L {path}"))?
            .success())
    }

    /// Runs `probe` on the machine every 100 ms until it succeeds; an error after `patience`.
    pub fn wait_until(&self, patience: Duration, probe: &str) -> Result<()> {
        wait(patience, Duration::from_millis(100), || {
            Ok(self.exec(probe)?.success().then_some(()))
        })
        .with_context(|| format!("`{probe}` never succeeded on machine `{}`", self.name))
    }

    /// Unplugs the machine's cable, at the controller's end. The machine runs on.
    pub fn cut_link(&self) -> Result<()> {
        self.site.ip(&format!("link set {} down", self.link()))?;
        Ok(())
    }

    /// Plugs the cable back in.
    pub fn restore_link(&self) -> Result<()> {
        self.site.ip(&format!("link set {} up", self.link()))?;
        Ok(())
    }

    /// Returns what the machine wrote on its console since it was made.
    pub fn console(&self) -> Result<String> {
        let log = std::fs::read(self.dir.join("console"))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Returns the machine's disk, as a directory of this computer. Absolute links in it point out
    /// of it, so prefer [`Machine::read`] and [`Machine::write`].
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// Returns the controller's end of the machine's cable.
    fn link(&self) -> String {
        format!("vb-{}", self.id)
    }

    fn group(&self) -> PathBuf {
        unified_cgroup().join(format!("dctl-{}", self.id))
    }

    fn boot_loop(&self) -> MutexGuard<'_, Option<Child>> {
        self.boot_loop
            .lock()
            .expect("no holder of this lock panics")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::env::var_os("DEPLOYCTL_TESTS_KEEP").is_some() {
            return;
        }
        // The rest goes with the world.
        drop(self.power_off());
    }
}

/// Where version 2 of the control groups is mounted: alone, or beside version 1.
fn unified_cgroup() -> &'static Path {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        Path::new("/sys/fs/cgroup")
    } else {
        Path::new("/sys/fs/cgroup/unified")
    }
}

/// Returns `text` as one word of a shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Asks `probe` again and again until it has an answer; an error after `patience`.
fn wait<T>(
    patience: Duration,
    pause: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("gave up after {} s", patience.as_secs());
        }
        std::thread::sleep(pause);
    }
}

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// `root`, by key only.
    Root,
    /// `operator`, with what [`crate::Sudo`] says.
    Operator,
}

impl User {
    /// Returns the login name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Operator => "operator",
        }
    }
}

/// All that an inventory or an ssh configuration needs to know about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAccess {
    /// Its address on the world's bridge.
    pub address: Ipv4Addr,
    /// The port sshd listens on.
    pub port: u16,
    /// The private key that root and operator accept.
    pub key: PathBuf,
    /// The machine's public host key, as in `ssh_host_ed25519_key.pub` without the comment.
    pub host_key: String,
}

impl SshAccess {
    /// Returns the line of a `known_hosts` file that pins this machine.
    pub fn known_hosts_line(&self) -> String {
        format!("{} {}\n", self.address, self.host_key)
    }

    /// Returns the arguments of an ssh that believes nothing but this.
    pub(crate) fn arguments(&self, known_hosts: &str) -> Vec<String> {
        let option = |text: String| ["-o".to_owned(), text];
        let mut arguments = vec!["-F".to_owned(), "none".to_owned()];
        arguments.extend(option("BatchMode=yes".to_owned()));
        arguments.extend(option("IdentitiesOnly=yes".to_owned()));
        arguments.extend(option("StrictHostKeyChecking=yes".to_owned()));
        arguments.extend(option(format!("UserKnownHostsFile={known_hosts}")));
        arguments.extend(option("ConnectTimeout=5".to_owned()));
        arguments.push("-i".to_owned());
        arguments.push(self.key.to_string_lossy().into_owned());
        arguments.push("-p".to_owned());
        arguments.push(self.port.to_string());
        arguments
    }
}

//! A separate network with the machines and the controller.

use std::fs;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context as _, Result, bail};

use crate::machine::Machine;
use crate::output::stdout_of;
use crate::spec::{Base, MachineSpec};

/// Removes everything of a world; the same script cleans up after killed tests.
const SWEEP: &str = include_str!("../sweep");

/// A network namespace with a bridge, an ssh key, a home directory for the controller, and the
/// machines that were booted in it.
///
/// All of it is removed when the world and its machines are dropped, also when a test panics.
#[derive(Debug)]
pub struct World {
    site: Arc<Site>,
}

/// What the world and its machines share. The last of them to be dropped removes it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    machines: AtomicU8,
}

impl World {
    /// Makes an empty world. Needs root, and `systemd-nspawn`, `mmdebstrap`, `ip` and `ssh`.
    pub fn new() -> Result<Self> {
        sweep(&[]).context("failed to sweep what earlier tests left")?;
        let id = random_id()?;
        let dir = cache().join("worlds").join(&id);
        fs::create_dir_all(&dir)
            .with_context(|| format!("failed to create `{}`", dir.display()))?;
        let site = Site {
            id,
            dir,
            machines: AtomicU8::new(0),
        };
        site.furnish().context("failed to make a world")?;
        Ok(Self {
            site: Arc::new(site),
        })
    }

    /// Boots a machine and waits until it lets people log in.
    pub fn boot(&self, spec: &MachineSpec) -> Result<Machine> {
        Machine::boot(&self.site, spec)
            .with_context(|| format!("failed to boot machine `{}`", spec.name))
    }

    /// Boots several machines at the same time.
    pub fn boot_all(&self, specs: &[MachineSpec]) -> Result<Vec<Machine>> {
        std::thread::scope(|scope| {
            let starting: Vec<_> = specs
                .iter()
                .map(|spec| scope.spawn(move || self.boot(spec)))
                .collect();
            let booted: Vec<_> = starting
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect();
            booted.into_iter().collect()
        })
    }

    /// Returns the name of the network namespace, as `ip netns` knows it.
    pub fn ns(&self) -> String {
        self.site.netns()
    }

    /// Returns the controller's address, which is the machines' gateway.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 231, 0, 1)
    }

    /// Returns the controller's home directory, empty at first but for `.ssh` with a key and one line of `config`.
    pub fn home(&self) -> PathBuf {
        self.site.home()
    }

    /// Returns the controller's private key; the public one is beside it, with `.pub`.
    pub fn key(&self) -> PathBuf {
        self.site.key()
    }

    /// Returns a directory for what the test itself wants to keep while the world lives.
    pub fn scratch(&self) -> PathBuf {
        self.site.dir.join("scratch")
    }

    /// Returns a command that runs `program` as the controller: in the world's network, with the
    /// world's home and ssh key, and otherwise with an empty environment.
    ///
    /// ssh takes the user's directory from the password file, not from `HOME`; so the world's
    /// `.ssh` is also mounted over root's, visible to this process and its children only. So is a
    /// Nix store of the world's own, where there is a `/nix` at all: the computer's is not touched.
    pub fn controller(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.site.in_netns();
        command
            .args(["unshare", "--mount", "--propagation", "private", "sh", "-c"])
            .arg(
                "mount --bind \"$HOME/.ssh\" /root/.ssh && \
                 { [ ! -d /nix ] || mount --bind \"$HOME/../nix\" /nix; } && exec \"$@\"",
            )
            .arg("sh")
            .arg(program.as_ref())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", self.home())
            .env("USER", "root");
        command
    }
}

impl Site {
    fn furnish(&self) -> Result<()> {
        fs::write(self.dir.join("owner"), owner()?)?;
        fs::create_dir_all("/root/.ssh").context("failed to create root's `.ssh`")?;
        fs::create_dir_all(self.dir.join("nix"))?;
        for dir in [self.home().join(".ssh"), self.dir.join("scratch")] {
            fs::create_dir_all(&dir)?;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        }
        stdout_of(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "controller", "-f"])
                .arg(self.key()),
        )?;
        // The default of OpenSSH 9 takes a tenth of all the time that these tests have; no test is about it.
        fs::write(
            self.home().join(".ssh/config"),
            "KexAlgorithms curve25519-sha256\n",
        )?;
        let netns = self.netns();
        stdout_of(Command::new("ip").args(["netns", "add", &netns]))?;
        for arguments in [
            "link set lo up",
            "link add br0 type bridge",
            "addr add 10.231.0.1/24 dev br0",
            "link set br0 up",
            // The second network, for machines with more than one interface; big enough for MTU
            // 9000, and without the controller in it.
            "link add br1 type bridge",
            "link set br1 mtu 9216 up",
        ] {
            self.ip(arguments)?;
        }
        Ok(())
    }

    pub(crate) fn netns(&self) -> String {
        format!("dctl-{}", self.id)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.home().join(".ssh/id_ed25519")
    }

    /// Returns a number that no other machine of this world has.
    pub(crate) fn next_machine(&self) -> u8 {
        self.machines.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `ip` on the controller's side.
    pub(crate) fn ip(&self, arguments: &str) -> Result<String> {
        let mut command = Command::new("ip");
        command.arg("-n").arg(self.netns());
        command.args(arguments.split(' '));
        stdout_of(&mut command)
    }

    /// Returns a command that runs its arguments in the world's network.
    ///
    /// `ip netns exec` would hide the control groups, which nspawn needs, behind its own `/sys`.
    pub(crate) fn in_netns(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.netns()));
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::env::var_os("DEPLOYCTL_TESTS_KEEP").is_some() {
            return;
        }
        // A failure here must not hide the test's own; `sweep` says what stays, on stderr.
        drop(sweep(&["--world", &self.id]));
    }
}

/// Returns the directory that holds cached roots and running worlds.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("DEPLOYCTL_TESTS_CACHE")
        .map_or_else(|| PathBuf::from("/var/cache/deployctl-tests"), Into::into)
}

/// Returns the root filesystem that machines of this kind start from; builds it when it is missing.
pub(crate) fn base_root(base: Base) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("base-root");
    let path = stdout_of(Command::new(script).arg(base.variant()))?;
    Ok(PathBuf::from(path.trim_end()))
}

fn sweep(arguments: &[&str]) -> Result<()> {
    stdout_of(
        Command::new("sh")
            .args(["-c", SWEEP, "sweep"])
            .args(arguments),
    )?;
    Ok(())
}

/// Returns what tells this process from any other: its number, and when it started.
fn owner() -> Result<String> {
    let line = fs::read_to_string("/proc/self/stat").context("failed to read `/proc/self/stat`")?;
    let (head, tail) = line
        .rsplit_once(") ")
        .context("`/proc/self/stat` has no command name")?;
    let pid = head.split(' ').next().unwrap_or_default();
    let Some(start) = tail.split(' ').nth(19) else {
        bail!("`/proc/self/stat` has no start time");
    };
    Ok(format!("{pid} {start}\n"))
}

fn random_id() -> Result<String> {
    let mut bytes = [0; 3];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes
        .iter()
        .fold(String::new(), |id, byte| id + &format!("{byte:02x}")))
}

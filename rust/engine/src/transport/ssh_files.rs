//! The private directory of a run: the ssh configurations, the pinned keys, the control sockets and
//! ssh's messages.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use deployctl_core::name::HostName;
use tokio::sync::{Mutex, OnceCell};

use super::left_over;
use super::ssh_config::{self, Common, SshRoute};

/// A socket's path may have 103 bytes on macOS, 107 on Linux. Below the parent come
/// `/deployctl-XXXXXX/mXXXXXX/master`, and for a moment 17 more characters that ssh adds.
const PARENT: usize = 54;

/// Where the directory is made if the usual parent's path is too long.
const OTHER_PARENT: &str = "/tmp";

/// No host has this name: what ssh's configuration says about it holds for every host.
const NOBODY: &str = "x1.deployctl.invalid";

/// A private directory (0700). Dropping it deletes it.
#[derive(Debug)]
pub struct SshFiles {
    directory: tempfile::TempDir,
    /// Tells later runs that this one is alive.
    _mark: Option<UnixListener>,
    routes: BTreeMap<HostName, SshRoute>,
    common: OnceCell<Said>,
    destinations: Mutex<BTreeMap<HostName, String>>,
}

/// The output of `ssh -G` for one name, without the lines that the inventory sets.
#[derive(Debug, Default)]
struct Said {
    lines: BTreeSet<String>,
}

/// How to call ssh for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshChain {
    /// The host at its end.
    pub(super) route: SshRoute,
    /// The argument of `ssh -F`.
    pub(super) config: PathBuf,
    /// What ssh connects to: the address, or the inventory's name if the user's own configuration
    /// mentions that name.
    pub(super) destination: String,
    /// The jump hosts, the first one first.
    pub(super) jumps: Vec<Jump>,
    /// The port to connect to in the place of the configuration's.
    pub(super) port: Option<u16>,
}

/// A jump host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) route: SshRoute,
    /// The log file of its ssh.
    pub(super) log: PathBuf,
}

impl SshChain {
    /// The road to `route` with this configuration, without jump hosts.
    pub fn direct(route: SshRoute, config: PathBuf, destination: String) -> Self {
        Self {
            route,
            config,
            destination,
            jumps: Vec::new(),
            port: None,
        }
    }

    /// The same to another port of the host.
    pub(super) fn at_port(mut self, port: u16) -> Self {
        self.route.port = port;
        self.port = Some(port);
        self
    }

    /// The arguments that name the destination.
    pub(super) fn arguments(&self) -> io::Result<Vec<String>> {
        let mut arguments = vec!["-F".to_owned(), self.config.display().to_string()];
        if self.destination == self.route.host.as_str() {
            let escaped = ssh_config::address(&self.route.address)?.replace('%', "%%");
            arguments.push(format!("-oHostName={escaped}"));
        }
        arguments.extend(self.port.map(|port| format!("-oPort={port}")));
        arguments.push(self.destination.clone());
        Ok(arguments)
    }

    /// The file that `ssh -F` is given.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The destination that ssh gets.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// The route of the host at its end.
    pub fn route(&self) -> &SshRoute {
        &self.route
    }

    /// Whether there are jump hosts.
    pub fn jumps(&self) -> bool {
        !self.jumps.is_empty()
    }
}

impl SshFiles {
    /// Makes the directory for `routes` below `parent`, or below `/tmp` if a socket could not be made
    /// there. `user_config` is the user's own configuration, empty for none; it and the system's are
    /// read after our own.
    pub fn write(parent: &Path, routes: &[SshRoute], user_config: &str) -> io::Result<Self> {
        let directory = private_directory(parent)?;
        // Without a mark it is never swept.
        let mark = left_over::mark(directory.path()).ok();
        if let Some(parent) = directory.path().parent() {
            left_over::sweep(parent, directory.path());
        }
        let mut own = String::new();
        // By its own path if ssh can read that, so that ssh's messages name it.
        if user_config.starts_with("~/") || is_plain(user_config) {
            own = format!("Include {user_config}\n");
        } else if !user_config.is_empty() {
            // By a link: the path contains characters that ssh would expand.
            let link = directory.path().join("user");
            std::os::unix::fs::symlink(std::path::absolute(user_config)?, &link)?;
            own = format!("Include {}\n", link.display());
        }
        own.push_str("Include /etc/ssh/ssh_config\n");
        let files = Self {
            directory,
            _mark: mark,
            routes: routes
                .iter()
                .map(|route| (route.host.clone(), route.clone()))
                .collect(),
            common: OnceCell::new(),
            destinations: Mutex::default(),
        };
        files.place("own", &own)?;
        files.place("known_hosts", &ssh_config::known_hosts(routes.iter()))?;
        Ok(files)
    }

    /// Where control sockets are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How to call ssh for `host`.
    ///
    /// # Panics
    /// If no route to `host` was written.
    pub async fn chain(&self, host: &HostName) -> io::Result<SshChain> {
        let mut hops = vec![&self.routes[host]];
        while let Some(next) = hops.last().and_then(|route| route.jump.as_ref()) {
            hops.push(&self.routes[next]);
        }
        let general = self.common.get_or_init(|| self.said_of(NOBODY)).await;
        let (known_hosts, own) = (self.path("known_hosts"), self.path("own"));
        let common = Common {
            known_hosts: &known_hosts,
            own: &own,
            knows_session_type: general.knows("sessiontype"),
        };
        let mut chain: Option<SshChain> = None;
        for route in hops.into_iter().rev() {
            let proxy = chain
                .as_ref()
                .map(|before| self.proxy(before, route))
                .transpose()?;
            let name = format!("{}.conf", route.host);
            self.place(&name, &ssh_config::text(route, proxy.as_deref(), &common)?)?;
            let jumps = chain.map_or_else(Vec::new, |before| {
                let log = self.jump_log(&before.route, route);
                let mut jumps = before.jumps;
                jumps.push(Jump {
                    route: before.route,
                    log,
                });
                jumps
            });
            chain = Some(SshChain {
                route: route.clone(),
                config: self.path(&name),
                destination: self.destination(route, general).await?,
                jumps,
                port: None,
            });
        }
        Ok(chain.expect("the hops holds the host itself"))
    }

    /// The command that reaches `to` through the host at the end of `before`.
    fn proxy(&self, before: &SshChain, to: &SshRoute) -> io::Result<String> {
        let mut command = format!(
            "ssh -E {} -S none -oControlMaster=no -W [%h]:%p",
            self.jump_log(&before.route, to).display()
        );
        for argument in before.arguments()? {
            // A shell runs it after ssh has expanded it; nothing else in it needs quotes.
            let _ = std::fmt::Write::write_fmt(
                &mut command,
                format_args!(" '{}'", argument.replace('%', "%%")),
            );
        }
        Ok(command)
    }

    fn jump_log(&self, jump: &SshRoute, to: &SshRoute) -> PathBuf {
        self.path(&format!("{}-to-{}.log", jump.host, to.host))
    }

    /// The name of the inventory if ssh's configuration mentions it, else the address.
    async fn destination(&self, route: &SshRoute, general: &Said) -> io::Result<String> {
        if let Some(destination) = self.destinations.lock().await.get(&route.host) {
            return Ok(destination.clone());
        }
        let said = self.said_of(route.host.as_str()).await;
        let destination = if said.lines == general.lines {
            ssh_config::address(&route.address)?.to_owned()
        } else {
            route.host.to_string()
        };
        let mut known = self.destinations.lock().await;
        known.insert(route.host.clone(), destination.clone());
        Ok(destination)
    }

    /// What the user's and the system's configuration say about `name`; nothing if ssh rejects them:
    /// the connection will report why.
    async fn said_of(&self, name: &str) -> Said {
        #[expect(
            clippy::disallowed_methods,
            reason = "transports own their ssh processes"
        )]
        let asked = tokio::process::Command::new("ssh")
            .arg("-F")
            .arg(self.path("own"))
            .args(["-G", name])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        match tokio::time::timeout(Duration::from_secs(5), asked).await {
            Ok(Ok(output)) => Said::read(&String::from_utf8_lossy(&output.stdout)),
            _ => Said::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file as a whole: another task's ssh may be reading it.
    fn place(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.directory.path())?;
        file.write_all(text.as_bytes())?;
        file.persist(self.path(name))?;
        Ok(())
    }
}

impl Said {
    fn read(text: &str) -> Self {
        let inventorys = ["host", "hostname", "port", "user", "controlpath"];
        let lines = text
            .lines()
            .filter(|line| !inventorys.contains(&line.split(' ').next().unwrap_or_default()))
            .map(str::to_owned)
            .collect();
        Self { lines }
    }

    fn knows(&self, option: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.split(' ').next() == Some(option))
    }
}

/// A new directory below `parent`, if ssh can read its path and a socket fits in it.
fn private_directory(parent: &Path) -> io::Result<tempfile::TempDir> {
    let make = |parent: &Path| {
        tempfile::Builder::new()
            .prefix(left_over::PREFIX)
            .tempdir_in(parent)
    };
    let fits = parent
        .to_str()
        .is_some_and(|text| is_plain(text) && text.len() <= PARENT);
    if fits && let Ok(directory) = make(parent) {
        return Ok(directory);
    }
    make(Path::new(OTHER_PARENT))
}

/// Whether ssh and a shell take every character of this absolute path literally.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+=@,-".contains(&byte);
    path.starts_with('/') && path.bytes().all(plain)
}

#[cfg(test)]
mod tests;

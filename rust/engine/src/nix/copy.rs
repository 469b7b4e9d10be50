//! Copies closures to a host's store, and lets a host build its own.

use std::fmt::Write as _;
use std::path::Path;

use deployctl_core::closure::StorePath;
use deployctl_core::inventory::nix::Nix as Facts;
use deployctl_core::name::HostName;

use super::build::realise;
use super::derivation::Derivation;
use super::progress::Listener;
use super::{Nix, SystemError};
use crate::event::EventKind;
use crate::interrupt::Interrupt;
use crate::process::Program;
use crate::transport::ssh_files::SshChain;

/// Where hosts have `nix-daemon` and what it calls; the login's own `PATH` may lack it.
const PATH: &str = "/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The address of a host's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    /// Its name in the inventory.
    pub host: HostName,
    /// How to call ssh.
    pub chain: SshChain,
    /// The account that the remote store runs as.
    pub daemon: Daemon,
}

/// The account that the remote Nix daemon runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// The login: trusted if it is root; otherwise only paths with a trusted signature are accepted.
    Login,
    /// Root, by `sudo -n`: trusted.
    Sudo,
}

impl StoreAddress {
    /// The store, as Nix names it.
    fn url(&self, compress: bool) -> String {
        let elevation = match self.daemon {
            Daemon::Login => "",
            Daemon::Sudo => "sudo -n ",
        };
        let program = format!("{elevation}env PATH={PATH} nix-daemon");
        let compress = if compress { "&compress=true" } else { "" };
        format!(
            "ssh-ng://{}?remote-program={}{compress}",
            self.named(),
            percent_encoded(&program)
        )
    }

    /// The host part of a store's URL: what ssh connects to, except where a URL would need brackets and
    /// encoding.
    fn named(&self) -> &str {
        let destination = self.chain.destination();
        if destination.contains([':', '%']) {
            self.host.as_str()
        } else {
            destination
        }
    }

    /// `program` with ssh options that name our configuration. Nix opens its own connection: some
    /// versions hang on a shared one.
    fn reached_by(&self, program: Program) -> Program {
        let mut options = format!(
            "-F {} -o ControlMaster=no -o ControlPath=none",
            self.chain.config().display()
        );
        if self.named() == self.host.as_str() {
            let address = self.chain.route().address.replace('%', "%%");
            let _ = write!(options, " -o HostName={address}");
        }
        let program = program.variable("NIX_SSHOPTS", options);
        if self.chain.jumps() {
            // The login shell of this account may be `nologin`, as for our own ssh.
            return program.variable("SHELL", "/bin/sh");
        }
        program
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Copies to the store of one host, as its facts say.
pub(super) struct Copier<'a> {
    pub(super) nix: &'a Nix,
    pub(super) store: &'a StoreAddress,
    pub(super) facts: &'a Facts,
    pub(super) interrupt: &'a Interrupt,
    pub(super) tell: &'a (dyn Fn(EventKind) + Send + Sync),
}

impl Copier<'_> {
    /// Copies the closure of `path`, and returns the number of paths copied. Paths that the host has are not
    /// copied again.
    pub(super) async fn copy(&self, path: &StorePath) -> Result<usize, SystemError> {
        let fetches = self.facts.substitute;
        let option = fetches.then_some("--substitute-on-destination");
        self.copy_with(option, path, self.tell).await
    }

    /// Lets the host build: sends it the derivation, and returns its log.
    pub(super) async fn build_there(&self, derivation: &Derivation) -> Result<(), SystemError> {
        let quiet = |_: EventKind| {};
        self.copy_with(Some("--derivation"), &derivation.drv, &quiet)
            .await?;
        let program = self
            .nix
            .nix_store()
            .arguments(["--log-format", "internal-json"])
            .arguments(["--store", &self.store.url(self.facts.compress)])
            .arguments(["--realise", derivation.drv.as_str()]);
        let program = self.store.reached_by(program);
        realise(program, derivation, self.interrupt, self.tell)
            .await
            .map_err(|error| match error {
                SystemError::Full => SystemError::HostFull {
                    host: self.store.host.clone(),
                },
                other => other,
            })
    }

    async fn copy_with(
        &self,
        option: Option<&str>,
        path: &StorePath,
        tell: &(dyn Fn(EventKind) + Send + Sync),
    ) -> Result<usize, SystemError> {
        let program = self
            .nix
            .nix()
            .arguments(["copy", "--log-format", "internal-json", "--no-check-sigs"])
            .arguments(["--to", &self.store.url(self.facts.compress)])
            .arguments(option)
            .arguments([path.as_str()]);
        let mut listener = Listener::new(tell);
        let finished = self
            .store
            .reached_by(program)
            .watch(self.interrupt, &mut |line| listener.line(line))
            .await
            .map_err(SystemError::process)?;
        if finished.status.success() {
            return Ok(listener.copied);
        }
        Err(why(&listener, &self.store.host))
    }
}

impl Nix {
    /// Signs the closure of `path` in the store of this computer.
    pub(super) async fn sign(
        &self,
        path: &StorePath,
        key: &Path,
        host: &HostName,
        interrupt: &Interrupt,
    ) -> Result<(), SystemError> {
        let mut words = Vec::new();
        let finished = self
            .nix()
            .arguments(["store", "sign", "--recursive", "--key-file"])
            .arguments([key.as_os_str(), path.as_str().as_ref()])
            .watch(interrupt, &mut |line| words.push(line.to_owned()))
            .await
            .map_err(SystemError::process)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(SystemError::Sign {
            host: host.clone(),
            cause: super::error::shorten(&words.join("\n"), Path::new("/")),
        })
    }
}

/// Reads the messages of a failed copy: Nix's own, and ssh's between them.
fn why(listener: &Listener<'_>, host: &HostName) -> SystemError {
    let host = host.clone();
    let all = listener.errors.iter().chain(&listener.strangers);
    for words in all.clone() {
        // "because it lacks a valid signature", later "a signature by a trusted key".
        if words.contains("because it lacks") {
            let path = words.split('\'').nth(1).unwrap_or_default().to_owned();
            return SystemError::Untrusted { host, path };
        }
        if words.contains("No space left on device") {
            return SystemError::HostFull { host };
        }
        if words.contains("sudo: ") {
            let cause = one_line(words);
            return SystemError::Elevation { host, cause };
        }
        let missing = words.contains("not found") || words.contains("No such file");
        if words.contains("nix-daemon") && missing {
            return SystemError::NoNixThere { host };
        }
    }
    let broken = [
        "Connection closed",
        "Connection refused",
        "Connection reset",
        "Connection timed out",
        "Broken pipe",
        "Host key verification failed",
        "No route to host",
        // ssh's own message, with the methods that it tried.
        "Permission denied (",
        "closed by remote host",
        "not responding",
        "cannot connect to",
        "unexpected end-of-file",
    ];
    let told = |words: &&String| broken.iter().any(|broken| words.contains(broken));
    let stranger = listener.strangers.iter().find(told);
    if let Some(words) = stranger.or(listener.errors.iter().find(told)) {
        let cause = one_line(words);
        return SystemError::Lost { host, cause };
    }
    let last = listener.errors.first().or(listener.strangers.last());
    SystemError::Copy {
        host,
        cause: last.map_or_else(
            || "it failed without a word".to_owned(),
            |words| one_line(words),
        ),
    }
}

fn one_line(words: &str) -> String {
    let words = words.strip_prefix("error:").unwrap_or(words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

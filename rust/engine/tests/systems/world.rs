//! A repository with a flake, a `nix` that is watched or played, and an `ssh` that leads to another store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use deployctl_core::closure::StorePath;
use deployctl_core::inventory::host::Host;
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::name::HostName;
use deployctl_engine::connect;
use deployctl_engine::event::{EventKind, Sink};
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::nix::cache::EvaluationCache;
use deployctl_engine::nix::deployer::{ClosureDeployer, DeployError, Deployment, Source};
use deployctl_engine::nix::{Daemon, Nix, StoreAddress};
use deployctl_engine::transport::fake::{Call, Fake, Reply};
use deployctl_engine::transport::ssh_files::SshChain;
use serde_json::{Value, json};

use crate::demand::demand;

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) interrupt: Interrupt,
    events: Arc<Mutex<Vec<String>>>,
    facts: Value,
}

/// Says what it was called with, then does what follows.
const WATCHED: &str = r#"#!/bin/sh
here=DIR
{ printf '%s' "${0##*/}"; for a; do printf ' %s' "$a"; done; echo; } >>"$here/log"
if [ -n "$NIX_SSHOPTS" ]; then echo "  NIX_SSHOPTS=$NIX_SSHOPTS" >>"$here/log"; fi
"#;

/// The real programs, on a controller with no network, whose `ssh` and `/nix` are ours.
const REAL: &str = r#"export PATH="$here/ssh:$PATH" HOME="$here" NIX_CONFIG='sandbox = false
build-users-group =
substituters ='
exec unshare --mount --propagation private sh -c 'mount --bind "$0" /nix && exec "$@"' "$here/nix" "PROGRAM" "$@"
"#;

/// Runs the command here, with a separate store.
const SSH: &str = r#"#!/bin/sh
here=DIR
{ printf ssh; for a; do printf ' %s' "$a"; done; echo; } >>"$here/log"
for last; do :; done
case "$*" in *LocalCommand=echo*) echo started ;; esac
if [ -e "$here/ssh-says" ]; then cat "$here/ssh-says" >&2; exit 255; fi
export NIX_REMOTE="$(cat "$here/host-store")"
exec sh -c "$last"
"#;

impl World {
    /// `nix` does this instead of its work, in sh.
    pub(crate) fn played(script: &str) -> Self {
        let world = Self::new();
        for name in ["nix", "nix-store"] {
            world.program(&format!("bin/{name}"), &format!("{WATCHED}{script}\n"));
        }
        world.write("repo/flake.nix", "{ }\n");
        world.commit();
        world
    }

    /// The real Nix; `None` if the test is skipped, since no Nix here may build.
    pub(crate) fn real(flake: &str) -> Option<Self> {
        let programs = ["nix", "nix-store"].map(|name| Path::new("/usr/bin").join(name));
        let installed = programs.iter().all(|path| path.exists());
        demand(installed.then_some(()), "nix (package nix-bin)")?;
        let mounts = ["--mount", "mount", "--bind", "/nix", "/nix"];
        let may_mount = || Command::new("unshare").args(mounts).output();
        let apart = is_root()
            && fs::create_dir_all("/nix").is_ok()
            && may_mount().is_ok_and(|done| done.status.success());
        demand(
            apart.then_some(()),
            "the right to mount a `/nix` of its own",
        )?;
        let world = Self::new();
        for path in programs {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let script = format!("{WATCHED}{REAL}").replace("PROGRAM", path.to_str().unwrap());
            world.program(&format!("bin/{name}"), &script);
        }
        world.program("ssh/ssh", SSH);
        let store = format!("local?root={}", world.path("host").display());
        world.write("host-store", &store);
        world.write("repo/flake.nix", flake);
        world.commit();
        Some(world)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self {
            folder,
            interrupt: Interrupt::never(),
            events: Arc::default(),
            facts: json!({
                "state_version": "26.05", "build_on": "controller", "substitute": false,
                "compress": false, "substituters": [], "trusted_public_keys": [],
            }),
        };
        for folder in ["bin", "ssh", "nix", "repo/hosts"] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        world.git(&["init", "--quiet"]);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        let here = self.folder.path().to_str().unwrap();
        self.write(name, &text.replace("DIR", here));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(name), mode).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .current_dir(self.path("repo"))
            .status();
        assert!(done.unwrap().success(), "git {arguments:?}");
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "a"]);
    }

    /// Facts about Nix on the host.
    pub(crate) fn fact(&mut self, name: &str, value: Value) {
        self.facts[name] = value;
    }

    pub(crate) fn host(&self) -> (HostName, Host) {
        let name = HostName::new("linode").unwrap();
        let inventory = self.inventory();
        (name.clone(), inventory.host(&name).unwrap().clone())
    }

    fn inventory(&self) -> Inventory {
        let fixture = "../../tests/fixtures/inventory.json";
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture);
        let mut inventory: Value = serde_json::from_slice(&fs::read(fixture).unwrap()).unwrap();
        let host = &mut inventory["hosts"]["linode"];
        host["platform"] = "nixos".into();
        host["os"] = json!({ "id": "nixos", "version": "26.05" });
        host["nix"] = self.facts.clone();
        inventory::parse(inventory.to_string().as_bytes()).unwrap()
    }

    /// A new run, with what earlier runs left in the cache.
    pub(crate) async fn deployer(&self) -> ClosureDeployer {
        let cache = EvaluationCache::open(&self.path("cache"), &self.path("repo")).await;
        self.deployer_with(cache, None)
    }

    pub(crate) fn deployer_with(
        &self,
        cache: EvaluationCache,
        key: Option<PathBuf>,
    ) -> ClosureDeployer {
        let nix = Nix {
            program: self.path("bin/nix"),
            ..Nix::default()
        };
        let (top, roots) = (self.path("repo"), self.path("cache/roots"));
        ClosureDeployer::new(nix, top, cache, roots, self.interrupt.clone()).signing_with(key)
    }

    /// What the flake declares, in a new run.
    pub(crate) async fn declared(&self) -> Result<Source, String> {
        let (name, host) = self.host();
        let declared = self
            .deployer()
            .await
            .declared(&name, &host, &self.sink())
            .await;
        declared.map(Option::unwrap).map_err(|error| {
            let hint = error.hint();
            let hint = hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
            self.tidy(&format!("{error}{hint}"))
        })
    }

    /// Brings `source` to the host.
    pub(crate) async fn deploy(
        &self,
        deployer: &ClosureDeployer,
        source: &Source,
        daemon: Daemon,
    ) -> Result<(), DeployError> {
        let (name, host) = self.host();
        let link = Fake::new("linode", |call| match call {
            Call::Run(_) => Reply::says(""),
            other => panic!("{other:?}"),
        });
        let store = StoreAddress {
            host: name.clone(),
            chain: SshChain::direct(
                connect::route(&name, &host, None),
                "/run/deployctl/linode.conf".into(),
                "192.0.2.7".to_owned(),
            ),
            daemon,
        };
        let needed = Deployment {
            name: &name,
            host: &host,
            source,
            store: &store,
        };
        deployer.deploy(&needed, &link, false, &self.sink()).await
    }

    pub(crate) fn sink(&self) -> Sink {
        let events = Arc::clone(&self.events);
        Arc::new(move |event| {
            let kind: EventKind = event.kind;
            events.lock().unwrap().push(format!("{kind:?}"));
        })
    }

    /// What happened since this was asked last.
    pub(crate) fn events(&self) -> String {
        std::mem::take(&mut *self.events.lock().unwrap()).join("\n")
    }

    /// Whether this has happened.
    pub(crate) fn peek(&self, event: &str) -> bool {
        self.events.lock().unwrap().iter().any(|seen| seen == event)
    }

    /// Where a path of the controller's store lies.
    pub(crate) fn stored(&self, path: &StorePath) -> PathBuf {
        self.path(path.as_str().trim_start_matches('/'))
    }

    /// The real `nix-store`; whether it went well.
    pub(crate) fn nix_store(&self, arguments: &[&str]) -> bool {
        let done = Command::new(self.path("bin/nix-store"))
            .args(arguments)
            .output();
        done.unwrap().status.success()
    }

    /// The programs that ran since this was asked last.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        self.tidy(&text)
    }

    pub(crate) fn tidy(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "DIR")
    }

    /// How often the flake was evaluated since the log was read last.
    pub(crate) fn evaluations(&self) -> usize {
        let log = self.log();
        log.lines().filter(|line| line.contains(" eval ")).count()
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

//! Deploys systems to hosts: evaluates, builds on the declared machine, copies.

use std::path::PathBuf;

use deployctl_core::closure::Closure;
use deployctl_core::inventory::host::{Host, Platform};
use deployctl_core::inventory::nix::{BuildOn, Nix as Facts};
use deployctl_core::name::HostName;
use deployctl_core::query::quote;
use tokio::sync::Semaphore;

use super::cache::EvaluationCache;
use super::copy::{Copier, Daemon, StoreAddress};
use super::derivation::{Derivation, Image, Installable};
use super::{Nix, SystemError};
use crate::event::{Event, EventKind, Sink};
use crate::interrupt::Interrupt;
use crate::transport::{Limits, Transport, TransportError};

/// Evaluations of nixpkgs at a time: each takes gigabytes of memory.
const EVALUATIONS: usize = 2;

/// The GC root on a host that protects a copied system until its commit.
const PENDING: &str = "/nix/var/nix/gcroots/deployctl/pending";

/// Deploys the systems of all hosts of a run.
#[derive(Debug)]
pub struct ClosureDeployer {
    nix: Nix,
    top: PathBuf,
    cache: EvaluationCache,
    roots: PathBuf,
    signing_key: Option<PathBuf>,
    interrupt: Interrupt,
    evaluations: Semaphore,
}

/// A system and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The system.
    pub closure: Closure,
    /// How it is built; `None` for an earlier generation, which has only a path.
    pub derivation: Option<Derivation>,
}

impl Source {
    fn new(platform: Platform, derivation: Derivation) -> Self {
        Self {
            closure: Closure {
                platform,
                toplevel: derivation.out.clone(),
            },
            derivation: Some(derivation),
        }
    }
}

/// Why a system was not deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// It was not built, or not copied.
    #[error(transparent)]
    System(#[from] SystemError),
    /// Its GC root on the host could not be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl ClosureDeployer {
    /// Systems of the flake at `top`. GC roots of the last builds are made in `roots`.
    pub fn new(
        nix: Nix,
        top: PathBuf,
        cache: EvaluationCache,
        roots: PathBuf,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            nix,
            top,
            cache,
            roots,
            signing_key: None,
            interrupt,
            evaluations: Semaphore::new(EVALUATIONS),
        }
    }

    /// The same, which signs copied store paths with the key in this file, if any.
    #[must_use]
    pub fn signing_with(mut self, key: Option<PathBuf>) -> Self {
        self.signing_key = key;
        self
    }

    /// The system that the flake declares for a host; `None` for platforms that get files.
    pub async fn declared(
        &self,
        name: &HostName,
        host: &Host,
        sink: &Sink,
    ) -> Result<Option<Source>, SystemError> {
        let what = Installable::of_host(self.top.clone(), name, host.platform, host.architecture);
        let Some(what) = what else {
            return Ok(None);
        };
        let tell = teller(name, sink);
        let derivation = self.derivation(&what, &self.cache, &tell).await?;
        Ok(Some(Source::new(host.platform, derivation)))
    }

    /// The cached evaluation, if it is still valid; evaluates nothing.
    pub fn remembered(&self, name: &HostName, host: &Host) -> Option<Source> {
        let what = Installable::of_host(self.top.clone(), name, host.platform, host.architecture)?;
        let derivation = self.cache.get(&what)?;
        Some(Source::new(host.platform, derivation))
    }

    async fn derivation(
        &self,
        what: &Installable,
        cache: &EvaluationCache,
        tell: &(dyn Fn(EventKind) + Send + Sync),
    ) -> Result<Derivation, SystemError> {
        let _permit = self.evaluations.acquire().await;
        self.nix
            .derivation(what, cache, &self.interrupt, tell)
            .await
    }

    /// Builds a host's system where its facts say: in the store of this computer, or in the host's own at
    /// `store`.
    pub async fn build(
        &self,
        name: &HostName,
        host: &Host,
        derivation: &Derivation,
        store: Option<&StoreAddress>,
        sink: &Sink,
    ) -> Result<(), SystemError> {
        let what = Installable::of_host(self.top.clone(), name, host.platform, host.architecture);
        let facts = facts(name, host)?;
        if let (BuildOn::Host, Some(store)) = (facts.build_on, store) {
            let (store, tell) = (self.by_login(store), teller(name, sink));
            if let Some(what) = &what {
                self.instantiate(what, derivation, &tell).await?;
            }
            let copier = self.copier(&store, facts, &tell);
            return copier.build_there(derivation).await;
        }
        self.make(name, "system", what.as_ref(), derivation, sink)
            .await
    }

    /// Builds an image to install a host from, and returns its path.
    pub async fn image(
        &self,
        name: &HostName,
        host: &Host,
        image: Image,
        sink: &Sink,
    ) -> Result<Derivation, SystemError> {
        let what = Installable::image(self.top.clone(), name, host.architecture, image);
        let tell = teller(name, sink);
        let derivation = self.derivation(&what, &self.cache, &tell).await?;
        self.make(name, image.word(), Some(&what), &derivation, sink)
            .await?;
        Ok(derivation)
    }

    /// Builds here. A derivation that was garbage-collected is evaluated again.
    async fn make(
        &self,
        name: &HostName,
        kind: &str,
        what: Option<&Installable>,
        derivation: &Derivation,
        sink: &Sink,
    ) -> Result<(), SystemError> {
        let tell = teller(name, sink);
        if let Some(what) = what {
            self.instantiate(what, derivation, &tell).await?;
        }
        let failed = |source: std::io::Error| SystemError::Failed {
            derivation: derivation.out.name().to_owned(),
            how: format!(
                "has no place for its link in `{}`: {source}",
                self.roots.display()
            ),
            log: Vec::new(),
        };
        std::fs::create_dir_all(&self.roots).map_err(failed)?;
        // One root per kind: the next build replaces the last one's.
        let root = self.roots.join(format!("{name}-{kind}"));
        self.nix
            .build(derivation, &root, &self.interrupt, &tell)
            .await
    }

    /// Makes sure that the derivation is in the store of this computer.
    async fn instantiate(
        &self,
        what: &Installable,
        derivation: &Derivation,
        tell: &(dyn Fn(EventKind) + Send + Sync),
    ) -> Result<(), SystemError> {
        if self.nix.has(derivation.drv.as_str()).await {
            return Ok(());
        }
        let again = self
            .derivation(what, &EvaluationCache::none(), tell)
            .await?;
        if again == *derivation {
            return Ok(());
        }
        Err(SystemError::Unreadable {
            attribute: what.attribute.clone(),
            cause: format!(
                "it evaluates to `{}` now, and was `{}` before; evaluate it anew with `--no-eval-cache`",
                again.out, derivation.out
            ),
        })
    }

    /// Deploys a complete system to its host, and makes a GC root for it there. `there` says that the host
    /// has it already.
    pub async fn deploy(
        &self,
        needed: &Deployment<'_>,
        connection: &dyn Transport,
        there: bool,
        sink: &Sink,
    ) -> Result<(), DeployError> {
        let Deployment {
            name,
            host,
            source,
            store,
        } = needed;
        // Made before the copy: a dangling GC root protects the path as soon as it arrives.
        keep(connection, name, source).await?;
        if there {
            return Ok(());
        }
        let facts = facts(name, host)?;
        let tell = teller(name, sink);
        let toplevel = &source.closure.toplevel;
        match &source.derivation {
            Some(derivation) => {
                self.build(name, host, derivation, Some(store), sink)
                    .await?;
                if facts.build_on == BuildOn::Host {
                    return Ok(());
                }
            }
            None if self.nix.has(toplevel.as_str()).await => {}
            None => {
                return Err(DeployError::System(SystemError::Collected {
                    host: (*name).clone(),
                    path: toplevel.clone(),
                }));
            }
        }
        if let Some(key) = &self.signing_key {
            self.nix.sign(toplevel, key, name, &self.interrupt).await?;
        }
        let store = self.by_login(store);
        let copied = self.copier(&store, facts, &tell).copy(toplevel).await?;
        tell(EventKind::Supplied(copied));
        Ok(())
    }

    fn copier<'a>(
        &'a self,
        store: &'a StoreAddress,
        facts: &'a Facts,
        tell: &'a (dyn Fn(EventKind) + Send + Sync),
    ) -> Copier<'a> {
        Copier {
            nix: &self.nix,
            store,
            facts,
            interrupt: &self.interrupt,
            tell,
        }
    }

    /// A signed closure may be copied by an untrusted login.
    fn by_login(&self, store: &StoreAddress) -> StoreAddress {
        let mut store = store.clone();
        if self.signing_key.is_some() {
            store.daemon = Daemon::Login;
        }
        store
    }
}

/// How a host's systems are built and copied.
fn facts<'a>(name: &HostName, host: &'a Host) -> Result<&'a Facts, SystemError> {
    let facts = host.nix.as_ref();
    facts.ok_or_else(|| SystemError::NoFacts { host: name.clone() })
}

/// The system of one host, and how to deploy it.
#[derive(Debug, Clone, Copy)]
pub struct Deployment<'a> {
    /// Which host.
    pub name: &'a HostName,
    /// Its facts.
    pub host: &'a Host,
    /// What it should run.
    pub source: &'a Source,
    /// The address of its store.
    pub store: &'a StoreAddress,
}

fn teller(name: &HostName, sink: &Sink) -> impl Fn(EventKind) + Send + Sync + 'static {
    let (name, sink) = (name.clone(), std::sync::Arc::clone(sink));
    move |kind| {
        sink(Event {
            host: name.clone(),
            kind,
        });
    }
}

/// The exit status of [`keep`]'s script if there is no store.
const NO_NIX: i32 = 66;

async fn keep(
    connection: &dyn Transport,
    host: &HostName,
    source: &Source,
) -> Result<(), DeployError> {
    let path = quote(source.closure.toplevel.as_str());
    let script = format!(
        "p={PENDING}\n[ -d \"${{p%/*/*}}\" ] || exit {NO_NIX}\nmkdir -p \"${{p%/*}}\" && ln -sfn {path} \"$p\"\n"
    );
    let output = connection.run(&script, Limits::default()).await?;
    if output.status == 0 {
        return Ok(());
    }
    if output.status == NO_NIX {
        let host = host.clone();
        return Err(DeployError::System(SystemError::NoNixThere { host }));
    }
    Err(DeployError::System(SystemError::Unreadable {
        attribute: PENDING.to_owned(),
        cause: deployctl_core::query::printable_line(&output.stderr, 300),
    }))
}

//! From a host of the inventory to a transport: the only place that chooses one.

mod pool;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deployctl_core::inventory::Inventory;
use deployctl_core::inventory::host::{Elevation, Host};
use deployctl_core::name::{HostName, LoginName};

use crate::clock::Clock;
use crate::nix::{Daemon, StoreAddress};
use crate::transport::local::Local;
use crate::transport::ssh::{Become, Ssh, Target};
use crate::transport::ssh_config::SshRoute;
use crate::transport::ssh_files::SshFiles;
use crate::transport::{Password, Secret, Transport, TransportError};

pub use pool::ConnectionPool;

/// Makes transports.
#[async_trait]
pub trait Connector: Send + Sync {
    /// A new connection to `host`.
    async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError>;

    /// Whether there is a password for sudo.
    fn has_password(&self) -> bool;

    /// The address of the Nix store of `host`; `None` for a sandbox.
    async fn store(&self, host: &HostName) -> Option<StoreAddress> {
        let _ = host;
        None
    }
}

/// One directory per host below `directory`.
#[derive(Debug, Clone)]
pub struct Sandbox {
    directory: PathBuf,
}

impl Sandbox {
    /// Takes the directory that holds the hosts' roots. Refuses an empty path and `/`.
    pub fn new(directory: &Path) -> Result<Self, TransportError> {
        Local::new(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }
}

#[async_trait]
impl Connector for Sandbox {
    async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(Local::of_host(&self.directory, host)?))
    }

    fn has_password(&self) -> bool {
        false
    }
}

/// Real hosts.
#[derive(Debug)]
pub struct OverSsh {
    files: Arc<SshFiles>,
    targets: BTreeMap<HostName, Target>,
    has_password: bool,
}

/// What the user adds to the connections of the inventory.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// Where the run's private directory is made.
    pub runtime: PathBuf,
    /// The user's own ssh configuration; empty for none.
    pub user_config: String,
    /// The login to use instead of the inventory's `connection.user`.
    pub user: Option<LoginName>,
    /// The password for sudo.
    pub sudo_password: Option<Secret>,
}

impl OverSsh {
    /// Prepares the connections to all hosts of `inventory`; connects to none.
    pub fn new(inventory: &Inventory, settings: &SshSettings) -> Result<Self, TransportError> {
        let routes: Vec<SshRoute> = inventory
            .hosts()
            .iter()
            .map(|(name, host)| route(name, host, settings.user.as_ref()))
            .collect();
        let files = SshFiles::write(&settings.runtime, &routes, &settings.user_config).map_err(
            |source| TransportError::Local {
                action: format!(
                    "write the ssh configuration below `{}`",
                    settings.runtime.display()
                ),
                source,
            },
        )?;
        let targets = routes
            .iter()
            .zip(inventory.hosts().values())
            .map(|(route, host)| {
                let target = target(route, host, settings.sudo_password.as_ref());
                (route.host.clone(), target)
            })
            .collect();
        Ok(Self {
            files: Arc::new(files),
            targets,
            has_password: settings.sudo_password.is_some(),
        })
    }
}

#[async_trait]
impl Connector for OverSsh {
    async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
        let target = self.targets.get(host).expect("selected from the inventory");
        let ssh = Ssh::connect(target.clone(), Arc::clone(&self.files)).await?;
        Ok(Box::new(ssh))
    }

    fn has_password(&self) -> bool {
        self.has_password
    }

    async fn store(&self, host: &HostName) -> Option<StoreAddress> {
        let target = self.targets.get(host)?;
        Some(StoreAddress {
            host: host.clone(),
            chain: self.files.chain(host).await.ok()?,
            daemon: match target.becoming {
                Become::Sudo => Daemon::Sudo,
                // The protocol has no prompt for a password.
                Become::Root | Become::SudoPassword(_) => Daemon::Login,
            },
        })
    }
}

/// How ssh reaches a host, with the keys that `adopt` pinned; `user` logs in instead of the inventory's.
pub fn route(name: &HostName, host: &Host, user: Option<&LoginName>) -> SshRoute {
    let connection = &host.connection;
    SshRoute {
        host: name.clone(),
        address: connection.address.to_string(),
        port: connection.port.number(),
        user: user.map_or_else(|| connection.user.to_string(), ToString::to_string),
        jump: connection.jump.clone(),
        host_keys: host
            .identity
            .iter()
            .flat_map(|identity| &identity.host_keys)
            .map(ToString::to_string)
            .collect(),
    }
}

/// How the login of `route` becomes root on `host`.
pub fn target(route: &SshRoute, host: &Host, password: Option<&Secret>) -> Target {
    Target {
        host: route.host.clone(),
        user: route.user.clone(),
        described: route.described(),
        becoming: becoming(route, host, password),
    }
}

fn becoming(route: &SshRoute, host: &Host, password: Option<&Secret>) -> Become {
    // The inventory says how its own login becomes root; another one has sudo.
    let own = route.user == host.connection.user.as_str();
    if route.user == "root" || (own && host.connection.elevation == Elevation::None) {
        return Become::Root;
    }
    match password {
        None => Become::Sudo,
        Some(password) => Become::SudoPassword(Password::new(password.clone())),
    }
}

/// A reload of sshd takes less than this.
const PAUSE: Duration = Duration::from_millis(1500);

/// Connects once more, after a moment, if the first connection was refused: sshd may be restarting.
pub struct Again {
    below: Arc<dyn Connector>,
    clock: Arc<dyn Clock>,
}

impl Again {
    /// Over `below`.
    pub fn new(below: Arc<dyn Connector>, clock: Arc<dyn Clock>) -> Self {
        Self { below, clock }
    }
}

#[async_trait]
impl Connector for Again {
    async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
        match self.below.connect(host).await {
            Err(TransportError::Connect { cause, .. }) if cause.contains("Connection refused") => {
                self.clock.sleep(PAUSE).await;
                self.below.connect(host).await
            }
            first => first,
        }
    }

    fn has_password(&self) -> bool {
        self.below.has_password()
    }

    async fn store(&self, host: &HostName) -> Option<StoreAddress> {
        self.below.store(host).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::Manual;
    use crate::transport::fake::{Fake, Reply};

    /// Fails with these words the first times.
    struct Starting(AtomicUsize, &'static str, usize);

    #[async_trait]
    impl Connector for Starting {
        async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
            if self.0.fetch_add(1, Ordering::SeqCst) < self.2 {
                return Err(TransportError::Connect {
                    address: host.to_string(),
                    cause: self.1.to_owned(),
                    hint: None,
                });
            }
            Ok(Box::new(Fake::new(host.as_str(), |_| Reply::says(""))))
        }

        fn has_password(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn what_was_refused_is_tried_once_more() {
        let host = HostName::new("host").unwrap();
        for (words, failures, tries, comes) in [
            ("port 22: Connection refused", 1, 2, true),
            ("port 22: Connection refused", 2, 2, false),
            ("Permission denied (publickey).", 1, 1, false),
        ] {
            let below = Arc::new(Starting(AtomicUsize::new(0), words, failures));
            let again = Again::new(below.clone(), Arc::new(Manual::default()));
            assert_eq!(again.connect(&host).await.is_ok(), comes, "{words}");
            assert_eq!(below.0.load(Ordering::SeqCst), tries, "{words}");
            assert!(again.has_password(), "what is below has one");
        }
    }
}

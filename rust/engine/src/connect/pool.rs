//! Connections that outlive one run, for repeated questions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deployctl_core::name::HostName;

use super::Connector;
use crate::nix::StoreAddress;
use crate::transport::{Files, Limits, Output, Transport, TransportError};

/// Hands out the open connection, or makes one. A broken one is not handed out again.
pub struct ConnectionPool {
    below: Arc<dyn Connector>,
    open: OpenConnections,
}

type OpenConnections = Arc<Mutex<BTreeMap<HostName, Arc<dyn Transport>>>>;

impl ConnectionPool {
    /// Over `below`, without a connection yet.
    pub fn new(below: Arc<dyn Connector>) -> Self {
        Self {
            below,
            open: OpenConnections::default(),
        }
    }
}

#[async_trait]
impl Connector for ConnectionPool {
    async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
        let open = locked(&self.open).get(host).cloned();
        let connection = match open {
            Some(connection) => connection,
            None => Arc::from(self.below.connect(host).await?),
        };
        Ok(Box::new(Shared::new(host, connection, &self.open)))
    }

    fn has_password(&self) -> bool {
        self.below.has_password()
    }

    async fn store(&self, host: &HostName) -> Option<StoreAddress> {
        self.below.store(host).await
    }
}

fn locked(
    open: &Mutex<BTreeMap<HostName, Arc<dyn Transport>>>,
) -> std::sync::MutexGuard<'_, BTreeMap<HostName, Arc<dyn Transport>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of several holders of a connection.
struct Shared {
    host: HostName,
    connection: Arc<dyn Transport>,
    open: OpenConnections,
}

impl Shared {
    fn new(host: &HostName, connection: Arc<dyn Transport>, open: &OpenConnections) -> Self {
        locked(open).insert(host.clone(), Arc::clone(&connection));
        Self {
            host: host.clone(),
            connection,
            open: Arc::clone(open),
        }
    }

    /// Whatever went wrong may come from the connection: the next holder gets a new one.
    fn looked<T>(&self, result: Result<T, TransportError>) -> Result<T, TransportError> {
        if result.is_err() {
            let mut open = locked(&self.open);
            let same = open
                .get(&self.host)
                .is_some_and(|connection| Arc::ptr_eq(connection, &self.connection));
            if same {
                open.remove(&self.host);
            }
        }
        result
    }
}

#[async_trait]
impl Transport for Shared {
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError> {
        self.looked(self.connection.run(script, limits).await)
    }

    async fn put(
        &self,
        archive: &[u8],
        directory: &str,
        limits: Limits,
    ) -> Result<(), TransportError> {
        self.looked(self.connection.put(archive, directory, limits).await)
    }

    async fn feed(
        &self,
        command: &str,
        files: &Files,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        self.looked(self.connection.feed(command, files, limits).await)
    }

    async fn reconnect(&self) -> Result<Box<dyn Transport>, TransportError> {
        let connection = self.looked(self.connection.reconnect().await)?;
        Ok(Box::new(Self::new(
            &self.host,
            Arc::from(connection),
            &self.open,
        )))
    }

    async fn reconnect_at(&self, port: u16) -> Result<Box<dyn Transport>, TransportError> {
        self.connection.reconnect_at(port).await
    }

    async fn root_shell(&self) -> Result<Option<Box<dyn Transport>>, TransportError> {
        self.looked(self.connection.root_shell().await)
    }

    fn describe(&self) -> String {
        self.connection.describe()
    }

    fn is_sandbox(&self) -> bool {
        self.connection.is_sandbox()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::transport::fake::{Fake, Reply};

    /// Counts connections; hosts break on the word `break`.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Connector for Counting {
        async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Fake::new(host.as_str(), |call| {
                if matches!(call, crate::transport::fake::Call::Run(script) if script == "break") {
                    Reply::Fail(TransportError::Lost {
                        address: "host".to_owned(),
                        cause: "gone".to_owned(),
                    })
                } else {
                    Reply::says("fine")
                }
            })))
        }

        fn has_password(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn a_connection_is_made_once_until_it_breaks() {
        let below = Arc::new(Counting::default());
        let pool = ConnectionPool::new(below.clone());
        let host = HostName::new("host").unwrap();
        let limits = Limits::default();
        for _ in 0..3 {
            let connection = pool.connect(&host).await.unwrap();
            assert_eq!(connection.run("ask", limits).await.unwrap().stdout, b"fine");
        }
        assert_eq!(below.0.load(Ordering::SeqCst), 1);
        let connection = pool.connect(&host).await.unwrap();
        assert!(connection.run("break", limits).await.is_err());
        let connection = connection.reconnect().await.unwrap();
        connection.run("ask", limits).await.unwrap();
        assert_eq!(
            below.0.load(Ordering::SeqCst),
            1,
            "the new one is shared, too"
        );
        let connection = pool.connect(&host).await.unwrap();
        assert!(connection.run("break", limits).await.is_err());
        pool.connect(&host).await.unwrap();
        assert_eq!(below.0.load(Ordering::SeqCst), 2);
    }
}

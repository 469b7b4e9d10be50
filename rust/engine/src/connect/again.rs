//! One more try if nothing listened: sshd may be restarting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deployctl_core::name::HostName;

use super::Connector;
use crate::clock::Clock;
use crate::nix::StoreAddress;
use crate::transport::{Transport, TransportError};

/// A reload of sshd takes less than this.
const PAUSE: Duration = Duration::from_millis(1500);

/// Connects once more, after a moment, if the first connection was refused.
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

//! The request to stop (Ctrl-C), which must not leave hosts half changed.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether a stop was requested. Cheap to clone; all clones see the same.
#[derive(Debug, Clone)]
pub struct Interrupt {
    receiver: watch::Receiver<bool>,
    // Keeps `never` from reading as "the sender is gone".
    _sender: Arc<watch::Sender<bool>>,
}

impl Interrupt {
    /// An interrupt and the switch that triggers it.
    pub fn new() -> (Self, Arc<watch::Sender<bool>>) {
        let (sender, receiver) = watch::channel(false);
        let sender = Arc::new(sender);
        let interrupt = Self {
            receiver,
            _sender: Arc::clone(&sender),
        };
        (interrupt, sender)
    }

    /// One that is never triggered.
    pub fn never() -> Self {
        Self::new().0
    }

    /// Whether it was triggered.
    pub fn thrown(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Waits until it is triggered.
    pub async fn wait(&self) {
        let mut receiver = self.receiver.clone();
        if receiver.wait_for(|thrown| *thrown).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

//! A process with all its children.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// How long it may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process group that a child leads. It is terminated when this is dropped, unless it has ended.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started as the leader of one.
    pub(super) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Its leader has ended and was waited for: its number may be reused from now on.
    pub(super) fn is_gone(&mut self) {
        self.0 = None;
    }

    /// Terminates all of it, and kills what does not end.
    pub(super) async fn end(mut self, leader: &mut Child) {
        let Some(group) = self.0.take() else {
            return;
        };
        let _ = kill_process_group(group, Signal::TERM);
        let _ = tokio::time::timeout(PATIENCE, leader.wait()).await;
        let _ = kill_process_group(group, Signal::KILL);
        let _ = leader.wait().await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }
}

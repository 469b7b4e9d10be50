//! Who works here, for the lease and the records on a host.

use std::time::Duration;

use deployctl_engine::process::Program;

use crate::env_vars;

/// `user@controller`. Where the environment does not name the user (cron, a unit, a container), the system's accounts do.
pub(crate) async fn holder() -> String {
    let user = match env_vars::user() {
        Some(user) => user,
        None => said("id", "-un").await.unwrap_or("unknown".to_owned()),
    };
    let controller = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let controller = controller
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let controller = match controller {
        Some(name) => name,
        None => said("uname", "-n").await.unwrap_or("controller".to_owned()),
    };
    format!("{user}@{controller}")
}

/// What a small program says, if it says anything.
async fn said(program: &str, argument: &str) -> Option<String> {
    let program = Program::new(program)
        .arguments([argument])
        .deadline(Duration::from_secs(5));
    let finished = program.run().await.ok()?;
    let text = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
    (finished.status.success() && !text.is_empty()).then_some(text)
}

//! What one host should become.

use std::sync::Arc;

use deployctl_core::inventory::host::Host;
use deployctl_core::name::HostName;
use deployctl_core::plan::Target;
use deployctl_core::rendered::Rendered;

use crate::nix::deployer::{ClosureDeployer, Source};

/// What one host should hold and run.
#[derive(Debug, Clone)]
pub struct TargetState {
    /// How to log in, and the machine's identity.
    pub target: Target,
    /// The files that it should have.
    pub rendered: Rendered,
    /// The system that Nix builds; `None` for hosts that get files, and if the system is not deployed.
    pub system: Option<TargetSystem>,
}

/// A host's system, and what deploys it.
#[derive(Debug, Clone)]
pub struct TargetSystem {
    /// What deploys it.
    pub deployer: Arc<ClosureDeployer>,
    /// The host's facts.
    pub host: Host,
    /// The system, and how it is built.
    pub source: Source,
}

impl TargetState {
    /// Which host.
    pub fn host(&self) -> &HostName {
        &self.target.host
    }
}

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
    /// How we get in, and which machine it should be.
    pub target: Target,
    /// What it should hold.
    pub rendered: Rendered,
    /// The system that Nix builds; `None` for hosts that are given files, and where the system is not to
    /// be deployed.
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

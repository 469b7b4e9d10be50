//! `nix`: how the host gets the system that Nix builds for it. `NixOS` and macOS.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Line;

/// Nix on the host, and the way of closures there.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nix {
    /// `system.stateVersion`: the release it was first installed from. `26.05` on `NixOS`, 1 to 7 on macOS.
    pub state_version: Line,
    /// Where its closures are built.
    pub build_on: BuildOn,
    /// Whether the host itself fetches what its substituters have, instead of getting it from us.
    pub substitute: bool,
    /// Whether what is copied is compressed on the way; pays on slow links alone.
    pub compress: bool,
    /// Caches that the host fetches from.
    pub substituters: Vec<Line>,
    /// Keys whose signatures it accepts, `name:base64`: those of its caches, and the operators' own.
    pub trusted_public_keys: Vec<Line>,
}

/// Where closures are built. Either may pass derivations on to its own remote builders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum BuildOn {
    /// Here, then copied.
    Controller,
    /// On the host itself.
    Host,
}

//! `ssh`: the way in. Keys only; passwords are never an option.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Port;
use crate::name::AccountName;

/// The SSH server.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Port that it listens on; at `connection.port` it listens as well, while that is another. To change it, change
    /// this one, apply, then `connection.port`, and apply.
    pub port: Port,
    /// Whether root may log in, and how.
    pub permit_root_login: RootLogin,
    /// Who may log in at all.
    #[schemars(length(min = 1))]
    pub allow_users: BTreeSet<AccountName>,
    /// Keys that a connection may try.
    #[schemars(range(min = 2, max = 20))]
    pub max_auth_tries: u32,
    /// Seconds until a connection must have logged in.
    #[schemars(range(min = 5, max = 600))]
    pub login_grace_seconds: u32,
    /// Seconds between signs of life asked of a silent client; 0 asks for none.
    #[schemars(range(min = 0, max = 3600))]
    pub client_alive_interval_seconds: u32,
}

/// How root may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RootLogin {
    /// Not at all.
    No,
    /// By key.
    ProhibitPassword,
    /// By a key that names its one command.
    ForcedCommandsOnly,
}

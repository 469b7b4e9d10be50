//! `ssh`: the way in. Keys only; passwords are never an option.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::{Cluster, Port};
use super::host::Host;
use super::text::PublicKey;
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
    /// Whether only keys that facts declare open an account: then keys in home directories open none, nor does a
    /// certificate or a command that looks keys up. Without it, keys that are on the host already stay good.
    #[schemars(extend("x-optional" = true))]
    pub exclusive_keys: Option<bool>,
}

impl Ssh {
    /// Whether only declared keys open an account.
    pub fn has_exclusive_keys(&self) -> bool {
        self.exclusive_keys == Some(true)
    }
}

/// The keys that facts declare, by account: those of the cluster's operators, and of the host's users.
pub fn declared_keys<'a>(
    cluster: &'a Cluster,
    host: &'a Host,
) -> BTreeMap<&'a AccountName, Vec<&'a PublicKey>> {
    let users = host
        .system
        .iter()
        .flat_map(|system| &system.users)
        .flatten();
    let users = users.map(|(name, user)| (name, user.keys.iter().collect::<Vec<_>>()));
    let operators = cluster.operators.iter();
    users
        .chain(operators.map(|(name, operator)| (name, operator.keys.iter().collect())))
        .filter(|(_, keys)| !keys.is_empty())
        .collect()
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

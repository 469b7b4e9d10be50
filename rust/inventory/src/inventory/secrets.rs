//! `cluster.secrets`: values that the operators and some hosts may read, and nobody else.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::FileMode;
use crate::name::{AccountName, HostName};

/// A value that is encrypted in the repository: `secrets/<name>.age`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Hosts that can read it, beside the operators.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub hosts: BTreeSet<HostName>,
    /// Account that owns the file on the host; root where it is not said. Services that take it by `LoadCredential=`
    /// need no other.
    #[schemars(extend("x-optional" = true))]
    pub owner: Option<AccountName>,
    /// Group of the file on the host; root where it is not said.
    #[schemars(extend("x-optional" = true))]
    pub group: Option<AccountName>,
    /// Mode of the file on the host; only its owner reads it where it is not said.
    #[schemars(extend("x-optional" = true))]
    pub mode: Option<FileMode>,
    /// Random bytes of which `deployctl secret rotate` makes a new value, written in the alphabet of URLs; a value that
    /// somebody else issues has none.
    #[schemars(extend("x-optional" = true), range(min = 16, max = 64))]
    pub generate_bytes: Option<u8>,
    /// Days after which `deployctl secret check` asks for a new value.
    #[schemars(extend("x-optional" = true), range(min = 1, max = 3650))]
    pub rotate_days: Option<u16>,
}

//! What `deployctl secret` understands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Keep values that only some hosts and the operators may read
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// List the declared secrets: who may read each, how old it is, what is wrong with it
    List,
    /// Check that every declared secret is there, for exactly its readers, and not due
    Check,
    /// Print the value of a secret
    Show(SecretShow),
    /// Set the value of a secret from standard input, or from a hidden prompt
    Set(SecretSet),
    /// Change the value of a secret in `$EDITOR`; the line break that an editor adds at the end is not part of it
    Edit(SecretShow),
    /// Give secrets new random values
    Rotate(SecretRotate),
    /// Encrypt secrets anew, to the keys that are declared now
    Rekey(SecretRekey),
}

/// Private keys to open secrets with.
#[derive(Debug, Args)]
pub(crate) struct Identities {
    /// Open secrets with the private key in FILE: of SSH, of age, or of a plugin
    /// [default: `~/.ssh/id_ed25519` and `~/.ssh/id_rsa`]
    #[arg(long = "identity", short = 'i', value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Print the value of a secret, or change it in `$EDITOR`
#[derive(Debug, Args)]
pub(crate) struct SecretShow {
    /// The secret
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) identities: Identities,
}

/// Set the value of a secret from standard input, or from a hidden prompt
///
/// One line break at the end is not part of the value. The value is never read from the command line, which every
/// account of the computer can see.
#[derive(Debug, Args)]
pub(crate) struct SecretSet {
    /// The secret
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Keep a line break at the end
    #[arg(long)]
    pub(crate) exact: bool,
}

/// Give secrets new random values
///
/// For those whose `generate_bytes` says how long such a value is. No private key is needed.
#[derive(Debug, Args)]
pub(crate) struct SecretRotate {
    /// The secrets
    #[arg(value_name = "NAME", required_unless_present = "missing")]
    pub(crate) names: Vec<String>,
    /// All that are declared and have no value yet
    #[arg(long, conflicts_with = "names")]
    pub(crate) missing: bool,
}

/// Encrypt secrets anew, to the keys that are declared now
///
/// Values stay as they are: a reader that is no longer declared knows them, until they are rotated.
#[derive(Debug, Args)]
pub(crate) struct SecretRekey {
    /// The secrets [default: those that other keys can open than are declared]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) identities: Identities,
}

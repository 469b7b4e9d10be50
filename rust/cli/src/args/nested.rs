//! What the commands understand that have commands of their own: `concern`, `model`, `python` and `secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Show what hosts can declare, and from where it comes
#[derive(Debug, Subcommand)]
pub(crate) enum Concern {
    /// List the concerns: those that are built in, and those of the repository
    List,
    /// Show a concern: its platforms, what it puts where, its facts
    Show(ConcernShow),
    /// Write the folder of a new concern, which is sound from the start
    New(ConcernNew),
    /// Try folders of concerns: facts, templates, hostile values, Nix modules
    Test(ConcernTest),
}

/// Write the folder of a new concern, which is sound from the start
#[derive(Debug, Args)]
pub(crate) struct ConcernNew {
    /// Its name: lower-case letters and digits
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Try folders of concerns: facts, templates, hostile values, Nix modules
///
/// Contacts no host. Exits with 4 when something is not as it should be. What could not be tried, such as Nix modules
/// where there is no Nix, is skipped with its reason and proves nothing.
#[derive(Debug, Args)]
pub(crate) struct ConcernTest {
    /// Concerns [default: all below `modules/` of the repository]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Write the results to FILE as XML of the `JUnit` kind, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// Show a concern: its platforms, what it puts where, its facts
#[derive(Debug, Args)]
pub(crate) struct ConcernShow {
    /// The concern
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Keep lists of the files of models
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// List the files of one revision of a model, with their sizes and SHA-256
    Pin(ModelPin),
}

/// List the files of one revision of a model, with their sizes and SHA-256
///
/// The list is what `models.snapshots.NAME.manifest` takes. The hub says the hashes of large files; small ones are fetched.
#[derive(Debug, Args)]
pub(crate) struct ModelPin {
    /// The repository on the hub: owner/name
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    pub(crate) repository: String,
    /// The address of the hub, as `models.snapshots.NAME.hub` has it
    #[arg(long, value_name = "URL", value_parser = hub)]
    pub(crate) hub: String,
    /// A branch, a tag, or a commit
    #[arg(long, value_name = "REVISION", default_value = "main", value_parser = revision)]
    pub(crate) revision: String,
    /// Read a token of the hub from the first line of FILE; `/dev/stdin` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// List only files whose path fits GLOB; `*` is also for `/` [default: all]
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Leave out files whose path fits GLOB
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Write the list to FILE instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

fn letters(text: &str, more: &[u8]) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || more.contains(&b);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(good)
}

fn repository(text: &str) -> Result<String, &'static str> {
    let parts = text.split('/').count();
    if parts <= 2 && text.split('/').all(|part| letters(part, b"._-")) {
        Ok(text.to_owned())
    } else {
        Err("expected owner/name, of letters, digits and `._-`")
    }
}

fn hub(text: &str) -> Result<String, &'static str> {
    match text.strip_prefix("https://") {
        Some(name) if letters(name, b".:-") => Ok(text.to_owned()),
        _ => Err("expected `https://` and a name, without a path"),
    }
}

fn revision(text: &str) -> Result<String, &'static str> {
    if letters(text, b"._/-") {
        Ok(text.to_owned())
    } else {
        Err("expected a branch, a tag or a commit, of letters, digits and `._/-`")
    }
}

/// Keep locks of Python projects
#[derive(Debug, Subcommand)]
pub(crate) enum Python {
    /// Make or renew the lock of a project, by uv
    Lock(PythonLock),
}

/// Make or renew the lock of a project, by uv
///
/// A project is a folder hosts/HOST/NAME with a pyproject.toml. Its lock is uv.lock beside that; both are what
/// `python.environments.NAME.project` takes.
#[derive(Debug, Args)]
pub(crate) struct PythonLock {
    /// The name of the folder; of several hosts, all are locked
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Take the newest versions that the project allows
    #[arg(long)]
    pub(crate) upgrade: bool,
    /// The program uv [default: the one on the search path]
    #[arg(
        long,
        value_name = "FILE",
        default_value = "uv",
        hide_default_value = true
    )]
    pub(crate) uv: PathBuf,
}

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

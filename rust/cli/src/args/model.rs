//! What `deployctl model` understands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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

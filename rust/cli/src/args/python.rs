//! What `deployctl python` understands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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

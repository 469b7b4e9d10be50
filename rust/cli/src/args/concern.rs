//! What `deployctl concern` understands.

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

//! What `deployctl verify` understands.

use std::path::PathBuf;

use clap::Args;

use super::Hosts;

/// Check what is in effect on hosts and between them
///
/// A host answers everything that is quick to say in one go. Then come checks that load what they measure, one at a
/// time, then the links between the selected hosts. Exits with 4 when a check failed or could not be read.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Only these: concerns, checks (`vllm/latency`), links, or globs over them
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Vec<String>,
    /// All but these; wins over `--only`
    #[arg(long, value_name = "PATTERN")]
    pub(crate) skip: Vec<String>,
    /// Only the checks that decide whether an apply is confirmed
    #[arg(long)]
    pub(crate) gate: bool,
    /// Without the checks that load what they measure: latency, throughput, jitter
    #[arg(long)]
    pub(crate) quick: bool,
    /// Without the checks between hosts
    #[arg(long)]
    pub(crate) no_links: bool,
    /// Load hosts even while their exchange is open
    #[arg(long)]
    pub(crate) force: bool,
    /// Again and again, so many seconds after the last time; tells what changed. Ctrl-C ends it
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub(crate) watch: Option<u32>,
    /// Take what was found as right: write `hosts/HOST/accepted.snap`
    #[arg(long, conflicts_with_all = ["review", "watch"])]
    pub(crate) accept: bool,
    /// Go through every difference to what was accepted, and ask
    #[arg(long, conflicts_with_all = ["watch", "json"])]
    pub(crate) review: bool,
    /// Exit with 3 when all checks pass and something differs from what was accepted
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Write the results to FILE as XML of the `JUnit` kind, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a page with the results and those of earlier runs to FILE, too
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The probe that is uploaded to Linux hosts [default: `../libexec/deployctl/hostprobe-ARCHITECTURE` from here]
    #[arg(long, value_name = "FILE")]
    pub(crate) hostprobe: Option<PathBuf>,
}

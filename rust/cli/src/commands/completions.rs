//! `deployctl completions SHELL`

use clap::CommandFactory as _;
use deployctl_report::Verdict;

use crate::args::{Cli, Completions};

pub(super) fn run(args: &Completions) -> Verdict {
    let mut command = Cli::command();
    clap_complete::generate(
        args.shell,
        &mut command,
        "deployctl",
        &mut std::io::stdout(),
    );
    Verdict::Done
}

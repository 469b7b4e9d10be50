//! `deployctl completions SHELL`

use std::io::Write as _;

use clap::CommandFactory as _;
use deployctl_report::Verdict;

use crate::args::{Cli, Completions};

pub(super) fn run(args: &Completions) -> Verdict {
    let mut command = Cli::command();
    // In memory first: clap panics where a reader has closed the pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "deployctl", &mut script);
    let _ = std::io::stdout().lock().write_all(&script);
    Verdict::Done
}

//! Probes each item in a separate process, or one item in this process.

use std::process::ExitCode;

use clap::{Parser as _, ValueEnum as _};

use crate::args::{Args, Name};
use crate::item;
use crate::report::Report;

/// Does what the command line says, and prints one document.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    // If locked and mapped memory here exhausts the host, the kernel kills this process first: proc(5). Its children
    // inherit this.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    if args.touch {
        return item::hugepages::touch(&args);
    }
    if let Some(name) = args.alone {
        item::probe(name, &args).print();
        return ExitCode::SUCCESS;
    }
    let items: Vec<_> = Name::value_variants()
        .iter()
        .filter(|name| args.only.is_empty() || args.only.contains(name))
        .map(|name| item::apart::probe(*name))
        .collect();
    let failed = items.iter().any(|item| item["status"] == "fail");
    Report::of(items).print();
    ExitCode::from(u8::from(failed))
}

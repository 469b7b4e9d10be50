//! One round of asking, as the engine wants it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use deployctl_core::inventory::host::Architecture;
use deployctl_engine::connect::Connector;
use deployctl_engine::run_context::RunContext;
use deployctl_engine::verify::{self, Shipments, VerifyOptions, Work};
use deployctl_report::{Problem, Report};

use super::super::width;
use crate::args;
use crate::context::Context;
use crate::env_vars;
use crate::failure::Failure;
use crate::progress;

/// Asks what `work` holds.
pub(super) async fn ask(
    context: &Context,
    connector: Arc<dyn Connector>,
    work: Work,
    args: &args::Verify,
) -> Result<Report, Failure> {
    let names: Vec<_> = work.hosts.iter().map(|(host, _)| host.clone()).collect();
    let repository = context.repo()?;
    let shipments = Arc::new(Shipments::new(repository.clone(), hostprobes(args)));
    let options = VerifyOptions {
        force: args.force,
        jobs: context.jobs(),
    };
    let run = RunContext {
        clock: context.clock.clone(),
        sink: progress::sink(context.ui, width(&names), context.global.verbose),
        interrupt: context.interrupt.clone(),
        repository: Some(repository),
    };
    Ok(verify::run(connector, work, shipments, options, run).await)
}

/// The probe for every kind of host: the one that was named, or the one that was installed with us.
fn hostprobes(args: &args::Verify) -> BTreeMap<Architecture, Result<PathBuf, Problem>> {
    let named = args.hostprobe.clone().or_else(env_vars::hostprobe);
    let kinds = [
        (Architecture::X86_64, "x86_64"),
        (Architecture::Aarch64, "aarch64"),
    ];
    kinds
        .into_iter()
        .map(|(architecture, word)| {
            let found = match &named {
                Some(path) => Ok(path.clone()),
                None => installed(word),
            };
            (architecture, found)
        })
        .collect()
}

/// `../libexec/deployctl/hostprobe-ARCHITECTURE`, seen from the program.
fn installed(architecture: &str) -> Result<PathBuf, Problem> {
    let name = format!("hostprobe-{architecture}");
    let beside = std::env::current_exe().ok().and_then(|program| {
        let top = program.parent()?.parent()?;
        Some(top.join("libexec/deployctl").join(&name))
    });
    match beside {
        Some(path) if path.is_file() => Ok(path),
        _ => Err(Problem {
            message: format!("there is no `{name}` beside this program"),
            hint: Some(format!(
                "`cargo build --release --package hostprobe --target {architecture}-unknown-linux-musl` builds one, `--hostprobe FILE` names it"
            )),
        }),
    }
}

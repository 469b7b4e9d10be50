//! One command a file; this one takes the command line apart and ends the process.

mod adopt;
mod apply;
mod build;
mod completions;
mod concern;
mod diff;
mod gc;
mod history;
mod image;
mod inventory;
mod kernel;
mod model;
mod pages;
mod plan;
mod python;
mod render;
mod rollback;
mod rollout;
mod secret;
mod stage;
mod status;
mod target_states;
mod verify;
mod why;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser as _;
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_engine::history::HistoryError;
use deployctl_engine::interrupt::Interrupt;
use deployctl_report::Verdict;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let wrong = error.use_stderr();
            return ExitCode::from(if wrong { Verdict::Usage.code() } else { 0 });
        }
    };
    let (interrupt, thrower) = Interrupt::new();
    let changes_hosts = matches!(cli.command, Command::Apply(_) | Command::Rollback(_));
    let context = Context::new(cli.global, interrupt);
    let ui = context.ui;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.fail(&Failure::of(Verdict::Internal, &error));
            return ExitCode::from(Verdict::Internal.code());
        }
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = run(&context, cli.command) => result,
            () = second_signal(&context, &thrower, changes_hosts) => Err(left_alone(&context)),
        }
    });
    // Blocking reads of the terminal must not hold us up.
    runtime.shutdown_background();
    match result {
        Ok(verdict) => ExitCode::from(verdict.code()),
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::from(failure.verdict.code())
        }
    }
}

/// How the command ends if it no longer waits for hosts.
fn left_alone(context: &Context) -> Failure {
    if context.started.load(Ordering::Relaxed) {
        Failure::new(
            Verdict::Open,
            "interrupted twice: hosts that are not confirmed roll back by themselves",
        )
        .hint("ask `deployctl status` how they ended")
    } else {
        Failure::new(
            Verdict::Interrupted,
            "interrupted twice, before anything was applied",
        )
    }
}

/// The first Ctrl-C lets hosts come to a safe end, the second ends us.
async fn second_signal(
    context: &Context,
    thrower: &tokio::sync::watch::Sender<bool>,
    changes_hosts: bool,
) {
    signal().await;
    let _ = thrower.send(true);
    let ui = context.ui;
    // Beside the work: a full pipe must not keep hosts from their safe end.
    drop(tokio::task::spawn_blocking(move || {
        ui.say(if changes_hosts {
            "interrupted: bringing hosts to a safe end; once more to leave them to themselves"
        } else {
            "interrupted: coming to an end; once more to leave at once"
        });
    }));
    // One key press may arrive twice: from the terminal, and passed on by a wrapper.
    let _ = tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await;
    signal().await;
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn run(context: &Context, command: Command) -> Result<Verdict, Failure> {
    match command {
        Command::Inventory(args) => inventory::run(context, &args).await,
        Command::Render(args) => render::run(context, &args).await,
        Command::Build(args) => build::run(context, &args).await,
        Command::Image(args) => image::run(context, &args).await,
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Apply(args) => apply::run(context, &args).await,
        Command::Stage(args) => stage::run(context, &args).await,
        Command::Gc(args) => gc::run(context, &args).await,
        Command::Verify(args) => verify::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::History(args) => history::run(context, &args).await,
        Command::Rollback(args) => rollback::run(context, &args).await,
        Command::Diff(args) => diff::run(context, &args).await,
        Command::Adopt(args) => adopt::run(context, &args).await,
        Command::Why(args) => why::run(context, &args).await,
        Command::Concern(args) => concern::run(context, &args).await,
        Command::Secret(args) => secret::run(context, &args).await,
        Command::Kernel(args) => kernel::run(context, &args).await,
        Command::Model(args) => model::run(context, &args).await,
        Command::Python(args) => python::run(context, &args).await,
        Command::Completions(args) => Ok(completions::run(&args)),
    }
}

/// Characters of the longest name.
fn width(hosts: &[HostName]) -> usize {
    hosts
        .iter()
        .map(|host| host.as_str().len())
        .max()
        .unwrap_or_default()
}

/// Hosts that can be asked, and the others with the reason why they are left out: a sandbox replaces
/// hosts that are given files alone.
fn askable(
    context: &Context,
    inventory: &Inventory,
    hosts: &[HostName],
) -> (Vec<HostName>, Vec<(HostName, String)>) {
    let files_only = context.global.sandbox.is_some();
    let given_files = |name: &HostName| {
        let host = inventory.host(name);
        host.is_some_and(|host| !host.platform.runs_closure())
    };
    let (asked, others): (Vec<_>, Vec<_>) = hosts
        .iter()
        .cloned()
        .partition(|name| !files_only || given_files(name));
    let others = others
        .into_iter()
        .map(|name| (name, format!("skip: {}", target_states::FILES_ONLY)))
        .collect();
    (asked, others)
}

/// A host's memory that could not be read.
fn trouble(error: HistoryError) -> Failure {
    let hint = error.hint();
    let verdict = match error {
        HistoryError::Transport(error) => return error.into(),
        HistoryError::NoGeneration { .. } => Verdict::Usage,
        _ => Verdict::Internal,
    };
    Failure::of(verdict, &error).hint_if_any(hint)
}

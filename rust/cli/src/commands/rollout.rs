//! What plan, apply, rollback and diff have in common: ask, plan, apply, report.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_core::plan::Overrides;
use deployctl_engine::fleet::{self, broken};
use deployctl_engine::prepare::{Asked, Purpose, host_of, prepare};
use deployctl_engine::rollout::{self, Configuration, Rollout, RolloutOptions};
use deployctl_engine::run_context::RunContext;
use deployctl_engine::target_state::TargetState;
use deployctl_report::{HostReport, Report, Verdict};

use super::target_states::TargetStates;
use super::width;
use crate::args;
use crate::context::{Context, holder};
use crate::failure::Failure;
use crate::progress;
use crate::show;
use crate::ui::Ui;

/// Asks all hosts at once, copies missing systems, and plans.
pub(super) async fn asked(
    context: &Context,
    inventory: &Inventory,
    states: TargetStates,
    purpose: Purpose,
) -> Result<Vec<Asked>, Failure> {
    let connector = context.connector(inventory)?;
    let hosts: Vec<HostName> = states.iter().map(|(host, _)| host.clone()).collect();
    let run = run_context(context, &hosts);
    let work = |_, state: Result<TargetState, Box<HostReport>>| {
        let (connector, run) = (Arc::clone(&connector), run.clone());
        async move { prepare(connector, state?, purpose, run).await }
    };
    Ok(fleet::each(states, context.jobs(), work, |host, panic| {
        Err(Box::new(broken(host, &panic)))
    })
    .await)
}

/// What all hosts of one run share.
pub(super) fn run_context(context: &Context, hosts: &[HostName]) -> RunContext {
    RunContext {
        clock: context.clock.clone(),
        sink: progress::sink(context.ui, width(hosts), context.global.verbose),
        interrupt: context.interrupt.clone(),
        repository: context.repo().ok(),
    }
}

/// What `apply` and `rollback` ask a host for.
pub(super) fn to_apply(args: &args::Rollout) -> Purpose {
    Purpose::Apply(Overrides {
        force: args.force,
        steal: args.steal,
    })
}

/// Shows what would change, asks, applies to all hosts at once, and reports.
pub(super) async fn roll_out(
    context: &Context,
    command: &str,
    inventory: &Inventory,
    asked: Vec<Asked>,
    args: &args::Rollout,
    configuration: Configuration,
) -> Result<Report, Failure> {
    let mut pending = 0;
    for prepared in asked.iter().flatten() {
        if rollout::settled(&prepared.plan).is_none() {
            pending += 1;
            let brief = args.yes && !context.global.verbose;
            let text = if brief {
                show::headline(&prepared.plan)
            } else {
                show::plan(&prepared.plan, false)
            };
            context.ui.say(text.trim_end());
        }
    }
    if pending > 0 && !args.yes {
        let hosts = if pending == 1 { "host" } else { "hosts" };
        let question = format!("apply this to {pending} {hosts}?");
        if !Ui::confirm(&question, "--yes")? {
            return Err(Failure::new(Verdict::Refused, "nothing was applied"));
        }
    }
    context.started.store(pending > 0, Ordering::Relaxed);
    let hosts: Vec<HostName> = asked.iter().map(host_of).collect();
    let rollout = Rollout {
        inventory,
        configuration,
        options: RolloutOptions {
            holder: holder().await,
            timeout: args.timeout,
        },
        jobs: context.jobs(),
        context: run_context(context, &hosts),
    };
    Ok(Report::new(command, rollout.run(asked).await))
}

//! `deployctl stage`: what an apply will switch to is fetched before it.

use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_engine::fleet::{self, broken};
use deployctl_engine::prepare::{Purpose, host_of};
use deployctl_engine::stage;
use deployctl_engine::target_state::TargetState;
use deployctl_report::{HostReport, Outcome, Report, Verdict};

use super::rollout::{asked, run_context};
use super::target_states::{Systems, TargetStates, target_states};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let mut states = target_states(context, &inventory, &hosts, Systems::Remembered).await?;
    // A host without artifacts is not contacted.
    for (host, state) in &mut states {
        if state
            .as_ref()
            .is_ok_and(|state| state.rendered.artifacts.is_empty())
        {
            let reason = "it declares no artifacts".to_owned();
            let outcome = Outcome::Skipped { reason };
            *state = Err(Box::new(HostReport::ended(host.clone(), outcome)));
        }
    }
    evaluate(context, &inventory, &mut states).await?;
    let asked = asked(context, &inventory, states, Purpose::Plan).await?;
    let run = run_context(context, &hosts);
    let items = asked.into_iter().map(|asked| (host_of(&asked), asked));
    let reports = fleet::each(
        items.collect(),
        context.jobs(),
        |_, asked| stage::only(asked, run.clone()),
        |host, panic| broken(host, &panic),
    )
    .await;
    let report = Report::new("stage", reports);
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::report(&report));
    }
    Ok(report.verdict(false))
}

/// What a host of a Nix platform holds beside its system is planned with that system, which its plan is about, too.
async fn evaluate(
    context: &Context,
    inventory: &Inventory,
    states: &mut TargetStates,
) -> Result<(), Failure> {
    let of_nix = |state: &TargetState| state.target.platform.runs_closure();
    let hosts: Vec<HostName> = states
        .iter()
        .filter(|(_, state)| state.as_ref().is_ok_and(of_nix))
        .map(|(host, _)| host.clone())
        .collect();
    if hosts.is_empty() {
        return Ok(());
    }
    let mut evaluated = target_states(context, inventory, &hosts, Systems::Evaluated)
        .await?
        .into_iter();
    for state in states.iter_mut().filter(|(host, _)| hosts.contains(host)) {
        *state = evaluated.next().expect("one for each, in this order");
    }
    Ok(())
}

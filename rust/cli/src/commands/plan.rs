//! `deployctl plan`

use deployctl_core::plan::Plan;
use deployctl_engine::prepare::{Purpose, planned};
use deployctl_engine::repository;
use deployctl_report::{Report, Verdict};

use super::rollout;
use super::target_states::{Systems, target_states};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::Ui;
use crate::{saved, show};

pub(super) async fn run(context: &Context, args: &args::Plan) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let states = target_states(context, &inventory, &hosts, Systems::Evaluated).await?;
    let asked = rollout::asked(context, &inventory, states, Purpose::Plan).await?;
    let report = planned("plan", asked);
    if let Some(out) = &args.out {
        saved::write(out, commit(context).await, plans(&report))?;
        context.ui.say(&format!(
            "saved: apply it with `deployctl apply --plan {}`",
            out.display()
        ));
    }
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::plans(&report, args.full));
    }
    let refused = plans(&report)
        .iter()
        .any(|plan| plan.refusals().next().is_some());
    let verdict = report.verdict(args.exit_code);
    Ok(
        if refused && verdict.badness() < Verdict::Refused.badness() {
            Verdict::Refused
        } else {
            verdict
        },
    )
}

fn plans(report: &Report) -> Vec<Plan> {
    let plans = report.hosts.iter().filter_map(|host| host.plan.clone());
    plans.collect()
}

/// The repository's commit, with `-dirty` where it has local changes; empty when unknown.
async fn commit(context: &Context) -> String {
    let Ok(repo) = context.repo() else {
        return String::new();
    };
    let state = repository::state(&repo).await;
    state.map_or_else(String::new, |state| {
        let dirty = if state.dirty { "-dirty" } else { "" };
        state
            .commit
            .map_or_else(String::new, |commit| commit + dirty)
    })
}

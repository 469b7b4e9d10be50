//! `deployctl plan`, and the file of plans for a later apply that must do exactly that.

use std::path::Path;

use deployctl_core::plan::{Plan, SavedPlans};
use deployctl_engine::prepare::{Purpose, planned};
use deployctl_engine::repository;
use deployctl_report::{Report, Verdict};

use super::rollout;
use super::target_states::{Systems, target_states};
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::Ui;
use crate::{args, show};

pub(super) async fn run(context: &Context, args: &args::Plan) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let states = target_states(context, &inventory, &hosts, Systems::Evaluated).await?;
    let asked = rollout::asked(context, &inventory, states, Purpose::Plan).await?;
    let report = planned("plan", asked);
    if let Some(out) = &args.out {
        write_saved(out, commit(context).await, plans(&report))?;
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

/// Writes `plans` to `path`, with the commit they were made from.
fn write_saved(path: &Path, commit: String, plans: Vec<Plan>) -> Result<(), Failure> {
    std::fs::write(path, SavedPlans::new(commit, plans).to_json()).map_err(|error| {
        Failure::usage(format!("cannot write the plan to `{}`", path.display())).cause(&error)
    })
}

/// Reads what [`write`] wrote.
pub(super) fn read_saved(path: &Path) -> Result<SavedPlans, Failure> {
    let what = || Failure::usage(format!("cannot use the plan `{}`", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| what().cause(&error))?;
    SavedPlans::from_json(&text).map_err(|error| {
        what()
            .cause(&error)
            .hint("`deployctl plan --out FILE` writes one")
    })
}

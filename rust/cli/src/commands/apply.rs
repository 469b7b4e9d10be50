//! `deployctl apply`

use deployctl_core::plan::SavedPlans;
use deployctl_engine::rollout::{Configuration, only_saved};
use deployctl_report::Verdict;

use super::plan;
use super::rollout;
use super::target_states::{Systems, target_states};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Apply) -> Result<Verdict, Failure> {
    let saved = args.plan.as_deref().map(plan::read_saved).transpose()?;
    let inventory = context.inventory().await?;
    let mut words = args.hosts.hosts.clone();
    if let Some(saved) = saved.as_ref().filter(|_| words.is_empty()) {
        words = hosts_of(saved);
    }
    let hosts = select(&inventory, &words)?;
    let states = target_states(context, &inventory, &hosts, Systems::Evaluated).await?;
    let mut asked = rollout::asked(
        context,
        &inventory,
        states,
        rollout::to_apply(&args.rollout),
    )
    .await?;
    if let Some(saved) = &saved {
        asked = asked
            .into_iter()
            .map(|asked| only_saved(saved, asked))
            .collect();
    }
    let report = rollout::roll_out(
        context,
        "apply",
        &inventory,
        asked,
        &args.rollout,
        Configuration::Declared,
    )
    .await?;
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::report(&report));
    }
    Ok(report.verdict(args.exit_code))
}

fn hosts_of(saved: &SavedPlans) -> Vec<String> {
    let hosts = saved.plans.iter().map(|plan| plan.host.to_string());
    hosts.collect()
}

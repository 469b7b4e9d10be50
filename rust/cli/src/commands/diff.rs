//! `deployctl diff`: what was changed on hosts behind our back.

use deployctl_engine::prepare::{Purpose, planned};
use deployctl_report::{Report, Verdict};

use super::rollout;
use super::target_states::{Systems, target_states};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Diff) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let states = target_states(context, &inventory, &hosts, Systems::Remembered).await?;
    let asked = rollout::asked(context, &inventory, states, Purpose::Plan).await?;
    let report = planned("diff", asked);
    if context.ui.json {
        let all: serde_json::Map<_, _> = report
            .hosts
            .iter()
            .map(|host| {
                let drift = host.plan.as_ref().map(|plan| &plan.drift);
                (
                    host.host.to_string(),
                    serde_json::json!({"outcome": host.outcome, "drift": drift}),
                )
            })
            .collect();
        Ui::print_json(&all);
    } else {
        context.ui.print(&show::drift(&report));
    }
    Ok(verdict(&report, args.exit_code))
}

/// What differs from the declaration does not count here, only what differs from the last commit.
fn verdict(report: &Report, exit_code: bool) -> Verdict {
    let failed = report.verdict(false);
    let drifted = report
        .hosts
        .iter()
        .filter_map(|host| host.plan.as_ref())
        .any(|plan| !plan.drift.is_empty());
    if failed == Verdict::Done && drifted && exit_code {
        Verdict::Pending
    } else {
        failed
    }
}

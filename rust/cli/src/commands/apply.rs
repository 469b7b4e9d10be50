//! `deployctl apply`

use deployctl_checks as checks;
use deployctl_core::name::HostName;
use deployctl_core::plan::SavedPlans;
use deployctl_report::{HostReport, Outcome, Problem, Verdict};

use super::desired::{Systems, desired};
use super::rollout::{self, Asked, Boldness};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::saved;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Apply) -> Result<Verdict, Failure> {
    let saved = args.plan.as_deref().map(saved::read).transpose()?;
    let inventory = context.inventory().await?;
    let mut words = args.hosts.hosts.clone();
    if let Some(saved) = saved.as_ref().filter(|_| words.is_empty()) {
        words = hosts_of(saved);
    }
    let hosts = select(&inventory, &words)?;
    let desires = desired(context, &inventory, &hosts, Systems::Evaluated).await?;
    let mut asked =
        rollout::asked(context, &inventory, desires, Boldness::of(&args.rollout)).await?;
    if let Some(saved) = &saved {
        asked = asked.into_iter().map(|asked| still(saved, asked)).collect();
    }
    let report = rollout::roll_out(
        context,
        "apply",
        &inventory,
        asked,
        &args.rollout,
        checks::checks,
    )
    .await?;
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::report(&report));
    }
    Ok(report.verdict(args.exit_code))
}

/// Only what was saved may be applied: another plan than that is refused.
fn still(saved: &SavedPlans, asked: Asked) -> Asked {
    let prepared = asked?;
    let host = prepared.host().clone();
    let message = match plan_of(saved, &host) {
        Some(id) if id == prepared.plain_id => return Ok(prepared),
        Some(_) => format!(
            "`{host}`: the saved plan is stale: the host or the declaration has changed since"
        ),
        None => format!("`{host}`: the saved plan does not cover this host"),
    };
    let reason = Problem {
        message,
        hint: Some("plan again: `deployctl plan --out FILE`".to_owned()),
    };
    Err(Box::new(HostReport {
        plan: Some(prepared.plan),
        took_over: prepared.took_over,
        ..HostReport::ended(
            host,
            Outcome::Refused {
                reasons: vec![reason],
            },
        )
    }))
}

fn hosts_of(saved: &SavedPlans) -> Vec<String> {
    let hosts = saved.plans.iter().map(|plan| plan.host.to_string());
    hosts.collect()
}

/// The id of the host's saved plan.
fn plan_of<'a>(saved: &'a SavedPlans, host: &HostName) -> Option<&'a str> {
    let plan = saved.plans.iter().find(|plan| plan.host == *host)?;
    Some(&plan.id)
}

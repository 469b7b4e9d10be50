//! `deployctl stage`: what an apply will switch to is fetched before it.

use deployctl_engine::fleet::{self, broken};
use deployctl_engine::prepare::{Purpose, host_of};
use deployctl_engine::stage;
use deployctl_report::{HostReport, Outcome, Report, Verdict};

use super::rollout::{asked, run_context};
use super::target_states::{Systems, target_states};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let states = target_states(context, &inventory, &hosts, Systems::Remembered).await?;
    // A host without artifacts is not contacted.
    let states = states.into_iter().map(|(host, state)| {
        let state = state.and_then(|state| {
            if state.rendered.artifacts.is_empty() {
                let reason = "it declares no artifacts".to_owned();
                let outcome = Outcome::Skipped { reason };
                return Err(Box::new(HostReport::ended(host.clone(), outcome)));
            }
            Ok(state)
        });
        (host, state)
    });
    let asked = asked(context, &inventory, states.collect(), Purpose::Plan).await?;
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

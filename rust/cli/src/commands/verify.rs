//! `deployctl verify`

use std::sync::Arc;

use deployctl_core::check::Check;
use deployctl_core::name::HostName;
use deployctl_core::render::Rendering;
use deployctl_core::report::{HostReport, Outcome, Report, Verdict};
use deployctl_engine::fleet;
use deployctl_engine::verify::verify;

use super::rollout;
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let items = rollout::rendered(context, &inventory, &hosts)?
        .into_iter()
        .map(|(host, rendering)| {
            let checks = match rendering {
                Rendering::Files(rendered) => Ok(rollout::checks(&inventory, &rendered)),
                Rendering::NeedsClosure { platform } => Err(platform),
            };
            (host, checks)
        })
        .collect();
    let connector = context.connector(&inventory)?;
    let work = |host: HostName, checks: Result<Vec<Check>, String>| {
        let connector = Arc::clone(&connector);
        async move {
            match checks {
                Ok(checks) => verify(connector.as_ref(), host, checks).await,
                Err(platform) => {
                    let reason = format!("{platform} needs a closure");
                    HostReport::ended(host, Outcome::Skipped { reason })
                }
            }
        }
    };
    let hosts = fleet::each(items, context.jobs(), work, |host, panic| {
        rollout::broken(host, &panic)
    })
    .await;
    let report = Report {
        version: 1,
        command: "verify".to_owned(),
        hosts,
    };
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::checks(&report));
    }
    Ok(report.verdict(false))
}

//! `deployctl verify`

use std::sync::Arc;

use deployctl_core::check::Check;
use deployctl_core::name::HostName;
use deployctl_core::report::{HostReport, Report, Verdict};
use deployctl_engine::fleet;
use deployctl_engine::verify::verify;

use super::desired::{Systems, desired};
use super::rollout;
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let items = desired(context, &inventory, &hosts, Systems::Remembered)
        .await?
        .into_iter()
        .map(|(host, desired)| {
            let checks = desired.map(|desired| rollout::checks(&inventory, &desired.rendered));
            (host, checks)
        })
        .collect();
    let connector = context.connector(&inventory)?;
    let work = |host: HostName, checks: Result<Vec<Check>, Box<HostReport>>| {
        let connector = Arc::clone(&connector);
        async move {
            match checks {
                Ok(checks) => verify(connector.as_ref(), host, checks).await,
                Err(report) => *report,
            }
        }
    };
    let hosts = fleet::each(items, context.jobs(), work, |host, panic| {
        rollout::broken(host, &panic)
    })
    .await;
    let report = Report::new("verify", hosts);
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::checks(&report));
    }
    Ok(report.verdict(false))
}

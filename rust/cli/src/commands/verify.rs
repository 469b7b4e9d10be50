//! `deployctl verify`

mod scope;

use std::sync::Arc;

use deployctl_core::check::{Check, Selection};
use deployctl_core::name::HostName;
use deployctl_core::report::{HostReport, Report, Verdict};
use deployctl_engine::fleet;
use deployctl_engine::verify::verify;

use self::scope::Scope;
use super::desired::{Systems, desired};
use super::rollout;
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Verify) -> Result<Verdict, Failure> {
    let selection = Selection::parse(&args.only, &args.skip)?
        .gates(args.gate)
        .quick(args.quick);
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let desires = desired(context, &inventory, &hosts, Systems::Remembered).await?;
    let scope = Scope::new(&inventory, &hosts, &desires, &selection, !args.no_links)?;
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
    let hosts = fleet::each(scope.hosts, context.jobs(), work, |host, panic| {
        rollout::broken(host, &panic)
    })
    .await;
    let report = Report::new("verify", hosts);
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::checks(&report));
        for line in &scope.notes {
            context.ui.say(line);
        }
    }
    Ok(report.verdict(false))
}

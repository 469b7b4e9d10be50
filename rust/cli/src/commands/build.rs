//! `deployctl build`: the systems of Nix hosts, built where they are built for an apply, and copied nowhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use deployctl_core::closure::StorePath;
use deployctl_core::name::HostName;
use deployctl_engine::connect::Connector;
use deployctl_engine::event::Sink;
use deployctl_engine::fleet::{self, broken};
use deployctl_engine::nix::deployer::DeployError;
use deployctl_engine::prepare::undeployed;
use deployctl_engine::target_state::TargetState;
use deployctl_report::{HostReport, Outcome, Report, Verdict};

use super::target_states::{Systems, target_states};
use super::width;
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::Ui;
use crate::{progress, show};

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let states = target_states(context, &inventory, &hosts, Systems::Evaluated).await?;
    let sink = progress::sink(context.ui, width(&hosts), context.global.verbose);
    let connector = context.connector(&inventory)?;
    let work = |host: HostName, state: Result<TargetState, Box<HostReport>>| {
        let (sink, connector) = (Arc::clone(&sink), Arc::clone(&connector));
        async move { build(host, state?, &*connector, &sink).await }
    };
    let ends = fleet::each(states, context.jobs(), work, |host, panic| {
        Err(Box::new(broken(host, &panic)))
    })
    .await;
    // The last lines of progress are written before the report.
    drop(sink);
    let mut built = BTreeMap::new();
    let mut others = Vec::new();
    for end in ends {
        match end {
            Ok((host, path)) => {
                built.insert(host, path);
            }
            Err(report) => others.push(*report),
        }
    }
    let report = Report::new("build", others);
    print(context, &built, &report, width(&hosts));
    Ok(report.verdict(false))
}

/// Builds the system of one host; returns where it is in the store.
async fn build(
    host: HostName,
    state: TargetState,
    connector: &dyn Connector,
    sink: &Sink,
) -> Result<(HostName, StorePath), Box<HostReport>> {
    let Some(system) = state.system else {
        let reason = "it is given files; `deployctl render` shows them".to_owned();
        let skipped = Outcome::Skipped { reason };
        return Err(Box::new(HostReport::ended(host, skipped)));
    };
    let Some(derivation) = &system.source.derivation else {
        unreachable!("it was evaluated just now");
    };
    let store = connector.store(&host).await;
    system
        .deployer
        .build(&host, &system.host, derivation, store.as_ref(), sink)
        .await
        .map_err(|error| Box::new(undeployed(host.clone(), &DeployError::System(error))))?;
    Ok((host, derivation.out.clone()))
}

fn print(context: &Context, built: &BTreeMap<HostName, StorePath>, report: &Report, width: usize) {
    if context.ui.json {
        Ui::print_json(
            &serde_json::json!({ "version": 1, "built": built, "others": report.hosts }),
        );
    } else {
        let text = built.iter().fold(String::new(), |mut text, (host, path)| {
            let _ = writeln!(text, "{host:width$}  {path}");
            text
        });
        context.ui.print(&text);
        if !report.hosts.is_empty() {
            context.ui.say(show::report(report).trim_end());
        }
    }
}

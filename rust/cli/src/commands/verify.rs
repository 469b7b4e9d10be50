//! `deployctl verify`

use std::collections::BTreeMap;
use std::sync::Arc;

use deployctl_core::check::link;
use deployctl_core::plan::Target;
use deployctl_core::report::Verdict;
use deployctl_engine::apply::Surroundings;
use deployctl_engine::verify::{self, HostWork, Options, Shipments, Work};

use super::desired::{Systems, desired};
use super::{rollout, width};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::progress;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let mut work = Work::default();
    for (host, desired) in desired(context, &inventory, &hosts, Systems::Remembered).await? {
        let facts = inventory.host(&host).expect("selected from it");
        let asked = desired.map(|desired| HostWork {
            architecture: facts.architecture,
            checks: rollout::checks(&inventory, &desired.rendered),
        });
        work.hosts.push((host, asked));
    }
    work.links = link::checks(&inventory);
    for host in inventory.hosts().keys() {
        let target = Target::of(inventory.value(), host).expect("it is in the inventory");
        work.sessions.insert(host.clone(), target.guards);
    }
    let shipments = Arc::new(Shipments::new(context.repo()?, BTreeMap::new()));
    let options = Options {
        force: false,
        jobs: context.jobs(),
    };
    let around = Surroundings {
        clock: context.clock.clone(),
        sink: progress::sink(context.ui, width(&hosts), context.global.verbose),
        interrupt: context.interrupt.clone(),
    };
    let connector = context.connector(&inventory)?;
    let report = verify::run(connector, work, shipments, options, around).await;
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::checks(&report));
    }
    Ok(report.verdict(false))
}

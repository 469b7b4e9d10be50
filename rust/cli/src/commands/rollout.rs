//! What plan, apply, rollback and diff have in common: ask, plan, apply, report.

use std::collections::BTreeSet;
use std::sync::Arc;

use deployctl_checks::gate::gates;
use deployctl_checks::{self as checks, Check, Declared};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_core::plan::Target;
use deployctl_core::rendered::Rendered;
use deployctl_engine::apply::Surroundings;
use deployctl_engine::fleet;
pub(super) use deployctl_engine::fleet::broken;
use deployctl_engine::prepare::{Prepared, Takeover, Wanted, prepare};
use deployctl_engine::rollout::{self, Options};
use deployctl_report::{HostReport, Outcome, Report, Verdict};

use super::desired::{Desired, Desires};
use super::width;
use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::holder::holder;
use crate::progress;
use crate::show;
use crate::ui::Ui;

/// A host that was asked, or its report when that did not work or makes no sense.
pub(super) type Asked = Result<Prepared, Box<HostReport>>;

/// Asks all hosts at once, brings systems where they are missing, and plans.
pub(super) async fn asked(
    context: &Context,
    inventory: &Inventory,
    desires: Desires,
    boldness: Boldness,
) -> Result<Vec<Asked>, Failure> {
    let connector = context.connector(inventory)?;
    let hosts: Vec<HostName> = desires.iter().map(|(host, _)| host.clone()).collect();
    let around = surroundings(context, &hosts);
    let items = desires
        .into_iter()
        .map(|(host, desired)| {
            let item = desired.map(|desired| wanted(inventory, desired, boldness));
            (host, item)
        })
        .collect();
    let work = |host: HostName, item: Result<Wanted, Box<HostReport>>| {
        let (connector, around) = (Arc::clone(&connector), around.clone());
        async move { prepare(connector, host, item?, around).await }
    };
    Ok(fleet::each(items, context.jobs(), work, |host, panic| {
        Err(Box::new(broken(host, &panic)))
    })
    .await)
}

fn surroundings(context: &Context, hosts: &[HostName]) -> Surroundings {
    Surroundings {
        clock: context.clock.clone(),
        sink: progress::sink(context.ui, width(hosts), context.global.verbose),
        interrupt: context.interrupt.clone(),
    }
}

/// What `plan` and `diff` do: no guard is passed over, nothing is taken from anybody.
pub(super) const CAREFUL: Boldness = Boldness {
    force: false,
    takeover: Takeover::None,
};

/// What the user allows a plan to pass over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boldness {
    force: bool,
    takeover: Takeover,
}

impl Boldness {
    pub(super) fn of(args: &args::Rollout) -> Self {
        Self {
            force: args.force,
            takeover: if args.steal {
                Takeover::Any
            } else {
                Takeover::Overdue
            },
        }
    }
}

fn wanted(inventory: &Inventory, desired: Desired, boldness: Boldness) -> Wanted {
    let host = &desired.rendered.host;
    Wanted {
        target: Target::of(inventory.value(), host).expect("made from it"),
        rendered: desired.rendered,
        force: boldness.force,
        takeover: boldness.takeover,
        system: desired.system,
    }
}

/// The report of hosts that were only asked.
pub(super) fn planned(command: &str, asked: Vec<Asked>) -> Report {
    let hosts = asked
        .into_iter()
        .map(|asked| match asked {
            Err(report) => *report,
            Ok(prepared) => {
                let changes = !prepared.plan.is_empty();
                HostReport {
                    plan: Some(prepared.plan),
                    ..HostReport::ended(prepared.rendered.host, Outcome::Planned { changes })
                }
            }
        })
        .collect();
    Report::new(command, hosts)
}

/// All checks that `rendered` and its host's facts make.
pub(super) fn checks(inventory: &Inventory, rendered: &Rendered) -> Vec<Check> {
    checks::checks(&Declared {
        host: inventory.host(&rendered.host).expect("rendered from it"),
        cluster: inventory.cluster(),
        rendered,
        failed_before: &BTreeSet::new(),
    })
}

/// Which checks a configuration makes: [`checks::checks`] where the facts describe it, else
/// [`checks::checks_of_rendered`].
pub(super) type ChecksOf = fn(&Declared<'_>) -> Vec<Check>;

/// Shows what would change, asks, applies to all hosts at once, and reports.
pub(super) async fn roll_out(
    context: &Context,
    command: &str,
    inventory: &Inventory,
    asked: Vec<Asked>,
    args: &args::Rollout,
    checks_of: ChecksOf,
) -> Result<Report, Failure> {
    let options = Options {
        holder: holder().await,
        steal: args.steal,
        timeout: args.timeout,
    };
    let mut pending = 0;
    for prepared in asked.iter().flatten() {
        if rollout::settled(&prepared.plan).is_none() {
            pending += 1;
            let brief = args.yes && !context.global.verbose;
            let text = if brief {
                show::headline(&prepared.plan)
            } else {
                show::plan(&prepared.plan, false)
            };
            context.ui.say(text.trim_end());
        }
    }
    if pending > 0 && !args.yes {
        let hosts = if pending == 1 { "host" } else { "hosts" };
        let question = format!("apply this to {pending} {hosts}?");
        if !Ui::confirm(&question, "--yes")? {
            return Err(Failure::new(Verdict::Refused, "nothing was applied"));
        }
    }
    let hosts: Vec<HostName> = asked.iter().map(host_of).collect();
    let around = surroundings(context, &hosts);
    let items = hosts
        .into_iter()
        .zip(asked)
        .map(|(host, asked)| {
            let item = asked.map(|prepared| {
                let gates = gate_checks(inventory, &prepared, checks_of);
                (prepared, gates)
            });
            (host, item)
        })
        .collect();
    let work = |_, item: Result<(Prepared, Vec<Check>), Box<HostReport>>| {
        let (options, around) = (options.clone(), around.clone());
        async move {
            match item {
                Err(report) => *report,
                Ok((prepared, gates)) => {
                    rollout::roll_out(prepared, gates, vec![None], options, around).await
                }
            }
        }
    };
    let hosts = fleet::each(items, context.jobs(), work, |host, panic| {
        broken(host, &panic)
    })
    .await;
    Ok(Report::new(command, hosts))
}

fn gate_checks(inventory: &Inventory, prepared: &Prepared, checks_of: ChecksOf) -> Vec<Check> {
    let all = checks_of(&Declared {
        host: inventory.host(prepared.host()).expect("rendered from it"),
        cluster: inventory.cluster(),
        rendered: &prepared.rendered,
        failed_before: &prepared.plan.failed_units,
    });
    let wanted: BTreeSet<String> = gates(&all).map(|check| check.id.clone()).collect();
    all.into_iter()
        .filter(|check| wanted.contains(&check.id))
        .collect()
}

fn host_of(asked: &Asked) -> HostName {
    match asked {
        Ok(prepared) => prepared.host().clone(),
        Err(report) => report.host.clone(),
    }
}

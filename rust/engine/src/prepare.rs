//! From a rendered host to its plan: one connection, one exec.

mod takeover;

use std::sync::Arc;

use deployctl_core::inventory::host::Host;
use deployctl_core::name::HostName;
use deployctl_core::observed::{self, Observed, Scope};
use deployctl_core::plan::{Options, Plan, Target, plan};
use deployctl_core::rendered::Rendered;
use deployctl_report::{HostReport, Outcome, Problem, Report};

use crate::apply::outcome;
use crate::ask::{AskError, ask};
use crate::causes::in_full;
use crate::clock::Clock;
use crate::connect::Connector;
use crate::event::{Event, EventKind};
use crate::nix::SystemError;
use crate::nix::supply::{Needed, Source, Supply, SupplyError};
use crate::surroundings::Surroundings;
use crate::transport::Transport;

pub use takeover::Takeover;

/// What one host should become, and what planning must respect.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it should hold.
    pub rendered: Rendered,
    /// How we get in, and who it should be.
    pub target: Target,
    /// Whether guards are passed over.
    pub force: bool,
    /// Which open apply is rolled back before anything is planned.
    pub takeover: Takeover,
    /// What brings its system there, for hosts that run what Nix builds.
    pub system: Option<WantedSystem>,
}

/// Where a host's system comes from.
#[derive(Debug, Clone)]
pub struct WantedSystem {
    /// Who brings it.
    pub supply: Arc<Supply>,
    /// The host's facts.
    pub host: Host,
    /// The system, and how it is built.
    pub source: Source,
}

/// A host that was asked and has a plan.
pub struct Prepared {
    /// The connection, for what follows.
    pub link: Box<dyn Transport>,
    /// What it should hold.
    pub rendered: Rendered,
    /// What would change.
    pub plan: Plan,
    /// The plan's id without `force` and `steal`: what `plan --out` would have saved.
    pub plain_id: String,
    /// What became of an apply that was open there, where it was taken over.
    pub took_over: Option<String>,
}

impl Prepared {
    /// Which host.
    pub fn host(&self) -> &HostName {
        &self.rendered.host
    }
}

/// A host that was asked, or its report when that did not work or makes no sense.
pub type Asked = Result<Prepared, Box<HostReport>>;

/// Which host was asked.
pub fn host_of(asked: &Asked) -> HostName {
    match asked {
        Ok(prepared) => prepared.host().clone(),
        Err(report) => report.host.clone(),
    }
}

/// The report of hosts that were only asked.
pub fn planned(command: &str, asked: Vec<Asked>) -> Report {
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

/// Connects, asks everything in one exec, and plans. What goes wrong is that host's report.
pub async fn prepare(
    connector: Arc<dyn Connector>,
    host: HostName,
    wanted: Wanted,
    around: Surroundings,
) -> Asked {
    let failed = |outcome| Box::new(HostReport::ended(host.clone(), outcome));
    let tell = |kind| {
        (around.sink)(Event {
            host: host.clone(),
            kind,
        });
    };
    let reached = async {
        let link = connector.connect(&host).await;
        let link = link.map_err(|error| failed(outcome::transport(&error)))?;
        tell(EventKind::Connected);
        let observed = observe(link.as_ref(), &wanted, around.clock.as_ref()).await;
        let observed = observed.map_err(failed)?;
        tell(EventKind::Observed);
        Ok::<_, Box<HostReport>>((link, observed))
    };
    let (mut link, mut observed) = tokio::select! {
        reached = reached => reached?,
        () = around.interrupt.wait() => return Err(failed(Outcome::Interrupted)),
    };
    let mut plain = Options {
        sandbox: link.is_sandbox(),
        // What nobody brings must be there: a rollback's system.
        present: wanted.system.is_none(),
        password: connector.has_password(),
        ..Options::default()
    };
    let mut options = Options {
        force: wanted.force,
        steal: wanted.takeover == Takeover::Any,
        ..plain
    };
    let mut took_over = None;
    if let Some(pending) = observed.pending.clone()
        && wanted.takeover.covers(&pending)
        // On another machine than the one that is meant, nothing is touched.
        && is_meant(&plan(&wanted.target, &wanted.rendered, &observed, options))
    {
        tell(EventKind::TakingOver(pending.named()));
        let free = takeover::settle(link, &pending, &around).await;
        let free = free.map_err(failed)?;
        (link, took_over) = (free.link, Some(free.what));
        observed = observe(link.as_ref(), &wanted, around.clock.as_ref())
            .await
            .map_err(failed)?;
        tell(EventKind::Observed);
    }
    if let Some(system) = &wanted.system
        && !link.is_sandbox()
        && !runs(&observed, &system.source)
        && let Some(way) = connector.store(&host).await
    {
        // To another machine than the one that is meant, nothing is brought.
        let first = plan(&wanted.target, &wanted.rendered, &observed, options);
        if first.refusals().next().is_none() {
            let there = observed.system.as_ref();
            let there = there.is_some_and(|system| system.wanted.is_some());
            let needed = Needed {
                name: &host,
                host: &system.host,
                source: &system.source,
                way: &way,
            };
            system
                .supply
                .bring(&needed, link.as_ref(), there, &around.sink)
                .await
                .map_err(|error| Box::new(unsupplied(host.clone(), &error)))?;
            plain.present = true;
            options.present = true;
            if !there {
                observed = observe(link.as_ref(), &wanted, around.clock.as_ref())
                    .await
                    .map_err(failed)?;
                tell(EventKind::Observed);
            }
        }
    }
    let made = plan(&wanted.target, &wanted.rendered, &observed, options);
    let plain_id = if options == plain {
        made.id.clone()
    } else {
        plan(&wanted.target, &wanted.rendered, &observed, plain).id
    };
    tell(EventKind::Planned(made.change_count()));
    Ok(Prepared {
        link,
        rendered: wanted.rendered,
        plan: made,
        plain_id,
        took_over,
    })
}

/// Whether it is the machine and the kind of system that the inventory means, and we are root there.
fn is_meant(plan: &Plan) -> bool {
    let other = ["identity", "platform", "os", "privilege"];
    !plan
        .refusals()
        .any(|finding| other.contains(&finding.code.as_str()))
}

/// Whether the host runs this system, and the next boot starts it.
fn runs(observed: &Observed, source: &Source) -> bool {
    let toplevel = &source.closure.toplevel;
    let system = observed.system.as_ref();
    system.is_some_and(|it| it.current.as_ref() == Some(toplevel) && it.boots(toplevel))
}

/// The report of a host whose system did not get there.
pub fn unsupplied(host: HostName, error: &SupplyError) -> HostReport {
    match error {
        SupplyError::Transport(error) => HostReport::ended(host, outcome::transport(error)),
        SupplyError::System(error) => {
            let reason = Problem {
                message: in_full(error),
                hint: error.hint(),
            };
            let outcome = match error {
                SystemError::Lost { .. } => Outcome::Unreachable { reason },
                SystemError::Interrupted => Outcome::Interrupted,
                _ => Outcome::BuildFailed { reason },
            };
            HostReport {
                log: error.log().to_vec(),
                ..HostReport::ended(host, outcome)
            }
        }
    }
}

async fn observe(
    link: &dyn Transport,
    wanted: &Wanted,
    clock: &dyn Clock,
) -> Result<Observed, Outcome> {
    let zones = wanted.target.timezones();
    let scope = Scope {
        rendered: &wanted.rendered,
        sandbox: link.is_sandbox(),
        timezones: &zones,
    };
    let answers = ask(link, &observed::queries(&scope))
        .await
        .map_err(|error| unanswered(&error))?;
    let mut observed = observed::read(&answers, &scope).map_err(|error| Outcome::Failed {
        reason: Problem {
            message: format!("`{}`: {}", link.describe(), in_full(&error)),
            hint: None,
        },
    })?;
    observed.clocks.controller = Some(clock.unix_seconds());
    Ok(observed)
}

/// A round that was not answered.
pub(crate) fn unanswered(error: &AskError) -> Outcome {
    match error {
        AskError::Transport(error) => outcome::transport(error),
        AskError::Unreadable { .. } => Outcome::Failed {
            reason: Problem {
                message: in_full(error),
                hint: error.hint(),
            },
        },
    }
}

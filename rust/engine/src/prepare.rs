//! From a rendered host to its plan: one connection, one exec.

use std::sync::Arc;

use deployctl_core::name::HostName;
use deployctl_core::observed::{self, Observed, Scope};
use deployctl_core::plan::Plan;
use deployctl_core::rendered::Rendered;
use deployctl_core::report::{HostReport, Outcome, Problem};

use crate::apply::outcome;
use crate::ask::{AskError, ask};
use crate::connect::Connector;
use crate::event::{Event, EventKind, Sink};
use crate::transport::Transport;

/// What one host should become, and what planning must respect.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it should hold.
    pub rendered: Rendered,
    /// What planning must respect beside.
    pub request: Request,
}

/// A host that was asked and has a plan.
pub struct Prepared {
    /// The connection, for what follows.
    pub link: Box<dyn Transport>,
    /// What it should hold.
    pub rendered: Rendered,
    /// What would change.
    pub plan: Plan,
}

impl Prepared {
    /// Which host.
    pub fn host(&self) -> &HostName {
        &self.rendered.host
    }
}

/// Connects, asks everything in one exec, and plans. What goes wrong is that host's report.
pub async fn prepare(
    connector: Arc<dyn Connector>,
    host: HostName,
    wanted: Wanted,
    sink: Sink,
) -> Result<Prepared, Box<HostReport>> {
    let failed = |outcome| Box::new(HostReport::ended(host.clone(), outcome));
    let tell = |kind| {
        sink(Event {
            host: host.clone(),
            kind,
        });
    };
    let link = connector
        .connect(&host)
        .await
        .map_err(|error| failed(outcome::transport(&error)))?;
    tell(EventKind::Connected);
    let observed = observe(link.as_ref(), &wanted).await.map_err(failed)?;
    tell(EventKind::Observed);
    let plan = plan_of(&wanted.rendered, &observed).map_err(failed)?;
    tell(EventKind::Planned(plan.paths.len()));
    Ok(Prepared {
        link,
        rendered: wanted.rendered,
        plan,
    })
}

async fn observe(link: &dyn Transport, wanted: &Wanted) -> Result<Observed, Outcome> {
    let zones: Vec<&str> = wanted.request.timezones().collect();
    let scope = Scope {
        rendered: &wanted.rendered,
        sandbox: link.is_sandbox(),
        timezones: &zones,
    };
    let answers = ask(link, &observed::queries(&scope))
        .await
        .map_err(|error| unanswered(&error))?;
    observed::read(&answers, &scope).map_err(|error| Outcome::Failed {
        reason: Problem {
            message: format!("`{}`: {}", link.describe(), outcome::in_full(&error)),
            hint: None,
        },
    })
}

/// A round that was not answered.
pub(crate) fn unanswered(error: &AskError) -> Outcome {
    match error {
        AskError::Transport(error) => outcome::transport(error),
        AskError::Unreadable { .. } => Outcome::Failed {
            reason: Problem {
                message: outcome::in_full(error),
                hint: error.hint(),
            },
        },
    }
}

/// What planning must respect beside.
#[derive(Debug, Clone, Default)]
pub struct Request;

impl Request {
    /// Time zones whose clock decides something.
    pub fn timezones(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}

fn plan_of(rendered: &Rendered, _observed: &Observed) -> Result<Plan, Outcome> {
    let reason = Problem {
        message: format!("`{}`: planning is not there yet", rendered.host),
        hint: None,
    };
    Err(Outcome::Failed { reason })
}

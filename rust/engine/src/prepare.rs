//! From a rendered host to its plan: one connection, one exec.

mod takeover;

use std::sync::Arc;

use deployctl_core::name::HostName;
use deployctl_core::observed::{self, ObserveScope, Observed, PendingApply};
use deployctl_core::plan::{FirstStep, Overrides, Plan, PlanOptions, first_step, new_port, plan};
use deployctl_core::rendered::Rendered;
use deployctl_report::{HostReport, Outcome, Problem, Report};

use crate::apply::outcome;
use crate::ask::{AskError, ask};
use crate::connect::Connector;
use crate::event::{Event, EventKind};
use crate::in_full;
use crate::nix::SystemError;
use crate::nix::deployer::{DeployError, Deployment, Source};
use crate::run_context::RunContext;
use crate::target_state::TargetState;
use crate::transport::Transport;

/// Why a host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To show what an apply would do: nothing is overridden, no open apply is touched.
    Plan,
    /// To apply the plan, with what the user overrides.
    Apply(Overrides),
}

impl Purpose {
    fn overrides(self) -> Overrides {
        match self {
            Self::Plan => Overrides::default(),
            Self::Apply(overrides) => overrides,
        }
    }

    /// Whether `pending` is rolled back first. A failed rollback needs a person.
    fn takes_over(self, pending: &PendingApply) -> bool {
        match self {
            Self::Plan => false,
            Self::Apply(overrides) => {
                pending.phase != "rollback-failed" && (overrides.steal || pending.overdue)
            }
        }
    }
}

/// A host with its plan.
pub struct Prepared {
    /// The open connection.
    pub connection: Box<dyn Transport>,
    /// Its target state.
    pub rendered: Rendered,
    /// Its plan.
    pub plan: Plan,
    /// The plan's id without overrides, as `plan --out` saves it.
    pub plain_id: String,
    /// The port that sshd begins to listen at by this plan.
    pub new_port: Option<u16>,
    /// The overrides of the user.
    pub overrides: Overrides,
    /// How an open apply ended that was taken over.
    pub took_over: Option<String>,
    /// The step that comes before, where staging needs what an apply brings; only for an apply.
    pub first_step: Option<Box<StepBefore>>,
}

/// A first step, and how the host is prepared again after it.
pub struct StepBefore {
    /// The step.
    pub(crate) step: FirstStep,
    connector: Arc<dyn Connector>,
    state: TargetState,
    purpose: Purpose,
}

impl StepBefore {
    /// Asks the host again, and plans all of it. Another operator's apply that was opened since is not taken over: nobody was
    /// shown it.
    pub(crate) async fn prepare_again(self, context: RunContext) -> Asked {
        let purpose = match self.purpose {
            Purpose::Plan => Purpose::Plan,
            Purpose::Apply(overrides) => Purpose::Apply(Overrides {
                steal: false,
                ..overrides
            }),
        };
        prepare(self.connector, self.state, purpose, context).await
    }
}

impl Prepared {
    /// Which host.
    pub fn host(&self) -> &HostName {
        &self.rendered.host
    }
}

/// A host with its plan, or its report if there is none.
pub type Asked = Result<Prepared, Box<HostReport>>;

/// The host.
pub fn host_of(asked: &Asked) -> HostName {
    match asked {
        Ok(prepared) => prepared.host().clone(),
        Err(report) => report.host.clone(),
    }
}

/// The report of hosts that were only planned.
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

/// Connects, asks everything in one exec, and plans. An error becomes that host's report.
pub async fn prepare(
    connector: Arc<dyn Connector>,
    state: TargetState,
    purpose: Purpose,
    context: RunContext,
) -> Asked {
    let host = state.host().clone();
    let preparation = Preparation {
        connector: connector.as_ref(),
        state: &state,
        purpose,
        context: &context,
    };
    let prepared = preparation.run().await;
    let prepared = prepared.map_err(|failure| match failure {
        Failure::Ended(outcome) => Box::new(HostReport::ended(host, outcome)),
        Failure::Undeployed(error) => Box::new(undeployed(host, &error)),
    });
    let (connection, observation, took_over) = prepared?;
    let first_step = observation.first_step.map(|step| {
        Box::new(StepBefore {
            step,
            connector: Arc::clone(&connector),
            state: state.clone(),
            purpose,
        })
    });
    Ok(Prepared {
        connection,
        rendered: state.rendered,
        plan: observation.plan,
        plain_id: observation.plain_id,
        new_port: new_port(&state.target, &observation.observed),
        overrides: purpose.overrides(),
        took_over,
        first_step,
    })
}

/// Why a host has no plan.
enum Failure {
    Ended(Outcome),
    Undeployed(DeployError),
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

/// What a host answered in one exec, and the plan made from that.
struct Observation {
    observed: Observed,
    plan: Plan,
    plain_id: String,
    first_step: Option<FirstStep>,
}

/// Prepares one host.
struct Preparation<'a> {
    connector: &'a dyn Connector,
    state: &'a TargetState,
    purpose: Purpose,
    context: &'a RunContext,
}

impl Preparation<'_> {
    async fn run(&self) -> Result<(Box<dyn Transport>, Observation, Option<String>), Failure> {
        // The system of a rollback is not deployed, so it must be there.
        let present = self.state.system.is_none();
        let reached = async {
            let connected = self.connector.connect(self.state.host()).await;
            let connection = connected.map_err(|error| outcome::transport(&error))?;
            self.tell(EventKind::Connected);
            let observation = self.observe(connection.as_ref(), present).await?;
            Ok::<_, Outcome>((connection, observation))
        };
        let (mut connection, mut observation) = tokio::select! {
            reached = reached => reached?,
            () = self.context.interrupt.wait() => return Err(Outcome::Interrupted.into()),
        };
        let mut took_over = None;
        if let Some(pending) = observation.observed.pending.clone()
            && self.purpose.takes_over(&pending)
            // Nothing is changed on a machine with another identity.
            && is_meant(&observation.plan)
        {
            self.tell(EventKind::TakingOver(pending.named()));
            let free = takeover::settle(connection, &pending, self.context).await?;
            (connection, took_over) = (free.connection, Some(free.what));
            observation = self.observe(connection.as_ref(), present).await?;
        }
        if self.deploy(connection.as_ref(), &observation).await? {
            observation = self.observe(connection.as_ref(), true).await?;
        }
        let changes = observation.plan.change_count();
        self.tell(EventKind::Planned(changes));
        Ok((connection, observation, took_over))
    }

    /// Asks everything in one exec, and plans. `present`: the system must already be in the host's store.
    async fn observe(
        &self,
        connection: &dyn Transport,
        present: bool,
    ) -> Result<Observation, Outcome> {
        let mut observed = observe(connection, self.state).await?;
        observed.clocks.controller = Some(self.context.clock.unix_seconds());
        self.tell(EventKind::Observed);
        let options = PlanOptions {
            sandbox: connection.is_sandbox(),
            present,
            password: self.connector.has_password(),
        };
        let TargetState {
            target, rendered, ..
        } = self.state;
        let plain = plan(target, rendered, &observed, options);
        let overrides = self.purpose.overrides();
        let first_step = match self.purpose {
            Purpose::Plan => None,
            Purpose::Apply(_) => first_step(target, rendered, &observed, options, &plain),
        };
        Ok(Observation {
            plain_id: plain.id.clone(),
            plan: plain.overridden(overrides),
            first_step: first_step.map(|step| FirstStep {
                plan: step.plan.overridden(overrides),
                ..step
            }),
            observed,
        })
    }

    /// Deploys the system to a host that lacks it, unless the plan is refused: nothing is copied to a
    /// machine with another identity. Returns whether the host must be asked again.
    async fn deploy(
        &self,
        connection: &dyn Transport,
        made: &Observation,
    ) -> Result<bool, Failure> {
        let Some(system) = &self.state.system else {
            return Ok(false);
        };
        let refused = made.plan.refusals().next().is_some();
        if connection.is_sandbox() || refused || runs(&made.observed, &system.source) {
            return Ok(false);
        }
        let Some(store) = self.connector.store(self.state.host()).await else {
            return Ok(false);
        };
        let known = made.observed.system.as_ref();
        let there = known.is_some_and(|system| system.wanted.is_some());
        let needed = Deployment {
            name: self.state.host(),
            host: &system.host,
            source: &system.source,
            store: &store,
        };
        let ended = system
            .deployer
            .deploy(&needed, connection, there, &self.context.sink);
        ended.await.map_err(Failure::Undeployed)?;
        Ok(!there)
    }

    fn tell(&self, kind: EventKind) {
        let host = self.state.host().clone();
        (self.context.sink)(Event { host, kind });
    }
}

/// Whether identity and operating system match the inventory, and the login is root.
pub(crate) fn is_meant(plan: &Plan) -> bool {
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

/// The report of a host whose system could not be deployed.
pub fn undeployed(host: HostName, error: &DeployError) -> HostReport {
    match error {
        DeployError::Transport(error) => HostReport::ended(host, outcome::transport(error)),
        DeployError::System(error) => {
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

async fn observe(connection: &dyn Transport, state: &TargetState) -> Result<Observed, Outcome> {
    let zones = state.target.timezones();
    let scope = ObserveScope {
        rendered: &state.rendered,
        sandbox: connection.is_sandbox(),
        timezones: &zones,
    };
    let answers = ask(connection, &observed::queries(&scope))
        .await
        .map_err(|error| unanswered(&error))?;
    observed::read(&answers, &scope).map_err(|error| Outcome::Failed {
        reason: Problem {
            message: format!("`{}`: {}", connection.describe(), in_full(&error)),
            hint: None,
        },
    })
}

/// A round without an answer.
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

//! From a host's plan to its report: refusals, bundle, apply.

use std::collections::BTreeSet;
use std::time::Duration;

use deployctl_checks::{self as checks, Check, CheckStatus, Declared};
use deployctl_core::activation::{ApplyId, ApplyMeta, bundle};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_core::plan::{Later, Plan, SavedPlans, UnitAction, not_shown};
use deployctl_core::rendered::Rendered;
use deployctl_report::{HostReport, Outcome, Problem};

use crate::apply::gates::ask_gates;
use crate::apply::{self, Task};
use crate::event::{Event, EventKind};
use crate::fleet;
use crate::prepare::{Asked, Prepared, host_of, unanswered};
use crate::random;
use crate::run_context::RunContext;
use crate::stage::Staging;

/// How to roll out.
#[derive(Debug, Clone)]
pub struct RolloutOptions {
    /// Who does it: `user@controller`.
    pub holder: String,
    /// How long a host waits for us once it is armed, in seconds.
    pub timeout: u32,
}

/// What is rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configuration {
    /// The facts: their checks are gates as well.
    Declared,
    /// An earlier generation, which the facts no longer describe: its gates come from its own files.
    Former,
}

/// One rollout to several hosts.
pub struct Rollout<'a> {
    /// The facts of the hosts.
    pub inventory: &'a Inventory,
    /// What is rolled out.
    pub configuration: Configuration,
    /// How.
    pub options: RolloutOptions,
    /// Hosts at a time.
    pub jobs: usize,
    /// What the hosts share.
    pub context: RunContext,
}

impl Rollout<'_> {
    /// Applies all plans in parallel; an error of one host becomes that host's report.
    pub async fn run(&self, asked: Vec<Asked>) -> Vec<HostReport> {
        let items = asked.into_iter().map(|asked| {
            let host = host_of(&asked);
            let item = asked.map(|prepared| {
                let gates = self.gates(&prepared);
                (prepared, gates)
            });
            (host, item)
        });
        let work = |_, item: Result<(Prepared, Gates), Box<HostReport>>| {
            let (options, context) = (self.options.clone(), self.context.clone());
            async move {
                match item {
                    Err(report) => *report,
                    Ok((prepared, gates)) => {
                        Box::pin(in_steps(prepared, gates, options, context)).await
                    }
                }
            }
        };
        fleet::each(items.collect(), self.jobs, work, |host, panic| {
            fleet::broken(host, &panic)
        })
        .await
    }

    /// The checks that decide confirm.
    fn gates(&self, prepared: &Prepared) -> Gates {
        let first = prepared
            .first_step
            .as_ref()
            .map(|before| self.gates_of(&before.step.rendered, &before.step.plan));
        Gates {
            first: first.unwrap_or_default(),
            whole: self.gates_of(&prepared.rendered, &prepared.plan),
        }
    }

    fn gates_of(&self, rendered: &Rendered, plan: &Plan) -> Vec<Check> {
        let host = self.inventory.host(&rendered.host);
        let declared = Declared {
            host: host.expect("rendered from it"),
            concerns: self.inventory.concerns(),
            cluster: self.inventory.cluster(),
            rendered,
            failed_before: &plan.failed_units,
        };
        let mut checks = match self.configuration {
            Configuration::Declared => checks::checks(&declared),
            Configuration::Former => checks::checks_of_rendered(&declared),
        };
        checks.retain(|check| check.gate);
        checks
    }
}

/// The checks that decide confirm.
struct Gates {
    /// Of a first step.
    first: Vec<Check>,
    /// Of all that is declared.
    whole: Vec<Check>,
}

/// Refuses a plan that differs from the saved one.
pub fn only_saved(saved: &SavedPlans, asked: Asked) -> Asked {
    let prepared = asked?;
    let host = prepared.host().clone();
    let message = match plan_of(saved, &host) {
        Some(id) if id == prepared.plain_id => return Ok(prepared),
        Some(_) => format!(
            "`{host}`: the saved plan is stale: the host or the declaration has changed since"
        ),
        None => format!("`{host}`: the saved plan does not cover this host"),
    };
    let reason = Problem {
        message,
        hint: Some("plan again: `deployctl plan --out FILE`".to_owned()),
    };
    Err(Box::new(HostReport {
        plan: Some(prepared.plan),
        took_over: prepared.took_over,
        ..HostReport::ended(
            host,
            Outcome::Refused {
                reasons: vec![reason],
            },
        )
    }))
}

/// The id of the host's saved plan.
fn plan_of<'a>(saved: &'a SavedPlans, host: &HostName) -> Option<&'a str> {
    let plan = saved.plans.iter().find(|plan| plan.host == *host)?;
    Some(&plan.id)
}

/// The report of a plan that will not be applied: refused or empty. `None` if there is something to do.
pub fn settled(plan: &Plan) -> Option<Outcome> {
    let reasons: Vec<Problem> = plan
        .refusals()
        .map(|finding| Problem {
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        })
        .collect();
    if !reasons.is_empty() {
        return Some(Outcome::Refused { reasons });
    }
    plan.is_empty().then_some(Outcome::Unchanged)
}

/// Applies a plan, after its first step where it has one.
async fn in_steps(
    mut prepared: Prepared,
    gates: Gates,
    options: RolloutOptions,
    context: RunContext,
) -> HostReport {
    let before = prepared.first_step.take();
    let Some(before) = before.filter(|_| settled(&prepared.plan).is_none()) else {
        return roll_out(prepared, gates.whole, options, context).await;
    };
    tell_first_step(&prepared.plan, &context);
    let decisive = decisive(&prepared, gates.first, &before.step.later, &context).await;
    let plan = prepared.plan;
    let first = Prepared {
        rendered: before.step.rendered.clone(),
        plan: before.step.plan.clone(),
        ..prepared
    };
    let report = match decisive {
        Ok(gates) => roll_out(first, gates, options.clone(), context.clone()).await,
        Err(outcome) => HostReport {
            took_over: first.took_over,
            ..HostReport::ended(first.rendered.host, outcome)
        },
    };
    let Outcome::Committed { generation } = report.outcome else {
        return HostReport {
            plan: Some(plan),
            ..report
        };
    };
    let took_over = report.took_over;
    let report = match before.prepare_again(context.clone()).await {
        Err(report) => *report,
        Ok(second) => match unseen(&plan, &second.plan) {
            Some(outcome) => HostReport {
                took_over: second.took_over,
                ..HostReport::ended(second.rendered.host, outcome)
            },
            None => roll_out(second, gates.whole, options, context).await,
        },
    };
    HostReport {
        plan: Some(plan),
        took_over: took_over.or(report.took_over),
        first_step: Some(generation),
        ..report
    }
}

/// Refuses a second step that changes what the plan of both does not: nobody has agreed to that.
fn unseen(shown: &Plan, second: &Plan) -> Option<Outcome> {
    let more = not_shown(shown, second);
    (!more.is_empty()).then(|| Outcome::Refused {
        reasons: vec![Problem {
            message: format!(
                "`{}`: the host has changed since the plan was shown: the second step would also change {}",
                shown.host,
                more.join(", ")
            ),
            hint: Some("see what it is, and apply again: the first step stays".to_owned()),
        }],
    })
}

/// The gates of a first step. Those of the concerns `later` find amiss what only the second step brings: they decide where they
/// pass before.
async fn decisive(
    prepared: &Prepared,
    gates: Vec<Check>,
    later: &Later,
    context: &RunContext,
) -> Result<Vec<Check>, Outcome> {
    let (perhaps, mut decisive): (Vec<_>, Vec<_>) = gates
        .into_iter()
        .partition(|gate| later.contains(&gate.concern));
    let results = tokio::select! {
        results = ask_gates(prepared.connection.as_ref(), &perhaps) => results,
        () = context.interrupt.wait() => return Err(Outcome::Interrupted),
    };
    let results = results.map_err(|error| unanswered(&error))?;
    let passed = |gate: &Check| {
        let mut results = results.iter();
        results.any(|result| result.check == gate.id && result.status == CheckStatus::Pass)
    };
    decisive.extend(perhaps.into_iter().filter(passed));
    Ok(decisive)
}

fn tell_first_step(plan: &Plan, context: &RunContext) {
    let waiting = plan.artifacts.iter();
    let waiting = waiting.filter(|change| !change.awaits.is_empty());
    let without = waiting.clone();
    let without = without.map(|change| format!("{} {}", change.kind, change.name));
    let lacking: BTreeSet<String> = waiting
        .flat_map(|change| &change.awaits)
        .map(ToString::to_string)
        .collect();
    (context.sink)(Event {
        host: plan.host.clone(),
        kind: EventKind::FirstStep {
            without: without.collect(),
            lacking: lacking.into_iter().collect(),
        },
    });
}

/// Applies a plan in one step and reports how that ended.
async fn roll_out(
    prepared: Prepared,
    gates: Vec<Check>,
    options: RolloutOptions,
    context: RunContext,
) -> HostReport {
    let Prepared {
        connection,
        rendered,
        plan,
        plain_id: _,
        new_port,
        overrides,
        took_over,
        first_step: _,
    } = prepared;
    let outcome_report = |outcome, plan| HostReport {
        plan: Some(plan),
        took_over: took_over.clone(),
        ..HostReport::ended(rendered.host.clone(), outcome)
    };
    if let Some(outcome) = settled(&plan) {
        return outcome_report(outcome, plan);
    }
    let mut staging = Staging::new(connection, &rendered.host, &context);
    if let Err(outcome) = staging.all(&rendered, &plan).await {
        return outcome_report(outcome, plan);
    }
    let connection = staging.into_connection();
    let meta = match meta(&options, &context) {
        Ok(meta) => meta,
        Err(error) => {
            let reason = Problem {
                message: format!("cannot read random bytes: {error}"),
                hint: None,
            };
            return outcome_report(Outcome::Failed { reason }, plan);
        }
    };
    let task = Task {
        host: rendered.host.clone(),
        apply: meta.apply_id.clone(),
        nonce: meta.nonce.clone(),
        bundle: bundle(&plan, &rendered, &meta),
        steal: overrides.steal,
        new_port,
        deadline: Duration::from_secs(options.timeout.into()),
        starts: starts(&plan),
        gates,
    };
    let applied = apply::apply(connection, &task, &context).await;
    let fine = matches!(applied.outcome, Outcome::Committed { .. });
    HostReport {
        host: rendered.host,
        outcome: applied.outcome,
        plan: Some(plan),
        checks: applied.checks,
        log: if fine { Vec::new() } else { applied.log },
        took_over,
        first_step: None,
    }
}

fn meta(options: &RolloutOptions, context: &RunContext) -> std::io::Result<ApplyMeta> {
    let started_at = context.clock.unix_seconds();
    let random = random::word()?;
    Ok(ApplyMeta {
        apply_id: ApplyId::new(format!("{started_at}-{}", &random[..6]))
            .expect("digits, a hyphen and hexadecimal digits"),
        holder: options.holder.clone(),
        nonce: random::word()?,
        deadline_seconds: options.timeout,
        started_at,
    })
}

/// How long the units that this plan starts may take together.
fn starts(plan: &Plan) -> Duration {
    let seconds: u64 = plan
        .units
        .iter()
        .filter(|unit| {
            unit.actions
                .iter()
                .any(|action| matches!(action, UnitAction::Start | UnitAction::Restart))
        })
        .map(|unit| u64::from(unit.start_timeout_seconds))
        .sum();
    Duration::from_secs(seconds)
}

//! From a host's plan to its report: refusals, bundle, apply.

use std::time::Duration;

use deployctl_checks::Check;
use deployctl_core::activation::{ApplyId, ApplyMeta, bundle};
use deployctl_core::plan::{Plan, UnitAction};
use deployctl_report::{HostReport, Outcome, Problem};

use crate::apply::{self, Surroundings, Task};
use crate::prepare::Prepared;
use crate::random;

/// How to roll out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who does it: `user@controller`.
    pub holder: String,
    /// Whether another open apply is rolled back first.
    pub steal: bool,
    /// How long a host waits for us once it is armed, in seconds.
    pub timeout: u32,
}

/// The report of a plan that will not be applied: refused or empty. `None` when there is something to do.
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

/// Applies a plan and reports how that ended.
pub async fn roll_out(
    prepared: Prepared,
    gates: Vec<Check>,
    addresses: Vec<Option<String>>,
    options: Options,
    around: Surroundings,
) -> HostReport {
    let Prepared {
        link,
        rendered,
        plan,
        plain_id: _,
        took_over,
    } = prepared;
    let outcome_report = |outcome, plan| HostReport {
        plan: Some(plan),
        took_over: took_over.clone(),
        ..HostReport::ended(rendered.host.clone(), outcome)
    };
    if let Some(outcome) = settled(&plan) {
        return outcome_report(outcome, plan);
    }
    let meta = match meta(&options, &around) {
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
        steal: options.steal,
        deadline: Duration::from_secs(options.timeout.into()),
        starts: starts(&plan),
        addresses,
        gates,
    };
    let applied = apply::apply(link, &task, &around).await;
    let fine = matches!(applied.outcome, Outcome::Committed { .. });
    HostReport {
        host: rendered.host,
        outcome: applied.outcome,
        plan: Some(plan),
        checks: applied.checks,
        log: if fine { Vec::new() } else { applied.log },
        took_over,
    }
}

fn meta(options: &Options, around: &Surroundings) -> std::io::Result<ApplyMeta> {
    let started_at = around.clock.unix_seconds();
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

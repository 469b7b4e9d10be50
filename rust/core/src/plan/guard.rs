//! Hours in which a concern's units are left alone.

use super::session::{self, Session};
use super::target::{Guard, Target};
use super::{Finding, Options, Plan, Severity, SystemAction, UnitAction};
use crate::observed::Observed;

/// Refuses a plan that touches a guarded unit while its session is open. The clock is the host's own.
pub(super) fn findings(
    target: &Target,
    plan: &Plan,
    observed: &Observed,
    options: Options,
) -> Vec<Finding> {
    target
        .guards
        .iter()
        .filter_map(|guard| {
            let unit = touched(guard, plan)?;
            let mut finding = match session::of(guard, &observed.local_times) {
                Session::Closed => return None,
                Session::Open(message) => Finding::refuse(
                    "guard",
                    format!("`{unit}` would be touched while {message}"),
                    format!("wait until {}, or `--force`", guard.close),
                ),
                Session::Unknown(message) => Finding::refuse("guard", message, session::UNKNOWN),
            };
            if options.force {
                finding.severity = Severity::Warn;
                finding.hint = Some("done all the same (`--force`)".to_owned());
            }
            Some(finding)
        })
        .collect()
}

/// A unit of the guarded concern that the plan stops, starts or restarts.
fn touched<'a>(guard: &Guard, plan: &'a Plan) -> Option<&'a str> {
    let declared = plan.units.iter().find(|change| {
        let guarded = change
            .concern
            .as_ref()
            .is_none_or(|concern| concern.as_str() == guard.concern);
        let disturbs = change
            .actions
            .iter()
            .any(|a| !matches!(a, UnitAction::Enable | UnitAction::Disable));
        guarded && disturbs
    });
    declared
        .map(|change| change.unit.as_str())
        .or_else(|| switched(guard, plan))
}

/// The same of a system that is switched: a concern's units bear its name there.
fn switched<'a>(guard: &Guard, plan: &'a Plan) -> Option<&'a str> {
    plan.closure
        .iter()
        .flat_map(|change| &change.units)
        .filter(|(action, _)| **action != SystemAction::Keep)
        .flat_map(|(_, units)| units)
        .map(String::as_str)
        .find(|unit| {
            unit.strip_prefix(&*guard.concern)
                .is_some_and(|rest| rest.starts_with(['.', '-', '@']))
        })
}

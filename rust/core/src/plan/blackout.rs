//! Hours in which a concern's units are left alone.

use super::blackout_state::{self, BlackoutState};
use super::target::{BlackoutWindow, Target};
use super::{Finding, Override, Plan, SystemAction, UnitAction};
use crate::observed::Observed;

/// Refuses a plan that touches a guarded unit while its session is open, by the host's clock or by ours, and
/// tells where the two differ.
pub(super) fn findings(target: &Target, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    target
        .blackouts
        .iter()
        .filter_map(|window| {
            let unit = touched(window, plan)?;
            let finding = match blackout_state::of(window, &observed.clocks) {
                BlackoutState::Closed => return clocks_differ(window, observed),
                BlackoutState::Open(message) => Finding::refuse(
                    "guard",
                    format!("`{unit}` would be touched while {message}"),
                    format!("wait until {}, or `--force`", window.close),
                ),
                BlackoutState::Unknown(message) => {
                    Finding::refuse("guard", message, blackout_state::UNKNOWN)
                }
            };
            Some(finding.unless(Override::Force))
        })
        .collect()
}

/// The session is closed by both clocks, but one of them is wrong.
fn clocks_differ(window: &BlackoutWindow, observed: &Observed) -> Option<Finding> {
    let differ = blackout_state::differ(&observed.clocks)?;
    Some(Finding::warn(
        "guard",
        format!(
            "{differ}; by both the {} session is closed, but one of them is wrong",
            window.concern
        ),
        Some("look at `timedatectl` on both".to_owned()),
    ))
}

/// A unit of the guarded concern that the plan stops, starts or restarts.
fn touched<'a>(window: &BlackoutWindow, plan: &'a Plan) -> Option<&'a str> {
    let declared = plan.units.iter().find(|change| {
        let guarded = change
            .concern
            .as_ref()
            .is_none_or(|concern| concern.as_str() == window.concern);
        let disturbs = change
            .actions
            .iter()
            .any(|a| !matches!(a, UnitAction::Enable | UnitAction::Disable));
        guarded && disturbs
    });
    declared
        .map(|change| change.unit.as_str())
        .or_else(|| switched(window, plan))
}

/// The same of a system that is switched: a concern's units bear its name there.
fn switched<'a>(window: &BlackoutWindow, plan: &'a Plan) -> Option<&'a str> {
    plan.closure
        .iter()
        .flat_map(|change| &change.units)
        .filter(|(action, _)| **action != SystemAction::Keep)
        .flat_map(|(_, units)| units)
        .map(String::as_str)
        .find(|unit| {
            unit.strip_prefix(&*window.concern)
                .is_some_and(|rest| rest.starts_with(['.', '-', '@']))
        })
}

//! Trials, told as the results of a host are.

use deployctl_checks::{CheckResult, CheckStatus, line};
use deployctl_core::name::ConcernName;

use crate::{Outcome, Trial};

/// The result of one trial of `concern`.
pub fn result(concern: &ConcernName, trial: &Trial) -> CheckResult {
    let (status, evidence) = match &trial.outcome {
        Outcome::Proven(found) => (CheckStatus::Pass, line(found)),
        Outcome::Refuted { found, hint } | Outcome::Invalid { found, hint } => {
            let hint = hint.as_deref().map(line);
            (CheckStatus::Fail { hint }, line(found))
        }
        Outcome::NotTried(reason) => {
            let reason = line(reason);
            (CheckStatus::Skip { reason }, String::new())
        }
    };
    CheckResult {
        check: format!("{concern}/{}", trial.what),
        concern: concern.clone(),
        gate: false,
        attempts: u8::from(!matches!(status, CheckStatus::Skip { .. })),
        status,
        expected: trial.expected.clone(),
        evidence,
        measurements: Vec::new(),
    }
}

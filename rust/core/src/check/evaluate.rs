//! Answers turned into results.

use super::answer::{Answer, Holds};
use super::{Check, CheckResult, CheckStatus};
use crate::query::{Answers, Section, printable};

/// Exit status of a shell that found no such command.
const NOT_FOUND: i32 = 127;
/// Longest evidence kept, in characters.
const EVIDENCE: usize = 400;

/// Judges one answer; `None` is a query that was never answered.
pub fn evaluate(check: &Check, section: Option<&Section>) -> CheckResult {
    let (status, evidence) = judge(check, section);
    result(check, status, &evidence)
}

/// Judges every check by its query's answer.
pub fn evaluate_all(checks: &[Check], answers: &Answers) -> Vec<CheckResult> {
    checks
        .iter()
        .map(|check| evaluate(check, answers.get(&check.query.id)))
        .collect()
}

/// Every check as skipped: where nothing may be asked (`sandbox`).
pub fn skip_all(checks: &[Check], reason: &str) -> Vec<CheckResult> {
    checks
        .iter()
        .map(|check| {
            let reason = reason.to_owned();
            result(check, CheckStatus::Skip { reason }, "")
        })
        .collect()
}

fn judge(check: &Check, section: Option<&Section>) -> (CheckStatus, String) {
    let Some(section) = section else {
        return error("the host gave no answer");
    };
    let Some(status) = section.status else {
        let seconds = check.query.deadline.as_secs();
        return error(&format!("no answer within {seconds} s"));
    };
    if section.truncated {
        return error(&format!(
            "the answer is longer than {} bytes",
            check.query.cap
        ));
    }
    if status == NOT_FOUND {
        // Declared, and what it takes is not even installed: that is no pass and no mystery.
        return (
            CheckStatus::Fail {
                hint: Some(check.where_missing.to_owned()),
            },
            String::from_utf8_lossy(&section.stderr).into_owned(),
        );
    }
    let answer = Answer::new(status, section);
    if status != 0 && !check.reads_failures {
        let words = answer.everything();
        return (
            CheckStatus::Error {
                reason: format!("the query ended with status {status}"),
            },
            words,
        );
    }
    match (check.judge)(&answer) {
        Ok(found) => (
            match found.holds {
                Holds::Yes => CheckStatus::Pass,
                Holds::No(hint) => CheckStatus::Fail { hint },
                Holds::AfterReboot(reason) => CheckStatus::Stale { reason },
                Holds::PassedOver(reason) => CheckStatus::Skip { reason },
            },
            found.evidence,
        ),
        Err(unreadable) => (
            CheckStatus::Error {
                reason: line(&unreadable.0),
            },
            answer.everything(),
        ),
    }
}

fn error(reason: &str) -> (CheckStatus, String) {
    let reason = reason.to_owned();
    (CheckStatus::Error { reason }, String::new())
}

fn result(check: &Check, status: CheckStatus, evidence: &str) -> CheckResult {
    CheckResult {
        check: check.id.clone(),
        concern: check.concern.clone(),
        gate: check.gate,
        status,
        expected: check.expected.clone(),
        evidence: line(evidence),
    }
}

/// One clean line of at most [`EVIDENCE`] characters: what a host said may hold anything.
fn line(text: &str) -> String {
    let words = printable(text.as_bytes());
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EVIDENCE) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

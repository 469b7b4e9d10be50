//! Answers turned into results.

use std::sync::LazyLock;

use deployctl_core::query::{Answers, Section, printable};
use regex::Regex;

use super::answer::{Answer, Holds};
use crate::{Check, CheckResult, CheckStatus, Measurement};

/// Exit status of a shell that found no such command.
const NOT_FOUND: i32 = 127;
/// Longest evidence kept, in characters.
const EVIDENCE: usize = 400;

/// Judges one answer; `None` means that the query was not answered.
pub fn evaluate(check: &Check, section: Option<&Section>) -> CheckResult {
    let judged = judge(check, section);
    let attempts = u8::from(section.is_some());
    judged.of(check, attempts)
}

/// Judges every check by its query's answer.
pub fn evaluate_all(checks: &[Check], answers: &Answers) -> Vec<CheckResult> {
    checks
        .iter()
        .map(|check| evaluate(check, answers.get(&check.query.id)))
        .collect()
}

/// Returns every check as skipped, where nothing may be asked (`sandbox`).
pub fn skip_all(checks: &[Check], reason: &str) -> Vec<CheckResult> {
    checks.iter().map(|check| skip(check, reason)).collect()
}

/// A check as skipped.
pub fn skip(check: &Check, reason: &str) -> CheckResult {
    let reason = reason.to_owned();
    Judged::new(CheckStatus::Skip { reason }).of(check, 0)
}

/// A check that need not be made to know that it fails: what was found, and what to do.
pub fn failed(check: &Check, evidence: &str, hint: &str) -> CheckResult {
    let hint = Some(line(hint));
    Judged::new(CheckStatus::Fail { hint })
        .evidence(evidence)
        .of(check, 0)
}

/// A check that could not be made: as unreadable, never as passed.
pub fn broken(check: &Check, reason: &str) -> CheckResult {
    Judged::error(reason).of(check, 0)
}

/// Judges an answer.
struct Judged {
    status: CheckStatus,
    evidence: String,
    measurements: Vec<Measurement>,
}

impl Judged {
    fn new(status: CheckStatus) -> Self {
        Self {
            status,
            evidence: String::new(),
            measurements: Vec::new(),
        }
    }

    fn error(reason: &str) -> Self {
        Self::new(CheckStatus::Error {
            reason: line(reason),
        })
    }

    fn evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }

    fn of(self, check: &Check, attempts: u8) -> CheckResult {
        CheckResult {
            check: check.id.clone(),
            concern: check.concern.clone(),
            gate: check.gate,
            status: self.status,
            expected: check.expected.clone(),
            evidence: line(&self.evidence),
            attempts,
            measurements: self.measurements,
        }
    }
}

fn judge(check: &Check, section: Option<&Section>) -> Judged {
    let Some(section) = section else {
        return Judged::error("the host gave no answer");
    };
    let Some(status) = section.status else {
        let seconds = check.query.deadline.as_secs();
        return Judged::error(&format!("no answer within {seconds} s"));
    };
    if section.truncated {
        let cap = check.query.cap;
        return Judged::error(&format!("the answer is longer than {cap} bytes"));
    }
    if status == NOT_FOUND {
        // The command is not installed although the concern is declared: a failure, not an error.
        return Judged::new(CheckStatus::Fail {
            hint: Some(check.where_missing.clone()),
        })
        .evidence(String::from_utf8_lossy(&section.stderr));
    }
    let answer = Answer::new(status, section);
    if status != 0 && !check.reads_failures {
        return Judged::error(&format!("the query ended with status {status}"))
            .evidence(answer.everything());
    }
    match (check.judge)(&answer) {
        Ok(found) => Judged {
            status: match found.holds {
                Holds::Yes => CheckStatus::Pass,
                Holds::No(hint) => CheckStatus::Fail {
                    hint: hint.map(|it| line(&it)),
                },
                Holds::AfterReboot(reason) => CheckStatus::Stale {
                    reason: line(&reason),
                },
                Holds::PassedOver(reason) => CheckStatus::Skip {
                    reason: line(&reason),
                },
            },
            evidence: found.evidence,
            measurements: found.measured,
        },
        Err(unreadable) => Judged::error(&unreadable.0).evidence(answer.everything()),
    }
}

/// How a shell names the script of a query before its own words: `/run/deployctl.AqsvLx/48.sh: 1: `, in bash with
/// `line` before the number. The name differs from round to round.
static SCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\S*/(?:deployctl|tmp)\.\w+/\d+\.sh: (?:line )?\d+: ").expect("tested")
});

/// One clean line of at most [`EVIDENCE`] characters: what a host said may hold anything.
pub fn line(text: &str) -> String {
    let words = printable(text.as_bytes());
    let words = SCRIPT.replace_all(&words, "");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EVIDENCE) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_script_of_a_query_is_not_named_in_evidence() {
        for (said, told) in [
            (
                "/run/deployctl.AqsvLx/48.sh: 1: nsys: not found",
                "nsys: not found",
            ),
            (
                "/tmp/tmp.r2NqsAqPdl/3.sh: line 12: ss: command not found",
                "ss: command not found",
            ),
            (
                "status 127: /run/deployctl.a_1/7.sh: 1: a: not found\n/run/deployctl.a_1/7.sh: 2: b: not found",
                "status 127: a: not found b: not found",
            ),
            (
                "/opt/run.sh: 1: a: not found",
                "/opt/run.sh: 1: a: not found",
            ),
        ] {
            assert_eq!(line(said), told);
        }
    }
}

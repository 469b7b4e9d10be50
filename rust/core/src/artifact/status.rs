//! What `stage.sh` says of a job, and its parser.
//!
//! ```text
//! deployctl-stage 1
//! phase fetching
//! there 120         bytes of its files that are on the host
//! total 400         bytes of all its files
//! at model.safetensors
//! note waits 30 s: the server answered 429
//! failure denied `https://…` answered 401
//! hint look at the token
//! end
//! ```
//!
//! Unknown keys are skipped.

use crate::query::printable_line;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagePhase {
    /// It runs.
    Running,
    /// The release is whole and bears its name.
    Done,
    /// It ended, and says why.
    Failed,
    /// Nothing works on it, and it did not come to its end.
    Interrupted,
}

/// What a host said of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStatus {
    /// How far it is.
    pub phase: StagePhase,
    /// Bytes that are there.
    pub there: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Bytes that came over the network or from the source's directory since the job was first started.
    pub fetched: u64,
    /// The file that is worked on.
    pub at: Option<String>,
    /// What it waits for, in words.
    pub note: Option<String>,
    /// Why it failed.
    pub failure: Option<StageFailure>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFailure {
    /// What, in one line without control characters.
    pub text: String,
    /// The next step.
    pub hint: Option<String>,
}

/// Why an answer is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host's answer is no status of staging: `{0}`")]
pub struct StageStatusError(String);

/// Reads what a verb of `stage.sh` printed.
pub fn parse_stage_status(stdout: &[u8]) -> Result<StageStatus, StageStatusError> {
    let text = String::from_utf8_lossy(stdout);
    let wrong = |line: &str| StageStatusError(printable_line(line.as_bytes(), 80));
    let mut lines = text.lines();
    match lines.next() {
        Some("deployctl-stage 1") => {}
        other => return Err(wrong(other.unwrap_or_default())),
    }
    let (mut phase, mut there, mut total, mut fetched) = (None, 0, 0, 0);
    let (mut at, mut note, mut failure, mut hint) = (None, None, None, None);
    for line in lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let number = || value.parse::<u64>().map_err(|_| wrong(line));
        let words = || Some(printable_line(value.as_bytes(), 600)).filter(|it| !it.is_empty());
        match key {
            "phase" => {
                phase = Some(match value {
                    "running" => StagePhase::Running,
                    "done" => StagePhase::Done,
                    "failed" => StagePhase::Failed,
                    "interrupted" => StagePhase::Interrupted,
                    _ => return Err(wrong(line)),
                });
            }
            "there" => there = number()?,
            "total" => total = number()?,
            "fetched" => fetched = number()?,
            "at" => at = words(),
            "note" => note = words(),
            "failure" => failure = words(),
            "hint" => hint = words(),
            "end" => {
                let phase = phase.ok_or_else(|| wrong("it has no phase"))?;
                let failure = failure.map(|text| StageFailure { text, hint });
                return Ok(StageStatus {
                    phase,
                    there,
                    total,
                    fetched,
                    at,
                    note,
                    failure,
                });
            }
            _ => {}
        }
    }
    Err(wrong("it has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "deployctl-stage 1\nphase failed\nthere 120\ntotal 400\nfetched 20\nat a/b.bin\nnote waits\nfailure \u{1b}[31mno\nhint do\nlater x\nend\n";

    #[test]
    fn a_full_status_is_read() {
        insta::assert_debug_snapshot!(parse_stage_status(FULL.as_bytes()));
    }

    #[test]
    fn every_prefix_is_an_error() {
        for cut in 0..FULL.len() - 1 {
            assert!(
                parse_stage_status(&FULL.as_bytes()[..cut]).is_err(),
                "{cut}"
            );
        }
    }
}

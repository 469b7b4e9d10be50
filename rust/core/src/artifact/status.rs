//! What `stage.sh` says of a job, and its parser.
//!
//! ```text
//! deployctl-stage 1
//! phase fetching
//! there 120         bytes of its files that are on the host
//! total 400         bytes of all its files
//! at model.safetensors
//! send 80 200 model.safetensors      from which byte on, how many bytes, of which file; in phase `waiting`
//! note waits 30 s: the server answered 429
//! failure denied `https://…` answered 401
//! hint look at the token
//! end
//! ```
//!
//! Unknown keys are skipped.

use crate::name::ArtifactPath;
use crate::query::printable_line;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagePhase {
    /// It runs.
    Running,
    /// The release is whole and bears its name.
    Done,
    /// It needs files that the controller sends, and does nothing meanwhile.
    Waiting,
    /// It ended, and says why.
    Failed,
    /// Nothing works on it, and it did not come to its end.
    Interrupted,
}

impl StagePhase {
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "running" => Self::Running,
            "done" => Self::Done,
            "waiting" => Self::Waiting,
            "failed" => Self::Failed,
            "interrupted" => Self::Interrupted,
            _ => return None,
        })
    }
}

/// The end of a file, or all of it, that the controller is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The first byte that the host lacks.
    pub from: u64,
    /// How many bytes it lacks.
    pub bytes: u64,
    /// Of which file.
    pub path: ArtifactPath,
}

impl Send {
    fn read(words: &str) -> Option<Self> {
        let mut words = words.splitn(3, ' ');
        let mut number = || words.next()?.parse().ok();
        Some(Self {
            from: number()?,
            bytes: number()?,
            path: ArtifactPath::new(words.next()?).ok()?,
        })
    }

    /// The line that comes before its bytes.
    pub fn line(&self) -> String {
        let Self { from, bytes, path } = self;
        format!("{from} {bytes} {path}\n")
    }
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
    /// What it waits for the controller to send.
    pub sends: Vec<Send>,
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
    let mut sends = Vec::new();
    for line in lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let number = || value.parse::<u64>().map_err(|_| wrong(line));
        let words = || Some(printable_line(value.as_bytes(), 600)).filter(|it| !it.is_empty());
        match key {
            "phase" => {
                phase = Some(StagePhase::read(value).ok_or_else(|| wrong(line))?);
            }
            "there" => there = number()?,
            "total" => total = number()?,
            "fetched" => fetched = number()?,
            "at" => at = words(),
            "note" => note = words(),
            "send" => sends.push(Send::read(value).ok_or_else(|| wrong(line))?),
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
                    sends,
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

    const FULL: &str = "deployctl-stage 1\nphase failed\nthere 120\ntotal 400\nfetched 20\nat a/b.bin\nnote waits\nsend 20 380 a/b.bin\nfailure \u{1b}[31mno\nhint do\nlater x\nend\n";

    #[test]
    fn a_full_status_is_read() {
        insta::assert_debug_snapshot!(parse_stage_status(FULL.as_bytes()));
    }

    #[test]
    fn what_is_to_be_sent_stays_within_the_release() {
        for line in [
            "send 1 2 ../a",
            "send 1 2 /etc/passwd",
            "send -1 2 a",
            "send 1 2",
            "send a 2 b",
        ] {
            let text = FULL.replace("send 20 380 a/b.bin", line);
            assert!(parse_stage_status(text.as_bytes()).is_err(), "{line}");
        }
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

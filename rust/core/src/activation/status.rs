//! The status frame of `host.sh`, and its parser.
//!
//! ```text
//! deployctl-status 1
//! generation 3                  committed generation
//! apply 20261123-1f3a9c         the apply asked for; without one asked for: the open one, else the last; absent: none
//! holder ops@laptop
//! phase activated
//! base 2                        generation that the apply starts from
//! deadline 57                   seconds left until the host rolls back by itself; only while it is armed
//! boot same                     `same` or `other` boot than at start
//! skipped 4                     follow-ups left out in a sandbox
//! failure step unit restart x.service: Job failed
//! reboot new kernel command line
//! log 120 400 280               offset, size of the whole log, bytes that follow
//! …280 bytes…
//! end
//! ```
//!
//! Keys come at most once, except `reboot`; unknown keys are skipped, so that an older controller reads a newer host.

use super::machine::Phase;
use crate::query::printable_line;

/// What a host said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Number of the committed generation; 0 before the first.
    pub generation: u32,
    /// The apply in question, if there is any.
    pub apply: Option<ApplyStatus>,
}

/// One apply as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyStatus {
    /// Its id.
    pub apply: String,
    /// Who started it: `user@controller`.
    pub holder: String,
    /// How far it is.
    pub phase: Phase,
    /// The generation it starts from.
    pub base: u32,
    /// Seconds until the host rolls back by itself; `None` while it is not armed.
    pub deadline_seconds: Option<u32>,
    /// Whether the host has booted since it was started.
    pub rebooted: bool,
    /// Follow-ups left out, in a sandbox.
    pub skipped: u32,
    /// Why it was refused or rolled back.
    pub failure: Option<Failure>,
    /// Why a reboot is needed before all of it is in effect.
    pub reboot: Vec<String>,
    /// Part of its log.
    pub log: LogPart,
}

/// Why an apply failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub code: FailureCode,
    /// What, in one line without control characters.
    pub text: String,
}

/// How long the text of a failure may be. It begins with a program's or a person's words, up to 1200 characters; after them the
/// host says what stays as it is, up to 900 characters, and what to do.
pub const FAILURE_CHARACTERS: usize = 2400;

impl Failure {
    /// Its text as one line.
    pub fn line(&self) -> String {
        printable_line(self.text.as_bytes(), FAILURE_CHARACTERS)
    }
}

/// Where an apply failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// Another apply holds the lease.
    Lock,
    /// The host is no longer what the plan was made for.
    Stale,
    /// Not enough free space.
    Space,
    /// State directory or a managed path's parent is not safe, or a tool is missing.
    Layout,
    /// A validator refused a staged file.
    Validate,
    /// The package simulation or download.
    Packages,
    /// The checkpoint could not be written.
    Checkpoint,
    /// The dead-man timer could not be armed.
    Arm,
    /// A step of the activation.
    Step,
    /// A unit failed that had not failed before, or did not become active.
    Units,
    /// No confirm came in time.
    Deadline,
    /// The host booted, or what worked on the apply was killed; or the controller was interrupted.
    Interrupted,
    /// The rollback was requested.
    Requested,
    /// The controller saw a gate fail, or could not log in again.
    Gate,
    /// Another apply was started with `--steal`.
    Stolen,
    /// What the rollback left behind.
    Rollback,
    /// The rollback failed, and a person accepted the host as it was.
    Abandoned,
    /// A word that this controller does not know.
    Other,
}

impl FailureCode {
    /// All that have a word.
    const ALL: [Self; 17] = [
        Self::Lock,
        Self::Stale,
        Self::Space,
        Self::Layout,
        Self::Validate,
        Self::Packages,
        Self::Checkpoint,
        Self::Arm,
        Self::Step,
        Self::Units,
        Self::Deadline,
        Self::Interrupted,
        Self::Requested,
        Self::Gate,
        Self::Stolen,
        Self::Rollback,
        Self::Abandoned,
    ];

    /// The word in the status frame; `other` for [`FailureCode::Other`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Stale => "stale",
            Self::Space => "space",
            Self::Layout => "layout",
            Self::Validate => "validate",
            Self::Packages => "packages",
            Self::Checkpoint => "checkpoint",
            Self::Arm => "arm",
            Self::Step => "step",
            Self::Units => "units",
            Self::Deadline => "deadline",
            Self::Interrupted => "interrupted",
            Self::Requested => "requested",
            Self::Gate => "gate",
            Self::Stolen => "stolen",
            Self::Rollback => "rollback",
            Self::Abandoned => "abandoned",
            Self::Other => "other",
        }
    }

    fn from_word(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|code| code.word() == word)
            .unwrap_or(Self::Other)
    }
}

/// Some bytes of an apply's log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPart {
    /// Where in the log they begin.
    pub offset: u64,
    /// Size of the whole log.
    pub size: u64,
    /// The bytes. Hostile.
    pub bytes: Vec<u8>,
}

impl LogPart {
    /// The offset to ask for next.
    pub fn next_offset(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// Why an answer is not a status frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// The first line is another.
    #[error("the host's answer is no status frame: it begins with `{0}`")]
    NoFrame(String),
    /// It ends too early.
    #[error("the host's status frame is cut off")]
    CutOff,
    /// A line that cannot be read.
    #[error("the host's status frame has an unreadable line: `{0}`")]
    Line(String),
    /// A key that must be there is not.
    #[error("the host's status frame has no `{0}`")]
    Missing(&'static str),
}

const FIRST_LINE: &str = "deployctl-status 1";

/// Reads the frame in what a verb of `host.sh` printed.
pub fn parse(stdout: &[u8]) -> Result<Status, StatusError> {
    let mut rest = stdout;
    let first = line(&mut rest)?;
    if first != FIRST_LINE {
        return Err(StatusError::NoFrame(shorten(&first)));
    }
    let (mut generation, mut base, mut deadline, mut skipped) = (None, None, None, None);
    let (mut apply, mut holder, mut phase, mut failure) = (None, None, None, None);
    let (mut rebooted, mut reboot) = (false, Vec::new());
    let log = loop {
        let text = line(&mut rest)?;
        let unreadable = || StatusError::Line(shorten(&text));
        let (key, value) = text.split_once(' ').unwrap_or((&text, ""));
        let number = || value.parse::<u32>().map_err(|_| unreadable());
        match key {
            "generation" => generation = Some(number()?),
            "base" => base = Some(number()?),
            "deadline" => deadline = Some(number()?),
            "skipped" => skipped = Some(number()?),
            "apply" => apply = Some(value.to_owned()),
            "holder" => holder = Some(value.to_owned()),
            "phase" => phase = Some(Phase::from_word(value).ok_or_else(unreadable)?),
            "boot" => rebooted = value == "other",
            "failure" => {
                let (code, text) = value.split_once(' ').unwrap_or((value, ""));
                failure = Some(Failure {
                    code: FailureCode::from_word(code),
                    text: text.to_owned(),
                });
            }
            "reboot" => reboot.push(value.to_owned()),
            "log" => break log_part(value, &mut rest).ok_or_else(unreadable)??,
            _ => {}
        }
    };
    let generation = generation.ok_or(StatusError::Missing("generation"))?;
    let apply = match apply {
        None => None,
        Some(apply) => Some(ApplyStatus {
            apply,
            holder: holder.unwrap_or_default(),
            phase: phase.ok_or(StatusError::Missing("phase"))?,
            base: base.unwrap_or_default(),
            deadline_seconds: deadline,
            rebooted,
            skipped: skipped.unwrap_or_default(),
            failure,
            reboot,
            log,
        }),
    };
    Ok(Status { generation, apply })
}

/// `None`: the numbers are unreadable.
fn log_part(value: &str, rest: &mut &[u8]) -> Option<Result<LogPart, StatusError>> {
    let mut numbers = value.split(' ').map(|n| n.parse::<u64>().ok());
    let (offset, size, length) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let cut = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length));
    let Some((bytes, after)) = cut else {
        return Some(Err(StatusError::CutOff));
    };
    if !after.starts_with(b"\nend\n") {
        return Some(Err(StatusError::CutOff));
    }
    Some(Ok(LogPart {
        offset,
        size,
        bytes: bytes.to_vec(),
    }))
}

fn line(rest: &mut &[u8]) -> Result<String, StatusError> {
    let end = rest
        .iter()
        .position(|&b| b == b'\n')
        .ok_or(StatusError::CutOff)?;
    let text = String::from_utf8_lossy(&rest[..end])
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    *rest = &rest[end + 1..];
    Ok(text)
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "deployctl-status 1\ngeneration 3\napply 20261123-1f3a9c\nholder ops@laptop\nphase activated\nbase 2\ndeadline 57\nboot same\nskipped 4\nfailure step unit restart x.service: \u{1b}[31mJob failed\nreboot new command line\nreboot new kernel\nfuture key\nlog 120 400 9\nab\nend\ncd\nend\n";

    #[test]
    fn a_full_frame_is_read_and_its_log_cannot_end_it() {
        insta::assert_debug_snapshot!(parse(FULL.as_bytes()));
    }

    #[test]
    fn a_host_without_an_apply_has_only_a_generation() {
        let frame = "deployctl-status 1\ngeneration 0\nlog 0 0 0\n\nend\n";
        assert_eq!(
            parse(frame.as_bytes()),
            Ok(Status {
                generation: 0,
                apply: None
            })
        );
    }

    #[test]
    fn every_prefix_of_a_frame_is_an_error() {
        for cut in 0..FULL.len() {
            assert!(parse(&FULL.as_bytes()[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn other_text_is_told_from_a_frame() {
        let errors: Vec<String> = [
            "sudo: a password is required\n",
            "deployctl-status 1\nphase dancing\n",
            "deployctl-status 1\nlog 0 0 0\n\nend\n",
            "deployctl-status 1\ngeneration 1\nlog 0 x 0\n\nend\n",
        ]
        .iter()
        .map(|text| parse(text.as_bytes()).expect_err(text).to_string())
        .collect();
        insta::assert_snapshot!(errors.join("\n"), @"
        the host's answer is no status frame: it begins with `sudo: a password is required`
        the host's status frame has an unreadable line: `phase dancing`
        the host's status frame has no `generation`
        the host's status frame has an unreadable line: `log 0 x 0`
        ");
    }
}

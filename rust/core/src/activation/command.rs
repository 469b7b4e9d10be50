//! Scripts that call `host.sh`, for `Transport::run`, and what is known of an apply before its plan.
//!
//! Each works on a host and, with `DEPLOYCTL_ROOT` and `DEPLOYCTL_SANDBOX` in the environment, in a sandbox.

use std::fmt;

use super::script::printable;
use super::status::Failure;
use crate::query::quote as sh;

/// Longest text of a reason, in characters.
const REASON_CHARS: usize = 300;

/// Id of one apply: lower-case letters, digits and inner hyphens, 8 to 40; part of paths and unit names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplyId(String);

impl ApplyId {
    /// Checks `text`; `None` when it is no id.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let valid = (8..=40).contains(&text.len())
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        valid.then_some(Self(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the bundle goes, without a sandbox's root.
    pub fn directory(&self) -> String {
        format!("{}/applies/{}", super::STATE_DIR, self.0)
    }
}

impl fmt::Display for ApplyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Starts the apply whose bundle was put to [`ApplyId::directory`].
pub fn start(apply: &ApplyId, steal: bool) -> String {
    let steal = if steal { " --steal" } else { "" };
    let directory = apply.directory();
    format!("sh \"${{DEPLOYCTL_ROOT-}}{directory}/host.sh\" start {apply}{steal}\n")
}

/// Phase, failure and the log from byte `offset` on; `extend` moves the deadline to at least that many
/// seconds from now.
pub fn status(apply: &ApplyId, offset: u64, extend: Option<u32>) -> String {
    let extend = extend.map_or_else(String::new, |s| format!(" --extend {s}"));
    installed(&format!("status {apply} {offset}{extend}"))
}

/// The host's status: generation, and the open or last apply. Works also on a host without any
/// apply.
pub fn status_of_host() -> String {
    let state = super::STATE_DIR;
    // An earlier program does not know `--frame`: it calls that wrong usage, and means a frame by `status` alone.
    format!(
        "if [ ! -f \"${{DEPLOYCTL_ROOT-}}{state}/host.sh\" ]; then printf 'deployctl-status 1\\ngeneration 0\\nlog 0 0 0\\n\\nend\\n'\n\
         else {}[ $? -ne 2 ] || {}fi\n",
        installed("status --frame 2>/dev/null"),
        installed("status"),
    )
}

/// Confirms; the nonce travels on stdin of a pipe from a builtin, so it reaches no command line.
pub fn confirm(apply: &ApplyId, nonce: &str) -> String {
    format!(
        "printf '%s\\n' {} | {}",
        sh(nonce),
        installed(&format!("confirm {apply}"))
    )
}

/// Rolls `apply` back, or the open apply. The host keeps `reason` as why; without one, that it was requested.
pub fn rollback(apply: Option<&ApplyId>, reason: Option<&Failure>) -> String {
    let mut arguments = verb_on("rollback", apply);
    if let Some(Failure { code, text }) = reason {
        let text: String = printable(text).chars().take(REASON_CHARS).collect();
        arguments += &[" --reason", code.word(), &sh(&text)].join(" ");
    }
    installed(&arguments)
}

/// Rolls `apply` back for another that is about to start.
pub fn steal(apply: &ApplyId) -> String {
    installed(&format!("rollback {apply} --stolen"))
}

/// Accepts the host as it is after a failed rollback of `apply`, or of the open apply: the apply is over, and what it
/// left stays. Denied in every other phase.
pub fn abandon(apply: Option<&ApplyId>) -> String {
    installed(&(verb_on("rollback", apply) + " --abandon"))
}

fn verb_on(verb: &str, apply: Option<&ApplyId>) -> String {
    apply.map_or_else(|| verb.to_owned(), |id| format!("{verb} {id}"))
}

/// Lets the host decide by itself what an interrupted apply needs, as its dead-man timer does.
pub fn recover(apply: &ApplyId) -> String {
    installed(&format!("recover {apply}"))
}

fn installed(arguments: &str) -> String {
    format!(
        "sh \"${{DEPLOYCTL_ROOT-}}{}/host.sh\" {arguments}\n",
        super::STATE_DIR
    )
}

/// The data of an apply, beside its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyMeta {
    /// Its id.
    pub apply_id: ApplyId,
    /// Who starts it: `user@controller`. Control characters are left out.
    pub holder: String,
    /// The nonce that confirm must contain; at least 128 random bits as text without line breaks.
    pub nonce: String,
    /// How long the host waits for confirm once it is activated, in seconds.
    pub deadline_seconds: u32,
    /// When it was made, in seconds since 1970; for the record only.
    pub started_at: u64,
}

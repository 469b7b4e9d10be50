//! Why a model could not be pinned, and the next step.

use crate::process::ProcessError;

/// Errors of pinning.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// curl could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of this computer.
    #[error("cannot {action}")]
    Local {
        /// What was to be done.
        action: &'static str,
        /// Why it was not.
        #[source]
        source: std::io::Error,
    },
    /// There was no answer.
    #[error("`{url}` cannot be reached: {words}")]
    Link {
        /// What was asked.
        url: String,
        /// curl's words.
        words: String,
    },
    /// An answer that is not the wanted one.
    #[error("`{url}` answered {code}{words}")]
    Answered {
        /// What was asked.
        url: String,
        /// The status.
        code: u16,
        /// The hub's words: empty, or `: ` and a text.
        words: String,
        /// Whether a token was sent.
        token: bool,
    },
    /// An answer that is none of a hub's.
    #[error("`{url}` did not answer as a hub does: {reason}")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A small file is not what the hub lists.
    #[error("`{url}` has {came} bytes, and the hub lists {listed}")]
    Size {
        /// The file.
        url: String,
        /// Bytes that came.
        came: u64,
        /// Bytes that it should have.
        listed: u64,
    },
    /// Nothing is left of the list.
    #[error("no file of `{repository}` at {revision} is wanted")]
    NoFiles {
        /// `owner/name`.
        repository: String,
        /// The commit.
        revision: String,
    },
    /// More files than facts take.
    #[error("{0} files are more than the 2000 that a model can have")]
    TooMany(usize),
    /// A path that facts do not take.
    #[error("`{}` cannot be the path of a file of a model", .0.escape_debug())]
    Path(String),
}

impl PinError {
    /// The next step.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Process(ProcessError::NotInstalled { .. }) => "install the package curl",
            Self::Process(_) | Self::Size { .. } => "run it again",
            Self::Local { .. } => {
                "see whether the folder for temporary files has room: `df -h /tmp`"
            }
            Self::Link { .. } => {
                "see whether the address is right, and whether this computer reaches it"
            }
            Self::Answered { code, token, .. } => answered(*code, *token),
            Self::Unreadable { .. } => {
                "see whether `--hub` is the address of a hub: a login page or a proxy may answer there"
            }
            Self::NoFiles { .. } => "see what `--include` and `--exclude` say",
            Self::TooMany(_) => "leave some out with `--exclude`",
            Self::Path(_) => {
                "leave it out with `--exclude`; paths hold letters, digits and `._+=@,-`"
            }
        }
    }
}

fn answered(code: u16, token: bool) -> &'static str {
    match (code, token) {
        // Hubs do not tell strangers whether a repository exists.
        (401 | 403, false) => {
            "give a token with `--token-file`, or see whether there is such a repository; a model may have a licence that its page asks you to accept"
        }
        (401 | 403, true) => {
            "see whether the token is valid and may read this; a model may have a licence that its page asks you to accept"
        }
        (404 | 410, _) => "see whether the hub has this repository, and this revision of it",
        (429, _) => "too many requests: run it again later",
        (500.., _) => "run it again later",
        _ => "this is no answer of a hub: open the address yourself",
    }
}

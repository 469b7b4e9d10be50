//! What is known of an apply before its plan.

use super::command::ApplyId;

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

//! What planning has to know beside the target and what was observed.

/// What planning has to know beside the target and what was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// The host is a directory: files only.
    pub sandbox: bool,
    /// The wanted system must already be in the host's store: nothing copies it from here on. For what
    /// was copied just before, and for a rollback.
    pub present: bool,
    /// This run has a password for sudo.
    pub password: bool,
}

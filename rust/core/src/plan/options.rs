//! What planning has to know beside the target and what was observed.

/// What planning has to know beside the target and what was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// The host is a directory: files only.
    pub sandbox: bool,
    /// The wanted system must lie in the host's store by now: nothing brings it there any more. For what
    /// was copied just before, and for a rollback.
    pub present: bool,
    /// A password for sudo is at hand.
    pub password: bool,
}

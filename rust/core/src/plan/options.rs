//! What a plan must respect besides facts and host.

/// What the user decided beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a decision of its own"
)]
pub struct Options {
    /// The host is a directory: files only.
    pub sandbox: bool,
    /// Go on though a guard holds.
    pub force: bool,
    /// Roll somebody else's open apply back first.
    pub steal: bool,
    /// The wanted system must lie in the host's store by now: nothing brings it there any more. For what
    /// was copied just before, and for a rollback.
    pub present: bool,
    /// A password for sudo is at hand.
    pub password: bool,
}

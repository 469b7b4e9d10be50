//! Refusals that the user overrides.

use super::{Plan, Severity, make};

/// What the user may override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    /// A blackout window, by `--force`.
    Force,
    /// Another operator's open apply, by `--steal`.
    Steal,
}

impl Override {
    /// What a plan says instead of how to go on.
    fn hint(self) -> &'static str {
        match self {
            Self::Force => "done all the same (`--force`)",
            Self::Steal => "it is rolled back first (`--steal`)",
        }
    }
}

/// What the user overrides in one run; nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Units are touched also in their blackout windows.
    pub force: bool,
    /// Another operator's open apply is rolled back first.
    pub steal: bool,
}

impl Overrides {
    fn cover(self, overriding: Override) -> bool {
        match overriding {
            Override::Force => self.force,
            Override::Steal => self.steal,
        }
    }
}

impl Plan {
    /// Returns the plan with the refusals that `overrides` cover as warnings, under a new id; the same plan if they
    /// cover none.
    #[must_use]
    pub fn overridden(mut self, overrides: Overrides) -> Self {
        let mut changed = false;
        for finding in &mut self.findings {
            if let Some(overriding) = finding.overridable_by.filter(|it| overrides.cover(*it)) {
                finding.severity = Severity::Warn;
                finding.hint = Some(overriding.hint().to_owned());
                finding.overridable_by = None;
                changed = true;
            }
        }
        if changed {
            make::seal(&mut self);
        }
        self
    }
}

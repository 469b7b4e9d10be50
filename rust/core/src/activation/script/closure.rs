//! Lines for a system that Nix built.

use std::collections::BTreeSet;

use super::{Script, Scripts};
use crate::plan::{ClosureChange, SystemAction};

/// Bounds of the time that a switch may take before the dead-man timer elapses, in seconds.
const SWITCH_SECONDS: (u32, u32) = (60, 900);
/// How many times as long as the window for confirm a switch may take, within its bounds.
const SWITCH_WINDOWS: u32 = 5;

impl Scripts<'_> {
    /// Seconds that the switch may take; 0 without one.
    pub(super) fn closure_seconds(&self) -> u32 {
        if self.plan.closure.is_none() {
            return 0;
        }
        let (least, most) = SWITCH_SECONDS;
        self.meta
            .deadline_seconds
            .saturating_mul(SWITCH_WINDOWS)
            .clamp(least, most)
    }

    pub(super) fn closure_validate(&self, script: &mut Script) {
        if let Some([path, kind]) = self.closure_words() {
            script.call("check_system", &[path, kind]);
        }
    }

    pub(super) fn closure_checkpoint(&self, script: &mut Script) {
        if let Some([_, kind]) = self.closure_words() {
            script.call("checkpoint_system", &[kind]);
        }
    }

    pub(super) fn closure_apply(&self, script: &mut Script) {
        if let (Some([path, kind]), Some(change)) = (self.closure_words(), &self.plan.closure) {
            script.call("allow_seconds", &[&self.closure_seconds().to_string()]);
            let mut arguments = vec![path, kind];
            arguments.extend(self.failed_and_started(change));
            script.call("switch_system", &arguments);
        }
    }

    pub(super) fn closure_rollback(&self, script: &mut Script) {
        if let Some([path, kind]) = self.closure_words() {
            script.call("restore_system", &[path, kind]);
        }
    }

    pub(super) fn closure_commit(&self, script: &mut Script) {
        if let Some([path, kind]) = self.closure_words() {
            script.call("commit_system", &[path, kind]);
        }
    }

    /// Store path and kind of the system.
    fn closure_words(&self) -> Option<[&str; 2]> {
        let change = self.plan.closure.as_ref()?;
        Some([
            change.after.toplevel.as_str(),
            change.after.platform.as_str(),
        ])
    }

    /// Units that had failed before and that the switch starts anew: it answers for them.
    fn failed_and_started<'a>(&'a self, change: &'a ClosureChange) -> BTreeSet<&'a str> {
        let started: BTreeSet<&str> = change
            .units
            .iter()
            .filter(|(action, _)| !matches!(action, SystemAction::Stop | SystemAction::Keep))
            .flat_map(|(_, units)| units.iter().map(String::as_str))
            .collect();
        self.plan
            .failed_units
            .iter()
            .map(crate::name::UnitName::as_str)
            .filter(|unit| started.contains(unit))
            .collect()
    }
}

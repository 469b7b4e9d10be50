//! The scripts of one plan: straight lines of calls to functions of `host.sh`.

mod closure;
mod header;
mod validate;
mod words;

use std::fmt::Write as _;

use super::command::ApplyMeta;
use crate::name::ManagedPath;
use crate::observed::FIREWALL_TABLE;
use crate::plan::{PackageAction, PathChange, PathTarget, Plan, UnitAction, UnitChange};
use crate::query::word;
use crate::rendered::{Entry, FollowUp, ManagedEntry, Rendered};
use header::Purpose;
pub(super) use words::printable;
use words::{unit_verb, words};

/// One script, line by line.
#[derive(Default)]
pub(super) struct Script(String);

impl Script {
    /// One that begins with `header`, lines of comments.
    fn new(header: String) -> Self {
        Self(header)
    }

    /// One call; every argument is quoted where it needs to be.
    fn call(&mut self, function: &str, arguments: &[&str]) {
        self.0.push_str(function);
        for argument in arguments {
            let _ = write!(self.0, " {}", word(argument));
        }
        self.0.push('\n');
    }

    /// One call with all of `arguments`, unless there are none.
    fn call_if_any(&mut self, function: &str, arguments: &[&str]) {
        if !arguments.is_empty() {
            self.call(function, arguments);
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// A plan with what its scripts need to know about it.
pub(super) struct Scripts<'a> {
    plan: &'a Plan,
    rendered: &'a Rendered,
    /// `NAME` or `NAME=VERSION` of every package to install.
    installs: Vec<String>,
    /// Which apply this is.
    meta: &'a ApplyMeta,
}

/// Longest time that apt may take before the dead-man timer elapses, in seconds.
const PACKAGES_SECONDS: u32 = 1800;
/// Longest time that `update-initramfs` and `update-grub` may take, in seconds.
const BOOT_FILES_SECONDS: u32 = 300;
/// Longest time that everything else may take, in seconds.
const BASE_SECONDS: u32 = 120;

impl<'a> Scripts<'a> {
    pub(super) fn new(plan: &'a Plan, rendered: &'a Rendered, meta: &'a ApplyMeta) -> Self {
        let installs = plan
            .packages
            .iter()
            .filter(|package| package.action == PackageAction::Install)
            .map(words::install_word)
            .collect();
        Self {
            plan,
            rendered,
            installs,
            meta,
        }
    }

    /// Seconds until the dead-man timer elapses, as first armed. Files alone are placed at once, so then the window for
    /// confirm is enough and need not be set anew.
    pub(super) fn step_seconds(&self) -> u32 {
        let files_alone = self.installs.is_empty()
            && self.plan.units.is_empty()
            && self.plan.follow_ups.is_empty()
            && self.plan.closure.is_none();
        if files_alone {
            self.meta.deadline_seconds
        } else {
            BASE_SECONDS
        }
    }

    /// Seconds that the deadline may be put off to altogether.
    pub(super) fn max_seconds(&self) -> u32 {
        let mut cap = BASE_SECONDS + self.meta.deadline_seconds;
        cap += self.closure_seconds();
        if !self.installs.is_empty() {
            cap += PACKAGES_SECONDS;
        }
        if self.needs(FollowUp::Initramfs) || self.needs(FollowUp::Bootloader) {
            cap += 2 * BOOT_FILES_SECONDS;
        }
        // Twice: for the start, and for the time it may need until its gates pass.
        self.plan.units.iter().fold(cap, |cap, unit| {
            cap.saturating_add(unit.start_timeout_seconds.saturating_mul(2))
        })
    }

    /// The entry that the `n`-th change puts in place; `None` when the path goes back to its original.
    pub(super) fn entry(&self, change: &PathChange) -> Option<&'a ManagedEntry> {
        match change.after {
            PathTarget::Entry { .. } => self.rendered.entries.get(&change.path),
            PathTarget::Original => None,
        }
    }

    fn needs(&self, follow_up: FollowUp) -> bool {
        self.plan.follow_ups.contains(&follow_up)
    }

    /// Calls `function` with the parts of the network that change, if there are any.
    fn call_network(&self, script: &mut Script, function: &str) {
        let parts = words::network_programs(self.plan, self.rendered);
        script.call_if_any(function, &Vec::from_iter(parts));
    }

    /// All regular files of the configuration whose change entails `follow_up`.
    fn files_with(&self, follow_up: FollowUp) -> Vec<&'a str> {
        self.rendered
            .entries
            .iter()
            .filter(|(_, managed)| managed.follow_ups.contains(&follow_up))
            .filter(|(_, managed)| matches!(managed.entry, Entry::File { .. }))
            .map(|(path, _)| path.as_str())
            .collect()
    }

    pub(super) fn checkpoint(&self) -> Script {
        let mut script = Script::new(self.header(Purpose::Checkpoint));
        if !self.plan.paths.is_empty() {
            script.call("checkpoint_paths", &[]);
        }
        for sysctl in &self.plan.sysctls {
            script.call("checkpoint_sysctl", &[&sysctl.key.below_proc_sys()]);
        }
        for module in &self.plan.modules {
            script.call("checkpoint_module", &[module.as_str()]);
        }
        let units: Vec<&str> = self.plan.units.iter().map(|u| u.unit.as_str()).collect();
        script.call_if_any("checkpoint_units", &units);
        if self.needs(FollowUp::Firewall) {
            script.call("checkpoint_firewall", &[FIREWALL_TABLE.0, FIREWALL_TABLE.1]);
        }
        self.call_network(&mut script, "checkpoint_network");
        if self.needs(FollowUp::Udev) {
            script.call("checkpoint_udev", &[]);
        }
        if self.needs(FollowUp::Initramfs) || self.needs(FollowUp::Bootloader) {
            script.call("checkpoint_boot_files", &[]);
        }
        script.call_if_any("checkpoint_holds", &self.packages(PackageAction::Hold));
        self.closure_checkpoint(&mut script);
        script
    }

    pub(super) fn apply(&self) -> Script {
        let mut script = Script::new(self.header(Purpose::Apply));
        let is_apt = |change: &PathChange| change.path.as_str().starts_with("/etc/apt/");
        let is_sysusers = |change: &PathChange| {
            self.entry(change)
                .is_some_and(|e| e.follow_ups.contains(&FollowUp::Sysusers))
        };
        self.place(&mut script, is_apt);
        if !self.archives().is_empty() {
            script.call("take_lists", &[]);
        }
        if !self.installs.is_empty() {
            script.call("allow_seconds", &[&PACKAGES_SECONDS.to_string()]);
            script.call_if_any("allow_removal_of", &self.replaced());
            self.package_files(&mut script);
            script.call("install_packages", &self.install_words());
        }
        script.call_if_any("unhold_packages", &self.packages(PackageAction::Unhold));
        script.call_if_any("hold_packages", &self.packages(PackageAction::Hold));
        self.place(&mut script, |change| !is_apt(change) && is_sysusers(change));
        if self.needs(FollowUp::Sysusers) {
            script.call_if_any("run_sysusers", &self.files_with(FollowUp::Sysusers));
        }
        for unit in &self.plan.units {
            for action in &unit.actions {
                match action {
                    UnitAction::Original => {
                        script.call("stop_unit_as_original", &[unit.unit.as_str()]);
                    }
                    UnitAction::Stop | UnitAction::Disable if self.file_goes(unit) => {
                        script.call(unit_verb(*action), &[unit.unit.as_str()]);
                    }
                    _ => {}
                }
            }
        }
        // Units of the former system read them until the switch.
        let is_read_until_then = |change: &PathChange| {
            self.plan.closure.is_some() && change.after == PathTarget::Original
        };
        self.place(&mut script, |change| {
            !is_apt(change) && !is_sysusers(change) && !is_read_until_then(change)
        });
        if !self.installs.is_empty() {
            script.call("validate_postponed", &[]);
        }
        self.follow_up(&mut script);
        self.place(&mut script, is_read_until_then);
        script
    }

    /// Whether this plan removes the unit's own file.
    fn file_goes(&self, unit: &UnitChange) -> bool {
        self.plan.paths.iter().any(|change| {
            let goes = self
                .entry(change)
                .is_none_or(|managed| managed.entry == Entry::Absent);
            goes && change.path.as_str().strip_prefix("/etc/systemd/system/")
                == Some(unit.unit.as_str())
        })
    }

    /// Puts the chosen paths in place: what comes first, then what goes, deepest first.
    fn place(&self, script: &mut Script, chosen: impl Fn(&PathChange) -> bool) {
        let mut changes: Vec<_> = self
            .plan
            .paths
            .iter()
            .filter(|change| chosen(change))
            .collect();
        if changes.is_empty() {
            return;
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        for change in &changes {
            let path = change.path.as_str();
            match self.entry(change).map(|managed| &managed.entry) {
                Some(Entry::File { ownership, .. }) => {
                    let [mode, owner, group] = words(ownership);
                    script.call("install_file", &[path, &mode, &owner, &group]);
                }
                Some(Entry::Directory { ownership }) => {
                    let [mode, owner, group] = words(ownership);
                    script.call("make_directory", &[path, &mode, &owner, &group]);
                }
                Some(Entry::Symlink { target }) => script.call("make_symlink", &[path, target]),
                Some(Entry::Absent) | None => {}
            }
        }
        for change in changes.iter().rev() {
            match self.entry(change).map(|managed| &managed.entry) {
                Some(Entry::Absent) => script.call("remove_path", &[change.path.as_str()]),
                None => script.call("restore_original", &[change.path.as_str()]),
                Some(_) => {}
            }
        }
        script.call("rename_into_place", &[]);
    }

    fn follow_up(&self, script: &mut Script) {
        if self.needs(FollowUp::Tmpfiles) {
            script.call_if_any("run_tmpfiles", &self.files_with(FollowUp::Tmpfiles));
        }
        for module in &self.plan.modules {
            script.call("load_module", &[module.as_str()]);
        }
        for sysctl in &self.plan.sysctls {
            let key = sysctl.key.below_proc_sys();
            match &sysctl.after {
                Some(value) => script.call("set_sysctl", &[&key, value]),
                None => script.call("restore_original_sysctl", &[&key]),
            }
        }
        if self.needs(FollowUp::Udev) {
            script.call("reload_udev", &[]);
        }
        if self.needs(FollowUp::DaemonReload) {
            script.call("reload_systemd", &[]);
        }
        if self.needs(FollowUp::Firewall) {
            let mut arguments = vec![FIREWALL_TABLE.0, FIREWALL_TABLE.1];
            arguments.extend(self.files_with(FollowUp::Firewall));
            script.call("load_firewall", &arguments);
        }
        self.call_network(script, "apply_network");
        let is_mount = |unit: &&UnitChange| {
            let name = unit.unit.as_str();
            [".mount", ".automount", ".swap"]
                .iter()
                .any(|s| name.ends_with(s))
        };
        for unit in self.plan.units.iter().filter(is_mount) {
            self.unit(script, unit);
        }
        for unit in self.plan.units.iter().filter(|unit| !is_mount(unit)) {
            self.unit(script, unit);
        }
        let boot_files = BOOT_FILES_SECONDS.to_string();
        if self.needs(FollowUp::Initramfs) {
            script.call("allow_seconds", &[&boot_files]);
            script.call("update_initramfs", &[]);
        }
        if self.needs(FollowUp::Bootloader) {
            script.call("allow_seconds", &[&boot_files]);
            script.call("update_bootloader", &[]);
        }
        self.closure_apply(script);
        for reason in &self.plan.reboot {
            let words = printable(&reason.words);
            let path = reason.path.as_ref().map(ManagedPath::as_str);
            let arguments: Vec<&str> = std::iter::once(words.as_str()).chain(path).collect();
            script.call("reboot_needed", &arguments);
        }
    }

    fn unit(&self, script: &mut Script, change: &UnitChange) {
        let unit = change.unit.as_str();
        let seconds = change.start_timeout_seconds.to_string();
        for action in &change.actions {
            match action {
                UnitAction::Original => script.call(unit_verb(*action), &[unit]),
                UnitAction::Stop | UnitAction::Disable if self.file_goes(change) => {}
                UnitAction::Stop | UnitAction::Disable | UnitAction::Enable => {
                    script.call(unit_verb(*action), &[unit]);
                }
                UnitAction::Start | UnitAction::Restart | UnitAction::Reload => {
                    // Beyond the start itself: the ones after it, and the look at all of them.
                    let allowed = change.start_timeout_seconds.saturating_add(60).to_string();
                    script.call("allow_seconds", &[&allowed]);
                    script.call(unit_verb(*action), &[unit, &seconds]);
                }
            }
        }
    }

    pub(super) fn rollback(&self) -> Script {
        let mut script = Script::new(self.header(Purpose::RollBack));
        for unit in self.plan.units.iter().rev() {
            script.call("stop_unit_as_before", &[unit.unit.as_str()]);
        }
        if !self.plan.paths.is_empty() {
            // New paths are removed first, deepest first; then directories are restored before their contents.
            let mut changes: Vec<_> = self.plan.paths.iter().collect();
            changes.sort_by(|a, b| a.path.cmp(&b.path));
            let was_absent =
                |change: &PathChange| change.before == crate::rendered::PathState::Absent;
            for change in changes.iter().rev().filter(|change| was_absent(change)) {
                script.call("restore_path", &[change.path.as_str()]);
            }
            for change in changes.iter().filter(|change| !was_absent(change)) {
                script.call("restore_path", &[change.path.as_str()]);
            }
            script.call("rename_into_place", &[]);
            script.call("remove_made_directories", &[]);
        }
        // Its units start anew, and are to find the links as they were.
        self.closure_rollback(&mut script);
        if !self.archives().is_empty() {
            script.call("drop_lists", &[]);
        }
        let installed: Vec<&str> = self.packages(PackageAction::Install);
        script.call_if_any("report_kept_packages", &installed);
        script.call_if_any("undo_hold", &self.packages(PackageAction::Hold));
        script.call_if_any("undo_unhold", &self.packages(PackageAction::Unhold));
        for sysctl in &self.plan.sysctls {
            script.call("restore_sysctl", &[&sysctl.key.below_proc_sys()]);
        }
        for module in self.plan.modules.iter().rev() {
            script.call("unload_module", &[module.as_str()]);
        }
        if self.needs(FollowUp::Udev) {
            script.call("reload_udev_again", &[]);
        }
        if self.needs(FollowUp::DaemonReload) || !self.plan.units.is_empty() {
            script.call("reload_systemd_again", &[]);
        }
        if self.needs(FollowUp::Firewall) {
            script.call("restore_firewall", &[FIREWALL_TABLE.0, FIREWALL_TABLE.1]);
        }
        self.call_network(&mut script, "restore_network");
        for unit in &self.plan.units {
            let seconds = unit.start_timeout_seconds.to_string();
            script.call("restore_unit_state", &[unit.unit.as_str(), &seconds]);
        }
        if self.needs(FollowUp::Initramfs) {
            script.call("update_initramfs_again", &[]);
        }
        if self.needs(FollowUp::Bootloader) {
            script.call("update_bootloader_again", &[]);
        }
        script
    }

    pub(super) fn commit(&self) -> Script {
        let mut script = Script::new(self.header(Purpose::Commit));
        for change in &self.plan.paths {
            if change.after == PathTarget::Original {
                script.call("forget_original", &[change.path.as_str()]);
            }
        }
        for sysctl in self.plan.sysctls.iter().filter(|s| s.after.is_none()) {
            script.call(
                "forget_original",
                &[&format!("sysctl:{}", sysctl.key.below_proc_sys())],
            );
        }
        for unit in &self.plan.units {
            if unit.actions.contains(&UnitAction::Original) {
                script.call("forget_original", &[&format!("unit:{}", unit.unit)]);
            }
        }
        for name in self.packages(PackageAction::Unhold) {
            script.call("forget_original", &[&format!("hold:{name}")]);
        }
        self.closure_commit(&mut script);
        script
    }
}

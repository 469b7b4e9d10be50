//! The scripts of one plan: straight lines of calls of what `host.sh` defines.

mod closure;
mod network;
mod way_in;
mod words;

use std::fmt::Write as _;

use super::quote::word;
use crate::name::PackageName;
use crate::observed::FIREWALL_TABLE;
use crate::plan::{PackageAction, PathChange, PathTarget, Plan, UnitAction, UnitChange};
use crate::rendered::{Entry, FollowUp, ManagedEntry, Rendered};
pub(super) use closure::kind_word;
pub(super) use words::printable;
use words::{action_word, words};

/// One script, line by line.
#[derive(Default)]
pub(super) struct Script(String);

impl Script {
    fn new(title: &str) -> Self {
        Self(format!("# {title}\n"))
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
    /// How long the host waits for confirm, in seconds.
    window: u32,
}

/// What reads all files of netplan.
const NETPLAN: [&str; 2] = ["netplan", "generate"];
/// Longest time that apt may take before the dead man steps in, in seconds.
const PACKAGES_SECONDS: u32 = 1800;
/// Longest time that `update-initramfs` and `update-grub` may take, in seconds.
const BOOT_FILES_SECONDS: u32 = 300;
/// Longest time that everything else may take, in seconds.
const BASE_SECONDS: u32 = 120;

impl<'a> Scripts<'a> {
    pub(super) fn new(plan: &'a Plan, rendered: &'a Rendered, window: u32) -> Self {
        let installs = plan
            .packages
            .iter()
            .filter(|package| package.action == PackageAction::Install)
            .map(|package| match &package.after {
                Some(version) => format!("{}={version}", package.name),
                None => package.name.to_string(),
            })
            .collect();
        Self {
            plan,
            rendered,
            installs,
            window,
        }
    }

    /// Seconds until the dead man, as first armed. Files alone are placed at once, so then the window for
    /// confirm is enough and need not be set anew.
    pub(super) fn allowance(&self) -> u32 {
        let files_alone = self.installs.is_empty()
            && self.plan.units.is_empty()
            && self.plan.follow_ups.is_empty()
            && self.plan.closure.is_none();
        if files_alone {
            self.window
        } else {
            BASE_SECONDS
        }
    }

    /// Seconds that the dead man may be put off to altogether.
    pub(super) fn cap(&self) -> u32 {
        let mut cap = BASE_SECONDS + self.window;
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
        let parts = network::parts(self.plan, self.rendered);
        script.call_if_any(function, &Vec::from_iter(parts));
    }

    fn install_words(&self) -> Vec<&str> {
        self.installs.iter().map(String::as_str).collect()
    }

    /// Packages that may be removed for what replaces them.
    fn replaced(&self) -> Vec<&'a str> {
        self.plan
            .packages
            .iter()
            .flat_map(|package| package.replaces.iter().map(PackageName::as_str))
            .collect()
    }

    fn packages(&self, action: PackageAction) -> Vec<&'a str> {
        self.plan
            .packages
            .iter()
            .filter(|package| package.action == action)
            .map(|package| package.name.as_str())
            .collect()
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

    pub(super) fn validate(&self) -> Script {
        let mut script = Script::new(
            "before anything is changed: what will be, looked at in a mount namespace of its own",
        );
        let mut validators: Vec<&[String]> = Vec::new();
        for change in &self.plan.paths {
            if let Some(argv) = self.entry(change).and_then(|e| e.validator.as_deref())
                && !argv.is_empty()
                && !validators.contains(&argv)
            {
                validators.push(argv);
            }
        }
        self.closure_validate(&mut script);
        // Whatever of it changes, all of it has to be read, foreign files too.
        let netplan = network::parts(self.plan, self.rendered).contains("netplan")
            && !validators
                .iter()
                .any(|argv| argv.ends_with(&NETPLAN.map(str::to_owned)));
        let ways_in = self.ways_in();
        if validators.is_empty() && ways_in.is_empty() && self.installs.is_empty() && !netplan {
            return script;
        }
        script.call("merge_begin", &[]);
        for (n, change) in self.plan.paths.iter().enumerate() {
            let path = change.path.as_str();
            match self.entry(change).map(|managed| &managed.entry) {
                Some(Entry::File { ownership, .. }) => {
                    let [mode, owner, group] = words(ownership);
                    script.call("merge", &[&n.to_string(), path, &mode, &owner, &group]);
                }
                Some(Entry::Directory { ownership }) => {
                    script.call("merge_directory", &[path, &ownership.mode.to_string()]);
                }
                Some(Entry::Symlink { target }) => script.call("merge_link", &[path, target]),
                Some(Entry::Absent) => script.call("merge_remove", &[path]),
                None => script.call("merge_original", &[path]),
            }
        }
        script.call("merge_end", &[]);
        if !self.installs.is_empty() {
            script.call("packages_come", &[]);
        }
        for argv in validators {
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            script.call("validator", &argv);
        }
        if netplan {
            script.call("validator", &NETPLAN);
        }
        for way_in in ways_in {
            script.call(way_in, &[]);
        }
        script.call_if_any("packages_may_go", &self.replaced());
        script.call_if_any("packages_simulate", &self.install_words());
        script.call_if_any("packages_download", &self.install_words());
        script
    }

    pub(super) fn checkpoint(&self) -> Script {
        let mut script = Script::new("what is there now");
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
        let mut script = Script::new("the changes, in order");
        let is_apt = |change: &PathChange| change.path.as_str().starts_with("/etc/apt/");
        let is_sysusers = |change: &PathChange| {
            self.entry(change)
                .is_some_and(|e| e.follow_ups.contains(&FollowUp::Sysusers))
        };
        self.place(&mut script, is_apt);
        if !self.installs.is_empty() {
            script.call("allow", &[&PACKAGES_SECONDS.to_string()]);
            script.call_if_any("packages_may_go", &self.replaced());
            script.call("packages_install", &self.install_words());
        }
        script.call_if_any("package_unhold", &self.packages(PackageAction::Unhold));
        script.call_if_any("package_hold", &self.packages(PackageAction::Hold));
        self.place(&mut script, |change| !is_apt(change) && is_sysusers(change));
        if self.needs(FollowUp::Sysusers) {
            script.call_if_any("sysusers", &self.files_with(FollowUp::Sysusers));
        }
        for unit in &self.plan.units {
            for action in &unit.actions {
                match action {
                    UnitAction::Original => script.call("unit_release", &[unit.unit.as_str()]),
                    UnitAction::Stop | UnitAction::Disable if self.file_goes(unit) => {
                        script.call("unit", &[action_word(*action), unit.unit.as_str()]);
                    }
                    _ => {}
                }
            }
        }
        self.place(&mut script, |change| {
            !is_apt(change) && !is_sysusers(change)
        });
        if !self.installs.is_empty() {
            script.call("validate_again", &[]);
        }
        self.follow_up(&mut script);
        script
    }

    /// Whether the unit's own file is taken away by this plan.
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
            .enumerate()
            .filter(|(_, change)| chosen(change))
            .collect();
        if changes.is_empty() {
            return;
        }
        changes.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        for (n, change) in &changes {
            let (n, path) = (n.to_string(), change.path.as_str());
            match self.entry(change).map(|managed| &managed.entry) {
                Some(Entry::File { ownership, .. }) => {
                    let [mode, owner, group] = words(ownership);
                    script.call("place", &[&n, path, &mode, &owner, &group]);
                }
                Some(Entry::Directory { ownership }) => {
                    let [mode, owner, group] = words(ownership);
                    script.call("directory", &[path, &mode, &owner, &group]);
                }
                Some(Entry::Symlink { target }) => script.call("link", &[&n, path, target]),
                Some(Entry::Absent) | None => {}
            }
        }
        for (n, change) in changes.iter().rev() {
            match self.entry(change).map(|managed| &managed.entry) {
                Some(Entry::Absent) => script.call("remove", &[change.path.as_str()]),
                None => script.call("original", &[&n.to_string(), change.path.as_str()]),
                Some(_) => {}
            }
        }
        script.call("settle", &[]);
    }

    fn follow_up(&self, script: &mut Script) {
        if self.needs(FollowUp::Tmpfiles) {
            script.call_if_any("tmpfiles", &self.files_with(FollowUp::Tmpfiles));
        }
        for module in &self.plan.modules {
            script.call("module", &[module.as_str()]);
        }
        for sysctl in &self.plan.sysctls {
            let key = sysctl.key.below_proc_sys();
            match &sysctl.after {
                Some(value) => script.call("sysctl_set", &[&key, value]),
                None => script.call("sysctl_original", &[&key]),
            }
        }
        if self.needs(FollowUp::Udev) {
            script.call("udev", &[]);
        }
        if self.needs(FollowUp::DaemonReload) {
            script.call("daemon_reload", &[]);
        }
        if self.needs(FollowUp::Firewall) {
            let mut arguments = vec![FIREWALL_TABLE.0, FIREWALL_TABLE.1];
            arguments.extend(self.files_with(FollowUp::Firewall));
            script.call("firewall", &arguments);
        }
        self.call_network(script, "network");
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
            script.call("allow", &[&boot_files]);
            script.call("initramfs", &[]);
        }
        if self.needs(FollowUp::Bootloader) {
            script.call("allow", &[&boot_files]);
            script.call("bootloader", &[]);
        }
        self.closure_apply(script);
        for reason in &self.plan.reboot {
            script.call("reboot_needed", &[&printable(reason)]);
        }
    }

    fn unit(&self, script: &mut Script, change: &UnitChange) {
        let unit = change.unit.as_str();
        let seconds = change.start_timeout_seconds.to_string();
        for action in &change.actions {
            match action {
                UnitAction::Original => script.call("unit_original", &[unit]),
                UnitAction::Stop | UnitAction::Disable if self.file_goes(change) => {}
                UnitAction::Stop | UnitAction::Disable | UnitAction::Enable => {
                    script.call("unit", &[action_word(*action), unit]);
                }
                UnitAction::Start | UnitAction::Restart | UnitAction::Reload => {
                    // Beyond the start itself: the ones after it, and the look at all of them.
                    let allowed = change.start_timeout_seconds.saturating_add(60).to_string();
                    script.call("allow", &[&allowed]);
                    script.call("unit", &[action_word(*action), unit, &seconds]);
                }
            }
        }
    }

    pub(super) fn rollback(&self) -> Script {
        let mut script = Script::new("everything as the checkpoint says; may be run again");
        self.closure_rollback(&mut script);
        for unit in self.plan.units.iter().rev() {
            script.call("unit_halt", &[unit.unit.as_str()]);
        }
        if !self.plan.paths.is_empty() {
            // What was not there goes first, deepest first; then directories come back before what lies in them.
            let mut changes: Vec<_> = self.plan.paths.iter().enumerate().collect();
            changes.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
            let was_absent =
                |change: &PathChange| change.before == crate::rendered::PathState::Absent;
            for (n, change) in changes.iter().rev().filter(|(_, c)| was_absent(c)) {
                script.call("restore_path", &[&n.to_string(), change.path.as_str()]);
            }
            for (n, change) in changes.iter().filter(|(_, change)| !was_absent(change)) {
                script.call("restore_path", &[&n.to_string(), change.path.as_str()]);
            }
            script.call("settle", &[]);
            script.call("unmake_parents", &[]);
        }
        let installed: Vec<&str> = self.packages(PackageAction::Install);
        script.call_if_any("packages_back", &installed);
        script.call_if_any("hold_back", &self.packages(PackageAction::Hold));
        script.call_if_any("unhold_back", &self.packages(PackageAction::Unhold));
        for sysctl in &self.plan.sysctls {
            script.call("sysctl_back", &[&sysctl.key.below_proc_sys()]);
        }
        for module in self.plan.modules.iter().rev() {
            script.call("module_back", &[module.as_str()]);
        }
        if self.needs(FollowUp::Udev) {
            script.call("udev_back", &[]);
        }
        if self.needs(FollowUp::DaemonReload) || !self.plan.units.is_empty() {
            script.call("daemon_reload_back", &[]);
        }
        if self.needs(FollowUp::Firewall) {
            script.call("firewall_back", &[FIREWALL_TABLE.0, FIREWALL_TABLE.1]);
        }
        self.call_network(&mut script, "network_back");
        for unit in &self.plan.units {
            let seconds = unit.start_timeout_seconds.to_string();
            script.call("unit_back", &[unit.unit.as_str(), &seconds]);
        }
        if self.needs(FollowUp::Initramfs) {
            script.call("initramfs_back", &[]);
        }
        if self.needs(FollowUp::Bootloader) {
            script.call("bootloader_back", &[]);
        }
        script
    }

    pub(super) fn commit(&self) -> Script {
        let mut script =
            Script::new("what went back to what it was before deployctl is no longer kept");
        for change in &self.plan.paths {
            if change.after == PathTarget::Original {
                script.call("forget", &[change.path.as_str()]);
            }
        }
        for sysctl in self.plan.sysctls.iter().filter(|s| s.after.is_none()) {
            script.call(
                "forget",
                &[&format!("sysctl:{}", sysctl.key.below_proc_sys())],
            );
        }
        for unit in &self.plan.units {
            if unit.actions.contains(&UnitAction::Original) {
                script.call("forget", &[&format!("unit:{}", unit.unit)]);
            }
        }
        for name in self.packages(PackageAction::Unhold) {
            script.call("forget", &[&format!("hold:{name}")]);
        }
        self.closure_commit(&mut script);
        script
    }
}

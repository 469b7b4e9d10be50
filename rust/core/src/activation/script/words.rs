//! Values of a plan as words of its scripts.

use std::collections::BTreeSet;

use super::{Script, Scripts};
use crate::name::PackageName;
use crate::plan::{PackageAction, PackageChange, PathChange, Plan, UnitAction, read_anew};
use crate::rendered::{FollowUp, Ownership, Rendered};

pub(super) fn words(ownership: &Ownership) -> [String; 3] {
    [
        ownership.mode.to_string(),
        ownership.owner.to_string(),
        ownership.group.to_string(),
    ]
}

/// What `host.sh` calls it.
pub(super) fn unit_verb(action: UnitAction) -> &'static str {
    match action {
        UnitAction::Enable => "enable_unit",
        UnitAction::Disable => "disable_unit",
        UnitAction::Stop => "stop_unit",
        UnitAction::Start => "start_unit",
        UnitAction::Restart => "restart_unit",
        UnitAction::Reload => "reload_unit",
        UnitAction::Original => "start_unit_as_original",
    }
}

/// `text` in one line.
pub(in crate::activation) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl<'a> Scripts<'a> {
    /// The archives that a plan brings: files of sources that apt is to read anew.
    pub(super) fn archives(&self) -> Vec<&'a str> {
        let lists = read_anew(self.plan, self.rendered).into_iter();
        lists.map(|(path, _)| path.as_str()).collect()
    }
}

/// `NAME` or `NAME=VERSION`.
pub(super) fn install_word(package: &PackageChange) -> String {
    match &package.after {
        Some(version) => format!("{}={version}", package.name),
        None => package.name.to_string(),
    }
}

impl<'a> Scripts<'a> {
    /// Says which packages apt takes from files.
    pub(super) fn package_files(&self, script: &mut Script) {
        for package in &self.plan.packages {
            if let Some(file) = &package.file {
                script.call("take_from_file", &[&install_word(package), file.as_str()]);
            }
        }
    }

    pub(super) fn install_words(&self) -> Vec<&str> {
        self.installs.iter().map(String::as_str).collect()
    }

    /// `NAME` or `NAME=VERSION`, where this apply installs `package`.
    pub(super) fn install_word(&self, package: &PackageName) -> Option<&str> {
        let mut words = self.installs.iter().map(String::as_str);
        words.find(|word| word.split('=').next() == Some(package.as_str()))
    }

    /// Packages that may be removed for what replaces them.
    pub(super) fn replaced(&self) -> Vec<&'a str> {
        self.plan
            .packages
            .iter()
            .flat_map(|package| package.replaces.iter().map(PackageName::as_str))
            .collect()
    }

    pub(super) fn packages(&self, action: PackageAction) -> Vec<&'a str> {
        self.plan
            .packages
            .iter()
            .filter(|package| package.action == action)
            .map(|package| package.name.as_str())
            .collect()
    }
}

/// `netplan` where files of netplan change, `networkd` where its own do, and `any` for what else a module declares to be
/// of the network. Link files are read by udev alone, when a device appears.
pub(super) fn network_programs(plan: &Plan, rendered: &Rendered) -> BTreeSet<&'static str> {
    plan.paths
        .iter()
        .filter_map(|change| network_program(change, rendered))
        .collect()
}

/// The network program that is notified of `change`.
fn network_program(change: &PathChange, rendered: &Rendered) -> Option<&'static str> {
    let path = change.path.as_str();
    if path.starts_with("/etc/netplan/") {
        return Some("netplan");
    }
    if path.starts_with("/etc/systemd/network/") {
        let link = path
            .rsplit_once('.')
            .is_some_and(|(_, ending)| ending == "link");
        return (!link).then_some("networkd");
    }
    rendered
        .entries
        .get(&change.path)?
        .follow_ups
        .contains(&FollowUp::Network)
        .then_some("any")
}

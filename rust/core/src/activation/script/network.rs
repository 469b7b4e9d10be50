//! Which network programs are notified of a change.

use std::collections::BTreeSet;

use crate::plan::{PathChange, Plan};
use crate::rendered::{FollowUp, Rendered};

/// `netplan` where files of netplan change, `networkd` where its own do, and `any` for what else a module declares to be
/// of the network. Link files are read by udev alone, when a device appears.
pub(super) fn parts(plan: &Plan, rendered: &Rendered) -> BTreeSet<&'static str> {
    plan.paths
        .iter()
        .filter_map(|change| part(change, rendered))
        .collect()
}

fn part(change: &PathChange, rendered: &Rendered) -> Option<&'static str> {
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

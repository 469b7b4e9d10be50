//! Which checks a run makes, of which hosts and links, and which there are beside them.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_checks::link::{self, LinkCheck};
use deployctl_checks::{Check, Chosen, LeftOut, Offered, Selection};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_report::HostReport;

use super::super::desired::Desires;
use super::super::rollout;
use crate::failure::Failure;

/// What stands before the ids of checks between hosts where those of hosts are, too.
pub(super) const LINK_PREFIX: &str = "link/";

/// What a host is asked, or how it ended before.
pub(super) type Asked = Result<Vec<Check>, Box<HostReport>>;

/// The checks of one run.
#[derive(Debug)]
pub(super) struct Scope {
    /// By host, in the inventory's order.
    pub(super) hosts: Vec<(HostName, Asked)>,
    /// Between hosts of which one at least is selected.
    pub(super) links: Vec<LinkCheck>,
    /// Hosts of whose own checks none is selected: there is nothing to tell of them.
    pub(super) idle: Vec<HostName>,
    /// Who answers which check of a link.
    pub(super) askers: BTreeMap<String, HostName>,
    /// Every check there is of a host, selected or not, as it is called in what was accepted of it. Only of
    /// hosts of which all are made.
    pub(super) declared: BTreeMap<HostName, BTreeSet<String>>,
    /// Checks that are not made.
    pub(super) left_out: LeftOut,
    /// What else the user should know of it, a line each.
    pub(super) notes: Vec<String>,
}

impl Scope {
    /// Makes all checks of `hosts`, and takes what is selected.
    pub(super) fn new(
        inventory: &Inventory,
        hosts: &[HostName],
        wanted: &Desires,
        selection: &Selection,
        with_links: bool,
    ) -> Result<Self, Failure> {
        let mut offered = Offered::default();
        let mut ended = Vec::new();
        let all_links = link::checks(inventory);
        let mut declared = BTreeMap::new();
        for (host, desired) in wanted {
            let desired = match desired {
                Ok(desired) => desired,
                Err(report) => {
                    ended.push((host.clone(), Err(report.clone())));
                    continue;
                }
            };
            let checks = rollout::checks(inventory, &desired.rendered);
            // A system that was never evaluated has checks that nobody knows.
            let facts = inventory.host(host);
            let known = desired.rendered.closure.is_some()
                || facts.is_some_and(|facts| {
                    facts.platform == deployctl_core::inventory::Platform::Ubuntu
                });
            if selection.is_whole() && known {
                let own = checks.iter().map(|check| check.id.clone());
                let between = all_links.iter().filter(|link| link.from == *host);
                let between = between.map(|link| format!("{LINK_PREFIX}{}", link.check.id));
                declared.insert(host.clone(), own.chain(between).collect());
            }
            offered.hosts.push((host.clone(), checks));
        }
        if with_links {
            let selected = |host: &HostName| hosts.contains(host);
            offered.links = all_links;
            offered
                .links
                .retain(|link| selected(&link.from) || selected(&link.peer));
        }
        let Chosen {
            hosts: chosen,
            links,
            idle,
            left_out,
            added,
        } = selection.choose(offered)?;
        let mut notes = Vec::new();
        if !added.is_empty() {
            let added: Vec<&str> = added.iter().map(String::as_str).collect();
            notes.push(format!(
                "asked, too, since others need it: {}",
                added.join(", ")
            ));
        }
        let with_checks = chosen.into_iter().map(|(host, checks)| (host, Ok(checks)));
        let without = idle.iter().map(|host| (host.clone(), Ok(Vec::new())));
        let mut all: Vec<_> = with_checks.chain(without).chain(ended).collect();
        all.sort_by_key(|(host, _)| hosts.iter().position(|known| known == host));
        let askers = links
            .iter()
            .map(|link| (link.check.id.clone(), link.from.clone()))
            .collect();
        Ok(Self {
            hosts: all,
            links,
            idle,
            askers,
            declared,
            left_out,
            notes,
        })
    }
}

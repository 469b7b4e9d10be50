//! Which checks a run makes, of which hosts and links.

use deployctl_core::check::link::{self, LinkCheck};
use deployctl_core::check::{Check, Chosen, LeftOut, Offered, Selection};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_core::report::HostReport;

use super::super::desired::Desires;
use super::super::rollout;
use crate::failure::Failure;

/// The checks of one run.
#[derive(Debug)]
pub(super) struct Scope {
    /// By host, in the inventory's order; or how the host ended before anybody asked it.
    pub(super) hosts: Vec<(HostName, Result<Vec<Check>, Box<HostReport>>)>,
    /// Between those hosts.
    pub(super) links: Vec<LinkCheck>,
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
        desires: &Desires,
        selection: &Selection,
        links: bool,
    ) -> Result<Self, Failure> {
        let mut offered = Offered::default();
        let mut ended = Vec::new();
        for (host, desired) in desires {
            match desired {
                Ok(desired) => {
                    let checks = rollout::checks(inventory, &desired.rendered);
                    offered.hosts.push((host.clone(), checks));
                }
                Err(report) => ended.push((host.clone(), Err(report.clone()))),
            }
        }
        let mut notes = Vec::new();
        if links {
            let askable = |host: &HostName| offered.hosts.iter().any(|(name, _)| name == host);
            let (within, without): (Vec<_>, Vec<_>) = link::checks(inventory)
                .into_iter()
                .filter(|link| hosts.contains(&link.from) || hosts.contains(&link.peer))
                .partition(|link| askable(&link.from) && askable(&link.peer));
            notes.extend(missing(&without, askable));
            offered.links = within;
        }
        let Chosen {
            hosts: chosen,
            links,
            idle,
            left_out,
            added,
        } = selection.choose(offered)?;
        if !added.is_empty() {
            let added: Vec<&str> = added.iter().map(String::as_str).collect();
            notes.push(format!(
                "asked, too, since others need it: {}",
                added.join(", ")
            ));
        }
        // Whose links alone are checked is not asked anything itself.
        if !idle.is_empty() {
            let idle: Vec<&str> = idle.iter().map(HostName::as_str).collect();
            notes.push(format!(
                "none of its own checks is selected: {}",
                idle.join(", ")
            ));
        }
        let mut all: Vec<_> = chosen
            .into_iter()
            .map(|(host, checks)| (host, Ok(checks)))
            .collect();
        all.extend(ended);
        all.sort_by_key(|(host, _)| hosts.iter().position(|known| known == host));
        Ok(Self {
            hosts: all,
            links,
            left_out,
            notes,
        })
    }
}

/// Links that end at a host which is not asked.
fn missing(links: &[LinkCheck], askable: impl Fn(&HostName) -> bool) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for link in links {
        let absent = if askable(&link.from) {
            &link.peer
        } else {
            &link.from
        };
        let line = format!("link {} is not checked: {absent} is not asked", link.link);
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

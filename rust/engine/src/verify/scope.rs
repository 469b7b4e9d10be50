//! Which checks a run makes, of which hosts and links, and which there are beside them.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_checks::accepted::LINK_PREFIX;
use deployctl_checks::link::{self, LinkCheck};
use deployctl_checks::{
    Check, Chosen, Declared, LeftOut, Offered, Selection, SelectionError, checks,
};
use deployctl_core::inventory::{Inventory, Platform};
use deployctl_core::name::HostName;
use deployctl_core::plan::BlackoutWindow;
use deployctl_core::rendered::Rendered;
use deployctl_report::{HostReport, Outcome, Report};

use super::{HostWork, Work};

/// What one run of `verify` makes, and what its results cover.
#[derive(Debug)]
pub struct Scope {
    /// What is asked.
    pub work: Work,
    /// What its results cover.
    pub coverage: Coverage,
}

/// What the results of one run cover.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// Hosts none of whose own checks is selected: there is nothing to report of them.
    pub idle: Vec<HostName>,
    /// Who answers which check of a link.
    pub askers: BTreeMap<String, HostName>,
    /// Every check there is of a host, selected or not, as the accepted state of the host names it. Only of hosts
    /// all of whose checks are known.
    pub declared: BTreeMap<HostName, BTreeSet<String>>,
    /// Checks that are not made.
    pub left_out: LeftOut,
    /// Checks that nobody selected, and that are made because selected ones need them.
    pub added: BTreeSet<String>,
}

impl Coverage {
    /// Removes the hosts that were only connected to for a link, and came to no bad end.
    pub fn drop_idle(&self, report: &mut Report) {
        report
            .hosts
            .retain(|host| !self.idle.contains(&host.host) || host.outcome != Outcome::Verified);
    }
}

/// What a selected host holds, or how it ended before it was asked.
pub type Held<'a> = (&'a HostName, Result<&'a Rendered, &'a HostReport>);

impl Scope {
    /// Makes all checks of the selected `hosts`, and takes those that are selected. `held` is in the order of `hosts`.
    ///
    /// # Errors
    /// Where `selection` names what none of the checks is.
    ///
    /// # Panics
    /// Where a host is not in the inventory.
    pub fn new<'a>(
        inventory: &Inventory,
        hosts: &[HostName],
        held: impl IntoIterator<Item = Held<'a>>,
        selection: &Selection,
        with_links: bool,
    ) -> Result<Self, SelectionError> {
        let mut offered = Offered::default();
        let mut ended = Vec::new();
        let all_links = link::checks(inventory);
        let mut declared = BTreeMap::new();
        for (host, rendered) in held {
            let rendered = match rendered {
                Ok(rendered) => rendered,
                Err(report) => {
                    ended.push((host.clone(), Err(Box::new(report.clone()))));
                    continue;
                }
            };
            let checks = of_host(inventory, rendered);
            if selection.is_whole() && is_known(inventory, rendered) {
                declared.insert(host.clone(), names(host, &checks, &all_links));
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
        let with_checks = chosen.into_iter().map(|(host, checks)| (host, Ok(checks)));
        let without = idle.iter().map(|host| (host.clone(), Ok(Vec::new())));
        let mut all: Vec<_> = with_checks.chain(without).chain(ended).collect();
        all.sort_by_key(|(host, _)| hosts.iter().position(|known| known == host));
        let askers = links
            .iter()
            .map(|link| (link.check.id.clone(), link.from.clone()))
            .collect();
        Ok(Self {
            work: work(inventory, all, links),
            coverage: Coverage {
                idle,
                askers,
                declared,
                left_out,
                added,
            },
        })
    }
}

/// All checks that `rendered` and its host's facts make.
fn of_host(inventory: &Inventory, rendered: &Rendered) -> Vec<Check> {
    checks(&Declared {
        host: inventory.host(&rendered.host).expect("rendered from it"),
        cluster: inventory.cluster(),
        rendered,
        failed_before: &BTreeSet::new(),
    })
}

/// Whether all checks of the host are known: a system that was never evaluated has some that are not.
fn is_known(inventory: &Inventory, rendered: &Rendered) -> bool {
    let facts = inventory.host(&rendered.host);
    rendered.closure.is_some() || facts.is_some_and(|facts| facts.platform == Platform::Ubuntu)
}

/// The checks that `host` answers, as its accepted state names them.
fn names(host: &HostName, checks: &[Check], links: &[LinkCheck]) -> BTreeSet<String> {
    let own = checks.iter().map(|check| check.id.clone());
    let between = links.iter().filter(|link| link.from == *host);
    let between = between.map(|link| format!("{LINK_PREFIX}{}", link.check.id));
    own.chain(between).collect()
}

type Asked = (HostName, Result<Vec<Check>, Box<HostReport>>);

fn work(inventory: &Inventory, hosts: Vec<Asked>, links: Vec<LinkCheck>) -> Work {
    let hosts = hosts.into_iter().map(|(host, checks)| {
        let facts = inventory.host(&host).expect("selected from it");
        let work = checks.map(|checks| HostWork {
            architecture: facts.architecture,
            checks,
        });
        (host, work)
    });
    let sessions = inventory.hosts().iter();
    let sessions = sessions.map(|(name, host)| (name.clone(), BlackoutWindow::all_of(host)));
    Work {
        hosts: hosts.collect(),
        links,
        sessions: sessions.collect(),
    }
}

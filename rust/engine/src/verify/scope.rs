//! Decides which checks a run makes on each host and link, and counts the others.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_checks::accepted::LINK_PREFIX;
use deployctl_checks::link::{self, LinkCheck};
use deployctl_checks::{
    Check, Chosen, Declared, LeftOut, Offered, Selection, SelectionError, checks,
};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_core::plan::BlackoutWindow;
use deployctl_core::rendered::Rendered;
use deployctl_report::{HostReport, Outcome, Report};

use super::{HostWork, Work};

/// The checks of one run of `verify`, and what its results cover.
#[derive(Debug)]
pub struct VerifyScope {
    /// The checks to make.
    pub work: Work,
    /// What its results cover.
    pub coverage: Coverage,
}

/// What the results of one run cover.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// Hosts without a selected check of their own: the report omits them.
    pub idle: Vec<HostName>,
    /// The host that answers each check of a link.
    pub askers: BTreeMap<String, HostName>,
    /// All checks of a host, selected or not, as the host's accepted state names them. Only for hosts whose
    /// checks are all known.
    pub declared: BTreeMap<HostName, BTreeSet<String>>,
    /// Checks that are left out.
    pub left_out: LeftOut,
    /// Checks that are made only because selected ones need them.
    pub added: BTreeSet<String>,
}

impl Coverage {
    /// Removes hosts without an error that were connected to only for a link.
    pub fn drop_idle(&self, report: &mut Report) {
        report
            .hosts
            .retain(|host| !self.idle.contains(&host.host) || host.outcome != Outcome::Verified);
    }
}

/// The checks of a selected host, or its outcome before it was asked.
pub type Held<'a> = (&'a HostName, Result<&'a Rendered, &'a HostReport>);

impl VerifyScope {
    /// Builds all checks of the selected `hosts`, and keeps those that are selected. `held` is in the order of `hosts`.
    ///
    /// # Errors
    /// If `selection` names something that matches no check.
    ///
    /// # Panics
    /// If a host is not in the inventory.
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

/// All checks that follow from `rendered` and the host's facts.
fn of_host(inventory: &Inventory, rendered: &Rendered) -> Vec<Check> {
    checks(&Declared {
        host: inventory.host(&rendered.host).expect("rendered from it"),
        concerns: inventory.concerns(),
        cluster: inventory.cluster(),
        rendered,
        failed_before: &BTreeSet::new(),
    })
}

/// Whether all checks of the host are known: a system that was never evaluated has some that are not.
fn is_known(inventory: &Inventory, rendered: &Rendered) -> bool {
    let facts = inventory.host(&rendered.host);
    rendered.closure.is_some() || facts.is_some_and(|facts| !facts.platform.runs_closure())
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

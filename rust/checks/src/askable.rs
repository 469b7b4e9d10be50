//! Whether the checks of every folder can be made of every host that declares it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;

use deployctl_core::concern::{Concern, NoValue, Origin};
use deployctl_core::errors::{Errors, Hinted};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_core::rendered::Rendered;

use crate::{Declared, folder};

/// An expression of a `checks.toml` that has no value for some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unaskable {
    fault: NoValue,
    hosts: Vec<HostName>,
}

/// Most hosts that are named.
const NAMED: usize = 3;

impl fmt::Display for Unaskable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|it| format!("`{it}`")).collect();
        let named = hosts.len().min(NAMED);
        write!(f, "{}: {}, ", self.fault.place, self.fault.problem)?;
        write!(f, "with the facts of {}", hosts[..named].join(", "))?;
        match hosts.len() - named {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl std::error::Error for Unaskable {}

impl Hinted for Unaskable {
    fn hint(&self) -> Option<&str> {
        Some(if self.fault.is_undefined() {
            "a fact that may be missing is asked for by `when`, or has a `default`"
        } else {
            "correct the expression: it must have a value for every host that declares the concern"
        })
    }
}

/// Which folders are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderScope {
    /// All.
    All,
    /// Those of the repository: the ones of the program are sound, and there may be a thousand hosts.
    Own,
}

/// Makes the checks of folders for those of `hosts` that declare them: an expression that a host's facts break
/// would otherwise be found when the host has been changed.
///
/// # Errors
/// Every expression without a value, with its place and the hosts.
///
/// # Panics
/// If a host is not in the inventory.
pub fn askable<'a>(
    inventory: &Inventory,
    hosts: impl IntoIterator<Item = &'a HostName>,
    scope: FolderScope,
) -> Result<(), Errors<Unaskable>> {
    let hosts: Vec<&HostName> = hosts.into_iter().collect();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let share = hosts.len().div_ceil(processors).max(1);
    let mut faults: BTreeMap<(String, String), Unaskable> = BTreeMap::new();
    thread::scope(|threads| {
        let of_each = |hosts| move || of_hosts(inventory, hosts, scope);
        let workers = hosts.chunks(share).map(|it| threads.spawn(of_each(it)));
        for worker in workers.collect::<Vec<_>>() {
            let found = worker.join();
            for (host, fault) in found.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                let key = (fault.place.clone(), fault.problem.clone());
                let hosts = Vec::new();
                let unaskable = faults.entry(key).or_insert(Unaskable { fault, hosts });
                unaskable.hosts.push(host.clone());
            }
        }
    });
    Errors::check(faults.into_values().collect(), |it| {
        let (file, line) = it.fault.place.rsplit_once(':').unwrap_or_default();
        (file.to_owned(), line.parse::<usize>().unwrap_or_default())
    })
}

fn of_hosts<'a>(
    inventory: &Inventory,
    hosts: &[&'a HostName],
    scope: FolderScope,
) -> Vec<(&'a HostName, NoValue)> {
    let mut all = Vec::new();
    for name in hosts.iter().copied() {
        let rendered = Rendered::empty(name.clone());
        let declared = Declared {
            host: inventory.host(name).expect("selected from it"),
            concerns: inventory.concerns(),
            cluster: inventory.cluster(),
            rendered: &rendered,
            failed_before: &BTreeSet::new(),
        };
        let facts = folder::facts(declared.host);
        let concerns = inventory.concerns().iter();
        let is_tried = |it: &&Concern| scope == FolderScope::All || it.origin != Origin::BuiltIn;
        for concern in concerns.filter(is_tried) {
            let faults = folder::made(&facts, concern, &declared).faults;
            all.extend(faults.into_iter().map(|fault| (name, fault)));
        }
    }
    all
}

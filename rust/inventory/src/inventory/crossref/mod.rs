//! What the schema cannot see: facts that have to fit other facts.

mod addresses;
mod extra;
mod groups;
mod host;
mod links;
mod owners;
mod platform;
mod reach;
mod secrets;
mod served;
mod services;
mod way_in;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Serde;
use serde_json::Value;

use super::cluster::Cluster;
use super::error::Findings;
use super::host::Host;
use super::path::FactPath;
use crate::concern::{Concerns, Scope};
use crate::name::HostName;

/// A host as far as it could be read.
#[derive(Debug)]
pub(super) struct SoundHost {
    /// Its facts, without the broken concerns.
    pub(super) host: Host,
    /// Concerns that something is wrong with: declared, but not here. Nothing may be concluded from
    /// their absence.
    pub(super) broken: BTreeSet<String>,
}

/// What is held against each other.
pub(super) struct Facts<'a> {
    /// The cluster, unless something is wrong with it.
    pub(super) cluster: Option<&'a Cluster>,
    /// The hosts that could be read.
    pub(super) hosts: &'a BTreeMap<HostName, SoundHost>,
    /// The names of all hosts.
    pub(super) names: &'a BTreeSet<String>,
    /// Everything as it was written.
    pub(super) raw: &'a Value,
    /// What hosts can declare.
    pub(super) concerns: &'a Concerns,
}

impl Facts<'_> {
    fn host_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// Runs all cross-references.
pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    links::check(facts, findings);
    addresses::check(facts, findings);
    way_in::check(facts, findings);
    reach::check(facts, findings);
    check_rules(facts, findings);
    secrets::check_readers(facts, findings);
    for (name, sound) in facts.hosts {
        platform::check(name, sound, facts.concerns, findings);
        reach::check_mdns(name, &sound.host, findings);
        host::check_cpu(name, &sound.host, findings);
        owners::check_kernel(name, &sound.host, facts.concerns, findings);
        groups::check(name, sound, facts, findings);
        secrets::check(name, sound, facts, findings);
        services::check(name, sound, findings);
        host::check_blackout(name, &sound.host, facts.concerns, findings);
        served::check(name, sound, facts.concerns, findings);
        owners::check_packages(name, &sound.host, facts.concerns, findings);
        extra::check(name, &sound.host, findings);
        host::check_image(name, &sound.host, findings);
    }
}

/// The rules that concerns bring along: expressions over facts.
fn check_rules(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let with_rules = facts
        .concerns
        .iter()
        .filter(|concern| !concern.rules.is_empty());
    let with_rules: Vec<_> = with_rules.collect();
    if with_rules.is_empty() {
        return;
    }
    let hosts = minijinja::Value::from(Serde(&facts.raw["hosts"]));
    let cluster = minijinja::Value::from(Serde(&facts.raw["cluster"]));
    for (name, sound) in facts.hosts {
        let declared = with_rules
            .iter()
            .filter(|concern| concern.is_declared(&sound.host));
        let scope = Scope::from(
            [
                ("host", minijinja::Value::from(Serde(&sound.host.facts))),
                ("hosts", hosts.clone()),
                ("cluster", cluster.clone()),
                ("name", name.as_str().into()),
            ]
            .map(|(root, value)| (root.to_owned(), value)),
        );
        for rule in declared.flat_map(|concern| &concern.rules) {
            if sound.broken.iter().any(|broken| rule.reads(broken)) {
                continue;
            }
            for objection in rule.judge(&scope) {
                let blamed = FactPath::host(name).below(&objection.blamed);
                findings.push(blamed, objection.problem, objection.hint);
            }
        }
    }
}

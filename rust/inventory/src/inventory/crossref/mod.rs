//! What the schema cannot see: facts that have to fit other facts.

mod addresses;
mod blackout;
mod cpus;
mod darwin;
mod extra;
mod groups;
mod image;
mod kernel;
mod links;
mod mdns;
mod packages;
mod platform;
mod reach;
mod rules;
mod secrets;
mod served;
mod services;
mod way_in;

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use super::error::Findings;
use super::host::Host;
use crate::concern::Concerns;
use crate::name::HostName;
use serde_json::Value;

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
    rules::check(facts, findings);
    secrets::check_readers(facts, findings);
    for (name, sound) in facts.hosts {
        platform::check(name, sound, facts.concerns, findings);
        mdns::check(name, &sound.host, findings);
        cpus::check(name, &sound.host, findings);
        kernel::check(name, &sound.host, facts.concerns, findings);
        groups::check(name, sound, facts, findings);
        secrets::check(name, sound, facts, findings);
        services::check(name, sound, findings);
        blackout::check(name, &sound.host, facts.concerns, findings);
        served::check(name, sound, facts.concerns, findings);
        packages::check(name, &sound.host, facts.concerns, findings);
        extra::check(name, &sound.host, findings);
        image::check(name, &sound.host, findings);
    }
}

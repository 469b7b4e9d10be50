//! Services: sockets and addresses that something of this host serves, rules that can match.

use std::collections::{BTreeMap, BTreeSet};

use super::{SoundHost, addresses};
use crate::inventory::error::Findings;
use crate::inventory::firewall::Ports;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::inventory::suggest;
use crate::name::HostName;

pub(super) fn check(name: &HostName, sound: &SoundHost, findings: &mut Findings<'_>) {
    let host = &sound.host;
    let at = FactPath::host(name);
    check_firewall(&at, host, findings);
    check_mounts(&at, host, findings);
}

fn check_firewall(at: &FactPath, host: &Host, findings: &mut Findings<'_>) {
    let Some(firewall) = &host.firewall else {
        return;
    };
    let declared: Vec<&str> = host
        .network
        .iter()
        .flat_map(|network| network.interfaces.keys())
        .map(AsRef::as_ref)
        .collect();
    let mut names = BTreeSet::new();
    for (index, service) in firewall.services.iter().enumerate() {
        let path = at.clone().keys("firewall.services").index(index);
        if !names.insert(&service.name) {
            findings.add(
                path.clone().key("name"),
                format!("is `{}`, as of another service", service.name),
            );
        }
        check_ports(&path.clone().key("ports"), &service.ports, findings);
        addresses::check_networks(&path.clone().key("from"), &service.from, findings);
        for (i, interface) in service.interfaces.iter().enumerate() {
            // Interfaces of others (eth0) may be named; a slip of one of ours is a slip.
            let word = interface.as_str();
            if !declared.contains(&word)
                && let Some(near) = suggest::nearest(word, declared.iter().copied())
            {
                findings.add_with_hint(
                    path.clone().key("interfaces").index(i),
                    format!("is `{word}`, which this host does not declare"),
                    format!("did you mean `{near}`?"),
                );
            }
        }
    }
    let mut names = BTreeSet::new();
    for (index, egress) in firewall.egress.iter().enumerate() {
        let path = at.clone().keys("firewall.egress").index(index);
        if !names.insert(&egress.name) {
            findings.add(
                path.clone().key("name"),
                format!("is `{}`, as of another rule", egress.name),
            );
        }
        check_ports(&path.clone().key("ports"), &egress.ports, findings);
        addresses::check_networks(&path.key("to"), &egress.to, findings);
    }
}

/// Ranges begin with their first port, and name none that the others name: nftables takes no such set.
fn check_ports(at: &FactPath, ports: &BTreeSet<Ports>, findings: &mut Findings<'_>) {
    for range in ports.iter().filter(|it| matches!(it, Ports::Range(_))) {
        let (first, last) = range.ends();
        if first >= last {
            findings.add_with_hint(
                at.clone(),
                format!("has `{range}`, whose first port is not the smaller one"),
                "the smaller port comes first; a single one is a number",
            );
        }
    }
    let mut spans: Vec<&Ports> = ports.iter().collect();
    spans.retain(|it| it.ends().0 <= it.ends().1);
    spans.sort_unstable_by_key(|it| it.ends());
    for pair in spans.windows(2) {
        if pair[0].ends().1 >= pair[1].ends().0 {
            findings.add(
                at.clone(),
                format!("has {} and {}, which overlap", pair[0], pair[1]),
            );
        }
    }
}

fn check_mounts(at: &FactPath, host: &Host, findings: &mut Findings<'_>) {
    let Some(storage) = &host.storage else {
        return;
    };
    let mut sources: BTreeMap<&str, &str> = BTreeMap::new();
    for (point, mount) in &storage.mounts {
        let path = at.clone().keys("storage.mounts").key(point);
        if let Some(other) = sources.insert(mount.source.as_str(), point.as_str()) {
            findings.add(
                path.key("source"),
                format!("is `{}`, as of `{other}`", mount.source),
            );
        }
    }
    for point in storage.min_free_gib.keys() {
        let known =
            point.as_str() == "/" || storage.mounts.keys().any(|m| m.as_str() == point.as_str());
        if !known
            && let Some(near) =
                suggest::nearest(point.as_str(), storage.mounts.keys().map(AsRef::as_ref))
        {
            findings.add_with_hint(
                at.clone().keys("storage.min_free_gib").key(point),
                "is not mounted by this host",
                format!("did you mean `{near}`?"),
            );
        }
    }
}

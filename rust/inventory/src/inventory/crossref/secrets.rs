//! Secrets are for hosts that exist, and what names a secret names one that the host has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Facts, SoundHost};
use crate::inventory::error::Findings;
use crate::inventory::path::FactPath;
use crate::inventory::suggest;
use crate::name::HostName;

/// Looks at `for` of every secret.
pub(super) fn check_readers(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let secrets = facts.cluster.iter().filter_map(|it| it.secrets.as_ref());
    for (name, secret) in secrets.flatten() {
        for host in &secret.hosts {
            if !facts.names.contains(host.as_str()) {
                let path = FactPath::default().key("cluster").key("secrets");
                findings.push(
                    path.key(name.as_str()).key("for"),
                    format!("names `{host}`, and there is no such host"),
                    suggest::hint(host.as_str(), "hosts", facts.host_names()),
                );
            }
        }
    }
}

/// Looks at the facts of a host that name a secret. Where the cluster declares none, all are put there by hand.
pub(super) fn check(
    name: &HostName,
    sound: &SoundHost,
    facts: &Facts<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(secrets) = facts.cluster.and_then(|it| it.secrets.as_ref()) else {
        return;
    };
    let own = secrets
        .iter()
        .filter(|(_, secret)| secret.hosts.contains(name));
    let own: BTreeSet<&str> = own.map(|(secret, _)| secret.as_str()).collect();
    let host = &sound.host;
    for concern in facts.concerns.iter().filter(|it| it.is_declared(host)) {
        for path in &concern.manifest.names_secrets {
            let concern = concern.name.as_str();
            let root = host.fact(concern).into_iter();
            let steps: Vec<&str> = path.split('.').collect();
            let named = root.flat_map(|facts| texts(facts, &steps, FactPath::default()));
            for (below, secret) in named.filter(|(_, secret)| !own.contains(secret)) {
                findings.push(
                    FactPath::host(name).key(concern).below(&below),
                    format!("is `{secret}`, and no secret of that name is for this host"),
                    suggest::hint(secret, "secrets of this host", own.iter().copied()).or_else(|| {
                        Some(format!(
                            "declare it in hosts/cluster.nix: `secrets.{secret}.for = [ \"{name}\" ];`"
                        ))
                    }),
                );
            }
        }
    }
}

/// The texts below `facts` at the end of `steps`, each with its path; `*` is every entry of an attribute set.
fn texts<'a>(facts: &'a Value, steps: &[&str], at: FactPath) -> Vec<(FactPath, &'a str)> {
    let Some((step, rest)) = steps.split_first() else {
        return facts.as_str().map(|text| (at, text)).into_iter().collect();
    };
    let entries = facts.as_object().into_iter().flatten();
    entries
        .filter(|(key, _)| *step == "*" || step == key)
        .flat_map(|(key, entry)| texts(entry, rest, at.clone().key(key)))
        .collect()
}

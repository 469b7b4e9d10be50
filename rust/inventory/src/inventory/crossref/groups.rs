//! Groups that are given rights have to exist.

use std::collections::BTreeSet;

use super::{Facts, SoundHost};
use crate::concern::Manifest;
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::inventory::suggest;
use crate::name::{AccountName, HostName};

pub(super) fn check(
    name: &HostName,
    sound: &SoundHost,
    facts: &Facts<'_>,
    findings: &mut Findings<'_>,
) {
    // A broken concern, or cluster, may be the one that makes the group.
    if !sound.broken.is_empty() || facts.cluster.is_none() {
        return;
    }
    let host = &sound.host;
    let mut made = accounts(host, facts);
    made.extend(groups(host, facts, |it| &it.makes_groups).map(|(_, group)| group));
    for (path, group) in groups(host, facts, |it| &it.needs_groups) {
        if !made.contains(group) {
            findings.push(
                FactPath::host(name).join(&path),
                format!("is `{group}`, which no concern of this host creates"),
                suggest::hint(group, "created here", made.iter().copied()),
            );
        }
    }
}

/// The groups of accounts, and those that users of the host are in.
fn accounts<'a>(host: &'a Host, facts: &Facts<'a>) -> BTreeSet<&'a str> {
    let operators = facts.cluster.into_iter().flat_map(|it| it.operators.keys());
    let users = host.system.iter().filter_map(|it| it.users.as_ref());
    let own = users.flatten().flat_map(|(name, user)| {
        let others = user.groups.iter();
        std::iter::once(name).chain(others)
    });
    let named = operators.chain(own).map(AccountName::as_str);
    named.chain(["root"]).collect()
}

/// The groups at the paths that each declared concern names, with their paths.
fn groups<'a>(
    host: &'a Host,
    facts: &Facts<'a>,
    paths: fn(&Manifest) -> &Vec<String>,
) -> impl Iterator<Item = (String, &'a str)> {
    let declared = facts.concerns.iter().filter(|it| it.is_declared(host));
    declared.flat_map(move |concern| {
        let paths = paths(&concern.manifest).iter();
        paths.filter_map(move |path| {
            let path = format!("{}.{path}", concern.name);
            let group = host.fact(&path)?.as_str()?;
            Some((path, group))
        })
    })
}

//! Groups that are given rights have to exist.

use std::collections::BTreeSet;

use super::{Facts, SoundHost};
use crate::concern::{Concern, Manifest};
use crate::inventory::error::Findings;
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
    let mut made: BTreeSet<&str> = BTreeSet::from(["root"]);
    made.extend(
        facts
            .cluster
            .iter()
            .flat_map(|c| c.operators.keys())
            .map(AccountName::as_str),
    );
    if let Some(users) = host
        .system
        .as_ref()
        .and_then(|system| system.users.as_ref())
    {
        made.extend(users.keys().map(AccountName::as_str));
        made.extend(
            users
                .values()
                .flat_map(|u| &u.groups)
                .map(AccountName::as_str),
        );
    }
    let declared: Vec<&Concern> = facts
        .concerns
        .iter()
        .filter(|it| it.is_declared(host))
        .collect();
    let groups = |paths: fn(&Manifest) -> &Vec<String>| {
        declared.iter().flat_map(move |concern| {
            let full = |path: &String| format!("{}.{path}", concern.name);
            paths(&concern.manifest)
                .iter()
                .map(full)
                .filter_map(|path| {
                    let group = host.fact(&path)?.as_str()?;
                    Some((path, group))
                })
        })
    };
    made.extend(groups(|it| &it.makes_groups).map(|(_, group)| group));
    let asked = groups(|it| &it.needs_groups);
    for (path, group) in asked {
        if !made.contains(group) {
            findings.push(
                FactPath::host(name).join(&path),
                format!("is `{group}`, which no concern of this host creates"),
                suggest::hint(group, "created here", made.iter().copied()),
            );
        }
    }
}

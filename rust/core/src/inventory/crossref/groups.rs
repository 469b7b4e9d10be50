//! Groups that are given rights have to exist.

use std::collections::BTreeSet;

use super::SoundHost;
use crate::inventory::cluster::Cluster;
use crate::inventory::error::Findings;
use crate::inventory::path::FactPath;
use crate::inventory::suggest;
use crate::name::{AccountName, HostName};

pub(super) fn check(
    name: &HostName,
    sound: &SoundHost,
    cluster: Option<&Cluster>,
    findings: &mut Findings<'_>,
) {
    // A broken concern, or cluster, may be the one that makes the group.
    if !sound.broken.is_empty() || cluster.is_none() {
        return;
    }
    let host = &sound.host;
    let mut made: BTreeSet<&str> = BTreeSet::from(["root"]);
    made.extend(
        cluster
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
    if let Some(trading) = &host.trading {
        made.extend([trading.user.as_str(), trading.group.as_str()]);
    }
    if let Some(vllm) = &host.vllm {
        made.extend([vllm.user.as_str(), vllm.group.as_str()]);
    }

    let asked = [
        ("hugepages.group", host.hugepages.as_ref().map(|c| &c.group)),
        ("realtime.group", host.realtime.as_ref().map(|c| &c.group)),
        (
            "kernel.io_uring_group",
            host.kernel.as_ref().and_then(|c| c.io_uring_group.as_ref()),
        ),
    ];
    for (path, group) in asked {
        if let Some(group) = group
            && !made.contains(group.as_str())
        {
            findings.push(
                FactPath::host(name).keys(path),
                format!("is `{group}`, which no concern of this host creates"),
                suggest::hint(group.as_str(), "created here", made.iter().copied()),
            );
        }
    }
}

//! Access: no declared value may lock operators out of a host, or send them to another one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, SoundHost};
use crate::inventory::cluster::{Cluster, Port};
use crate::inventory::error::Findings;
use crate::inventory::firewall::{Protocol, Verdict};
use crate::inventory::forms;
use crate::inventory::host::{Elevation, Host, Platform};
use crate::inventory::path::FactPath;
use crate::inventory::ssh::{RootLogin, Ssh, declared_keys};
use crate::inventory::suggest;
use crate::name::{AccountName, HostName};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut by_hostname: BTreeMap<&str, &HostName> = BTreeMap::new();
    let mut by_address: BTreeMap<(&str, u16, Option<&HostName>), &HostName> = BTreeMap::new();
    for (name, sound) in facts.hosts {
        let host = &sound.host;
        if let Some(system) = &host.system
            && let Some(other) = by_hostname.insert(system.hostname.as_str(), name)
        {
            findings.add(
                FactPath::host(name).keys("system.hostname"),
                format!("is `{}`, as of `{other}`", system.hostname),
            );
        }
        let connection = &host.connection;
        if let Some((problem, hint)) = forms::misread(connection.address.as_str()) {
            findings.push(
                FactPath::host(name).keys("connection.address"),
                problem,
                hint,
            );
        }
        let place = (
            connection.address.as_str(),
            connection.port.number(),
            connection.jump.as_ref(),
        );
        if let Some(other) = by_address.insert(place, name) {
            findings.add(
                FactPath::host(name).keys("connection.address"),
                format!("is `{}`, as of `{other}`", connection.address),
            );
        }
        check_jump(facts, name, sound, findings);
        check_login(facts.cluster, name, sound, findings);
        check_firewall(name, sound, findings);
    }
}

fn check_jump(facts: &Facts<'_>, name: &HostName, sound: &SoundHost, findings: &mut Findings<'_>) {
    let Some(jump) = &sound.host.connection.jump else {
        return;
    };
    let path = FactPath::host(name).keys("connection.jump");
    if !facts.names.contains(jump.as_str()) {
        findings.push(
            path,
            format!("is `{jump}`, which is not a known host"),
            suggest::hint(jump.as_str(), "known hosts", facts.host_names()),
        );
        return;
    }
    let mut seen = BTreeSet::from([name]);
    let mut next = Some(jump);
    while let Some(hop) = next {
        if !seen.insert(hop) {
            findings.add(
                path,
                format!("is `{jump}`, from where the way leads back to `{hop}`"),
            );
            return;
        }
        next = facts
            .hosts
            .get(hop)
            .and_then(|hop| hop.host.connection.jump.as_ref());
    }
}

fn check_login(
    cluster: Option<&Cluster>,
    name: &HostName,
    sound: &SoundHost,
    findings: &mut Findings<'_>,
) {
    let connection = &sound.host.connection;
    let user = connection.user.as_str();
    let root = user == "root";
    let path = FactPath::host(name).key("connection");
    if let Some(cluster) = cluster
        && !root
        && !cluster.operators.contains_key(&connection.user)
    {
        findings.push(
            path.clone().key("user"),
            format!("is `{user}`, which is not an operator of the cluster"),
            suggest::hint(
                user,
                "operators",
                cluster.operators.keys().map(AsRef::as_ref),
            ),
        );
    }
    if connection.elevation == Elevation::None && !root {
        findings.add(
            path.clone().key("become"),
            format!("is `none`, but `{user}` is not root"),
        );
    }
    if let Some(ssh) = &sound.host.ssh {
        check_sshd(cluster, name, &sound.host, ssh, findings);
    }
}

/// Whether sshd, as it is declared, lets the connection in.
fn check_sshd(
    cluster: Option<&Cluster>,
    name: &HostName,
    host: &Host,
    ssh: &Ssh,
    findings: &mut Findings<'_>,
) {
    let connection = &host.connection;
    let user = connection.user.as_str();
    // Elsewhere sshd listens at both while the port is on the move; on a Mac launchd listens.
    if connection.port != ssh.port && host.platform == Platform::Darwin {
        findings.add(
            FactPath::host(name).keys("connection.port"),
            format!(
                "is {}; the host's `ssh.port` is {}",
                connection.port.number(),
                ssh.port.number()
            ),
        );
    }
    if !ssh.allow_users.contains(&connection.user) {
        findings.add_with_hint(
            FactPath::host(name).keys("ssh.allow_users"),
            format!("does not let `{user}` in, as which deployctl connects"),
            format!("add `{user}`"),
        );
    }
    if let Some(cluster) = cluster {
        check_allowed(cluster, name, host, ssh, findings);
    }
    if user == "root" && ssh.permit_root_login != RootLogin::ProhibitPassword {
        findings.add(
            FactPath::host(name).keys("ssh.permit_root_login"),
            "does not let root in, as which deployctl connects".to_owned(),
        );
    }
    if let Some(cluster) = cluster
        && ssh.has_exclusive_keys()
        && !declared_keys(cluster, host).contains_key(&connection.user)
    {
        findings.add_with_hint(
            FactPath::host(name).keys("ssh.exclusive_keys"),
            format!("leaves `{user}` without a key, as which deployctl connects"),
            "set `connection.user` to an operator: their keys are declared".to_owned(),
        );
    }
}

/// Rejects allowed users who do not exist: an operator who left, or a name that is misspelt.
fn check_allowed(
    cluster: &Cluster,
    name: &HostName,
    host: &Host,
    ssh: &Ssh,
    findings: &mut Findings<'_>,
) {
    let users = || {
        let system = host.system.as_ref();
        let users = system.and_then(|system| system.users.as_ref());
        users.into_iter().flatten().map(|(user, _)| user)
    };
    let known = |user: &AccountName| {
        user.as_str() == "root"
            || *user == host.connection.user
            || cluster.operators.contains_key(user)
            || users().any(|declared| declared == user)
    };
    for user in ssh.allow_users.iter().filter(|user| !known(user)) {
        let path = FactPath::host(name).keys("ssh.allow_users");
        let names = cluster.operators.keys().chain(users()).map(AsRef::as_ref);
        findings.push(
            path,
            format!("names `{user}`, who is neither an operator of the cluster nor one of `system.users`"),
            Some(match suggest::nearest(user.as_str(), names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("take `{user}` out, or declare the account"),
            }),
        );
    }
}

fn check_firewall(name: &HostName, sound: &SoundHost, findings: &mut Findings<'_>) {
    let (Some(firewall), Some(ssh)) = (&sound.host.firewall, &sound.host.ssh) else {
        return;
    };
    let accepted = |port: &Port| {
        firewall.services.iter().any(|service| {
            service.protocol == Protocol::Tcp
                && service.ports.iter().any(|it| it.contains(port.number()))
        })
    };
    if firewall.input == Verdict::Drop && !accepted(&ssh.port) {
        findings.add_with_hint(
            FactPath::host(name).keys("firewall.services"),
            format!(
                "accepts nothing on the SSH port {}: it would lock you out",
                ssh.port.number()
            ),
            format!(
                "add a service with `protocol = \"tcp\"` and `ports = [ {} ]`",
                ssh.port.number()
            ),
        );
    }
    // Both stay open while the port is on the move.
    let old = &sound.host.connection.port;
    if firewall.input == Verdict::Drop && accepted(&ssh.port) && !accepted(old) {
        findings.add_with_hint(
            FactPath::host(name).keys("firewall.services"),
            format!(
                "accepts nothing on port {}, where deployctl still connects (`connection.port`)",
                old.number()
            ),
            format!(
                "keep both until the port has changed: `ports = [ {} {} ]`",
                old.number(),
                ssh.port.number()
            ),
        );
    }
}

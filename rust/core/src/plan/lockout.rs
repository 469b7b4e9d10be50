//! Whether the operator could still log in under the new configuration.
//!
//! It reads the host as it would be: sshd's files and sudoers, ours and others'; the firewall's rules, the
//! operator's keys and addresses as they were rendered. Confirm over a new connection proves the rest; this is
//! the part that is known before anything is touched.

mod nft;
mod sshd;
mod sudo;

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Finding, PathTarget, Plan, PlanOptions, Target, UnitAction};
use crate::observed::{Observed, SSH_UNITS};
use crate::precedence::ConfigFiles;
use crate::precedence::units::is_read_for;
use crate::rendered::{Entry, Rendered};

pub(super) use sudo::rules_after;

/// The host as the plan would leave it.
struct Scene<'a> {
    target: &'a Target,
    rendered: &'a Rendered,
    observed: &'a Observed,
    plan: &'a Plan,
    options: PlanOptions,
    /// Its files that are read together.
    files: ConfigFiles,
}

/// Refuses what would lock the operator out; warns of what may.
pub(super) fn findings(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
    options: PlanOptions,
) -> Vec<Finding> {
    let scene = Scene {
        target,
        rendered,
        observed,
        plan,
        options,
        files: observed.config.with(rendered, gone(plan)),
    };
    let mut findings = Vec::new();
    if touches_sshd(plan) {
        findings.extend(sshd::findings(&scene));
    }
    findings.extend(nft::findings(target, rendered));
    findings.extend(address_findings(target, rendered, observed, plan));
    findings.extend(keys(target, rendered));
    findings.extend(sudo::findings(&scene));
    findings.extend(sshd::access_findings(&scene));
    findings.extend(ssh_units(rendered, plan));
    findings.extend(own_units(plan));
    findings
}

/// Paths that go back to what they were before us, which is nothing in most cases. What else it is, the
/// validation on the host sees.
pub(super) fn gone(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.paths
        .iter()
        .filter(|change| change.after == PathTarget::Original)
        .map(|change| change.path.as_str())
}

/// Whether sshd loads anything by this plan.
pub(super) fn touches_sshd(plan: &Plan) -> bool {
    plan.units
        .iter()
        .any(|change| SSH_UNITS.contains(&change.unit.as_str()))
        || plan
            .paths
            .iter()
            .any(|change| change.path.as_str().starts_with("/etc/ssh/"))
}

/// What cannot be known of a system that Nix built: its files are in the store, not here.
pub(super) fn unread(target: &Target) -> Finding {
    Finding::note(
        "lockout",
        format!(
            "whether `{}` can log in to the new system is not read beforehand",
            target.user
        ),
        Some("it is committed only once a new connection came in; else it goes back".to_owned()),
    )
}

/// Texts of rendered files below `directory`, in order of name, with their paths.
fn files_below<'a>(
    rendered: &'a Rendered,
    directory: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    rendered
        .entries
        .iter()
        .filter(move |(path, _)| path.as_str().starts_with(directory))
        .filter_map(|(path, managed)| match &managed.entry {
            Entry::File { content, .. } => Some((path.as_str(), content.as_str())),
            _ => None,
        })
}

fn refuse(message: String, hint: impl Into<String>) -> Finding {
    Finding::refuse("lockout", message, hint)
}

/// The units by which a host puts itself back: two of the boot and of the apply, and the transient timer with its service.
const OWN_UNITS: [&str; 4] = [
    "deployctl-recover.service",
    "deployctl-apply-x.service",
    "deployctl-deadman-x.timer",
    "deployctl-deadman-x.service",
];

/// Files that systemd would read for those, too, such as a drop-in in `service.d/`.
fn own_units(plan: &Plan) -> impl Iterator<Item = Finding> {
    let written = plan
        .paths
        .iter()
        .filter(|change| change.after != PathTarget::Original);
    let paths = written.map(|change| change.path.as_str());
    let of_ours = |path: &&str| OWN_UNITS.iter().any(|unit| is_read_for(path, unit));
    paths.filter(of_ours).map(|path| {
        refuse(
            format!("systemd reads `{path}` for deployctl's own units, too: with it, the dead-man timer may not start"),
            "write the drop-in for the units that it is about, such as `web.service.d/`",
        )
    })
}

/// Files of keys that are ours must hold one of the operator's, where it is the operator's own.
fn keys(target: &Target, rendered: &Rendered) -> Vec<Finding> {
    if target.keys.is_empty() {
        return Vec::new();
    }
    let user = &target.user;
    let own = [
        format!("/etc/ssh/authorized_keys.d/{user}"),
        format!("/home/{user}/.ssh/authorized_keys"),
        format!("/{user}/.ssh/authorized_keys"),
    ];
    // Type and key, without the comment.
    let material = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words
            .windows(2)
            .find(|pair| {
                pair[0].starts_with("ssh-")
                    || pair[0].starts_with("ecdsa-")
                    || pair[0].starts_with("sk-")
            })
            .map(|pair| pair.join(" "))
    };
    let wanted: Vec<_> = target.keys.iter().filter_map(|key| material(key)).collect();
    files_below(rendered, "/")
        .filter(|(path, _)| own.iter().any(|own| own == path))
        .filter(|(_, text)| {
            !text
                .lines()
                .filter_map(material)
                .any(|key| wanted.contains(&key))
        })
        .map(|(path, _)| {
            refuse(
                format!("`{path}` holds none of the keys of `{user}`"),
                format!("keep a key of `cluster.operators.{user}.keys` in it"),
            )
        })
        .collect()
}

/// Nothing that answers at the SSH port may be declared stopped.
fn ssh_units(rendered: &Rendered, plan: &Plan) -> Vec<Finding> {
    plan.units
        .iter()
        .filter(|change| SSH_UNITS.contains(&change.unit.as_str()))
        .filter(|change| change.actions.contains(&UnitAction::Stop))
        // ssh.socket may make way for ssh.service, or the other way round.
        .filter(|change| {
            !rendered.units.iter().any(|(unit, want)| {
                *unit != change.unit
                    && SSH_UNITS.contains(&unit.as_str())
                    && want.running == Some(true)
            })
        })
        .map(|change| {
            refuse(
                format!("`{}` would be stopped", change.unit),
                "declare an SSH unit that runs",
            )
        })
        .collect()
}

/// Places of network configuration.
const ADDRESS_PLACES: [&str; 2] = ["/etc/netplan/", "/etc/systemd/network/"];

/// Whether the address we connect to would still be the host's. Judges only addresses: a name may be made to point
/// elsewhere.
fn address_findings(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
) -> Vec<Finding> {
    let Ok(address) = target.address.parse::<IpAddr>() else {
        return Vec::new();
    };
    let networks: Vec<IpNet> = target
        .interface_addresses
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    if networks.iter().any(|network| network.addr() == address) {
        return Vec::new();
    }
    if let Some(network) = networks.iter().find(|network| network.contains(&address)) {
        return vec![refuse(
            format!(
                "no interface would have `{address}`, which this login uses: the one in its subnet gets `{network}`"
            ),
            "keep the address in `network.interfaces` for one apply, then change `connection.address` and drop it",
        )];
    }
    // Said in a file that changes, and in none afterwards.
    let stays = ADDRESS_PLACES
        .iter()
        .any(|place| files_below(rendered, place).any(|(_, text)| mentions(text, address)));
    plan.paths
        .iter()
        .filter(|change| {
            ADDRESS_PLACES
                .iter()
                .any(|place| change.path.as_str().starts_with(place))
        })
        .filter(|change| {
            observed
                .contents
                .get(&change.path)
                .is_some_and(|text| mentions(text, address))
        })
        .filter(|_| !stays)
        .map(|change| {
            refuse(
                format!("`{}` would lose `{address}`, where we come in", change.path),
                "declare the address in `network.interfaces`, or change `connection.address` first",
            )
        })
        .collect()
}

/// Whether `text` contains the address as a whole word.
fn mentions(text: &str, address: IpAddr) -> bool {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .any(|word| word.parse() == Ok(address))
}

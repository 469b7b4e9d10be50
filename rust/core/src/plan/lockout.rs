//! Whether the operator could still log in under the new configuration.
//!
//! It reads what was rendered: sshd's drop-ins, the firewall's rules, the operator's keys, sudoers and
//! addresses. What is not declared stays as it is, and was good enough to get in this time. Confirm
//! over a new connection proves the rest; this is the part that is known before anything is touched.

use super::target::Target;
use super::{Finding, PathTarget, Plan, UnitAction};
use crate::observed::Observed;
use crate::rendered::{Entry, PathState, Rendered};

mod address;
mod nft;
mod sshd;

/// Units that answer at the SSH port.
const SSH_UNITS: [&str; 4] = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];

/// Refuses what would lock the operator out; warns of what may.
pub(super) fn findings(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
) -> Vec<Finding> {
    let mut findings = sshd::findings(target, rendered);
    findings.extend(nft::findings(target, rendered));
    findings.extend(address::findings(target, rendered, observed, plan));
    findings.extend(keys(target, rendered));
    findings.extend(sudo(target, rendered, observed, plan));
    findings.extend(ssh_units(rendered, plan));
    findings
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

/// A sudoers file that is taken away must not be the one that lets the operator become root. What
/// was there before us let us in, so taking ours back is only told.
fn sudo(target: &Target, rendered: &Rendered, observed: &Observed, plan: &Plan) -> Vec<Finding> {
    if !target.sudo || target.user == "root" {
        return Vec::new();
    }
    let user = &target.user;
    let granted = files_below(rendered, "/etc/sudoers").any(|(_, text)| {
        text.lines()
            .filter_map(|line| line.split_whitespace().next())
            .any(|who| who == user || who == "ALL" || who.starts_with('%'))
    });
    if granted {
        return Vec::new();
    }
    plan.paths
        .iter()
        .filter(|change| change.path.as_str().starts_with("/etc/sudoers"))
        .filter(|change| observed.paths.get(&change.path) != Some(&PathState::Absent))
        .map(|change| {
            let path = &change.path;
            match change.after {
                PathTarget::Original => Finding::warn(
                    "lockout",
                    format!("`{path}` goes back to what it was, and nothing declared lets `{user}` become root"),
                    Some("make sure that the host's own sudoers does".to_owned()),
                ),
                PathTarget::Entry { .. } => refuse(
                    format!("nothing declared would let `{user}` become root once `{path}` is changed"),
                    format!("declare a sudoers line for `{user}`, or log in as root"),
                ),
            }
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

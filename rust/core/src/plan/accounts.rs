//! Users and groups: those that are gone although no file changed, and owners that nothing creates.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, LiveChange, PackageAction, PathTarget, Plan};
use crate::name::{AccountName, ManagedPath};
use crate::observed::{Accounts, DeclaredAccount, Observed, declared_accounts, sysusers_files};
use crate::rendered::{Entry, FollowUp, Rendered};

/// Accounts that files declare which stay as they are, and that are not on the host.
pub(super) fn changes(rendered: &Rendered, observed: &Observed, plan: &Plan) -> Vec<LiveChange> {
    let Some(accounts) = &observed.accounts else {
        return Vec::new();
    };
    // Then systemd-sysusers runs anyway.
    if plan.follow_ups.contains(&FollowUp::Sysusers) {
        return Vec::new();
    }
    let mut lacks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for declared in sysusers_files(rendered).flat_map(|(_, text)| declared_accounts(text)) {
        let (subject, lack) = match &declared {
            DeclaredAccount::User(user) => {
                if accounts.users.contains_key(user) {
                    continue;
                }
                (format!("user {user}"), "is not there".to_owned())
            }
            DeclaredAccount::Group(group) => {
                if accounts.groups.contains_key(group) {
                    continue;
                }
                (format!("group {group}"), "is not there".to_owned())
            }
            DeclaredAccount::Member(user, group) => {
                if accounts.is_member(user, group) || !accounts.users.contains_key(user) {
                    continue;
                }
                (
                    format!("user {user}"),
                    format!("is not in the group {group}"),
                )
            }
        };
        lacks.entry(subject).or_default().insert(lack);
    }
    lacks
        .into_iter()
        .map(|(subject, lacks)| LiveChange {
            subject,
            found: lacks.into_iter().collect::<Vec<_>>().join(", "),
            lines: Vec::new(),
            follow_up: Some(FollowUp::Sysusers),
        })
        .collect()
}

/// Owners and groups that neither exist nor come with this plan. What packages bring is not known.
pub(super) fn findings(rendered: &Rendered, observed: &Observed, plan: &Plan) -> Vec<Finding> {
    let Some(accounts) = &observed.accounts else {
        return Vec::new();
    };
    let installs = plan
        .packages
        .iter()
        .any(|change| change.action == PackageAction::Install);
    if installs {
        return Vec::new();
    }
    let made: BTreeSet<_> = sysusers_files(rendered)
        .flat_map(|(_, text)| declared_accounts(text))
        .collect();
    plan.paths
        .iter()
        .filter(|change| matches!(change.after, PathTarget::Entry { .. }))
        .filter_map(|change| rendered.entries.get_key_value(&change.path))
        .flat_map(|(path, managed)| match &managed.entry {
            Entry::File { ownership, .. } | Entry::Directory { ownership } => {
                let owner = unknown_user(accounts, &made, &ownership.owner)
                    .then(|| finding(rendered, path, "user", "owner", &ownership.owner));
                let group = unknown_group(accounts, &made, &ownership.group)
                    .then(|| finding(rendered, path, "group", "group", &ownership.group));
                [owner, group]
            }
            Entry::Symlink { .. } | Entry::Absent => [None, None],
        })
        .flatten()
        .collect()
}

/// systemd-sysusers makes what a membership names as well.
fn unknown_user(accounts: &Accounts, made: &BTreeSet<DeclaredAccount>, user: &AccountName) -> bool {
    !accounts.users.contains_key(user)
        && !made.iter().any(|declared| match declared {
            DeclaredAccount::User(name) | DeclaredAccount::Member(name, _) => name == user,
            DeclaredAccount::Group(_) => false,
        })
}

fn unknown_group(
    accounts: &Accounts,
    made: &BTreeSet<DeclaredAccount>,
    group: &AccountName,
) -> bool {
    !accounts.groups.contains_key(group)
        && !made.iter().any(|declared| match declared {
            DeclaredAccount::Group(name) | DeclaredAccount::Member(_, name) => name == group,
            DeclaredAccount::User(_) => false,
        })
}

fn finding(
    rendered: &Rendered,
    path: &ManagedPath,
    kind: &str,
    word: &str,
    name: &AccountName,
) -> Finding {
    let managed = &rendered.entries[path];
    let place = managed.facts.first().map_or_else(
        || format!("concern `{}`", managed.concern),
        |fact| format!("`{fact}`"),
    );
    Finding::refuse(
        "account",
        format!(
            "`{path}` is to belong to the {kind} `{name}`, which `{}` does not have and nothing declared makes",
            rendered.host
        ),
        format!(
            "correct the {word} in {place}, or declare the {kind} or the package that brings it"
        ),
    )
}

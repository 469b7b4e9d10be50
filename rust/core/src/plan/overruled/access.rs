//! What files of others make of the ways in that ours declare: of logins and of sudo.

use std::collections::BTreeSet;

use super::{findings_of, is_ours};
use crate::name::AccountName;
use crate::observed::Observed;
use crate::plan::target::Target;
use crate::plan::{Finding, Plan, lockout};
use crate::precedence::ConfigFiles;
use crate::precedence::sshd::{self, DROP_INS, Effective, MAIN};
use crate::precedence::sudoers::last;
use crate::rendered::Rendered;

/// What sshd takes from others for the account that we come by, though ours say otherwise.
pub(super) fn of_sshd(
    target: &Target,
    files: &ConfigFiles,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<Finding> {
    let ours: Vec<&str> = rendered
        .entries
        .keys()
        .map(crate::name::ManagedPath::as_str)
        .filter(|path| {
            path.strip_prefix(DROP_INS)
                .is_some_and(|name| name.strip_suffix(".conf").is_some())
                && files.has(path)
        })
        .collect();
    let login = observed.way_in.login(&target.user, target.port);
    let effective = sshd::evaluate(files, &login);
    let mut findings: Vec<Finding> = not_read(&ours, &effective, files).into_iter().collect();
    for path in ours {
        let found = sshd::overruled(path, &effective, files, |other| is_ours(other, rendered));
        findings.extend(findings_of(path, found));
    }
    findings
}

/// A drop-in of ours that the main file does not include has no effect at all.
fn not_read(ours: &[&str], effective: &Effective, files: &ConfigFiles) -> Option<Finding> {
    if effective.unsure || !files.has(MAIN) {
        return None;
    }
    let ours = ours.iter().find(|path| !effective.reads(path))?;
    Some(Finding::warn(
        "overruled",
        format!("`{MAIN}` does not include `{ours}`, so nothing of it is in effect"),
        Some(format!(
            "put `Include {DROP_INS}*.conf` at its beginning, as distributions ship it"
        )),
    ))
}

/// For whom sudo asks, or does not, since a rule of others comes after ours.
pub(super) fn of_sudo(plan: &Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    let rules = lockout::rules_after(plan, rendered, observed);
    let mut findings = Vec::new();
    let ours = rules.iter().filter(|rule| is_ours(rule.file(), rendered));
    for ours in ours.filter(|rule| rule.is_for_everything()) {
        let Some(user) = ours.user() else {
            continue;
        };
        let Some(theirs) = last(&rules, user, &groups(user, observed)) else {
            continue;
        };
        if is_ours(theirs.file(), rendered) || theirs.grants() == ours.grants() {
            continue;
        }
        let (line, file) = (theirs.place(), theirs.file());
        findings.push(Finding::warn(
            "overruled",
            format!(
                "`{line}` is read after `{}`, and sudo {} `{user}`: it wins at once",
                ours.file(),
                theirs.grants(),
            ),
            Some(format!("take it out of `{file}`, or change the facts")),
        ));
    }
    findings
}

/// The groups of `user`, as far as they are known.
fn groups(user: &str, observed: &Observed) -> Vec<String> {
    let account = observed.way_in.account.as_ref();
    let own = account.filter(|account| account.name == user);
    if let Some(groups) = own.and_then(|account| account.groups.clone()) {
        return groups;
    }
    let (Some(accounts), Ok(user)) = (&observed.accounts, AccountName::new(user)) else {
        return Vec::new();
    };
    let of_it = accounts.groups.keys();
    let of_it: BTreeSet<String> = of_it
        .filter(|group| accounts.is_member(&user, group))
        .map(ToString::to_string)
        .collect();
    of_it.into_iter().collect()
}

//! What our files say and files of others overrule, now or at the next boot; logins and sudo are part of it.
//!
//! Files of others that the host's own programs do not take are told as well: the validation of an apply reads them, and
//! would refuse.

use std::collections::BTreeSet;

use super::target::Target;
use super::words::list;
use super::{Finding, Plan, lockout};
use crate::name::AccountName;
use crate::observed::{Complaint, NETPLAN, Observed};
use crate::precedence::sshd::{self, DROP_INS, Effective, Login, MAIN, evaluate};
use crate::precedence::sudoers::last;
use crate::precedence::{self, ConfigFiles, How, Overruled};
use crate::rendered::Rendered;

/// One warning per file of ours and line that overrules it.
pub(super) fn findings(
    plan: &Plan,
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<Finding> {
    let files = after(plan, rendered, observed);
    let mut findings = of_sshd(target, &files, rendered, observed);
    findings.extend(of_sudo(plan, rendered, observed));
    for path in rendered
        .entries
        .keys()
        .map(crate::name::ManagedPath::as_str)
    {
        if !precedence::is_shared(path) {
            continue;
        }
        findings.extend(findings_of(path, overruled(path, &files, rendered)));
    }
    findings
}

/// One warning per line of others among what overrules the file at `path`.
fn findings_of(path: &str, mut rest: Vec<Overruled>) -> Vec<Finding> {
    let mut findings = Vec::new();
    while let Some(first) = rest.first().map(|first| first.theirs.place.clone()) {
        let (by_it, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|found| found.theirs.place == first);
        rest = others;
        findings.push(Finding::warn(
            "overruled",
            told(path, &by_it),
            Some(format!(
                "take it out of `{}`, or the setting out of the facts",
                first.file
            )),
        ));
    }
    findings
}

/// What one line of another file does to that at `path`.
fn told(path: &str, by_it: &[Overruled]) -> String {
    let theirs = &by_it[0].theirs;
    let line = &theirs.place;
    let keys: Vec<String> = by_it.iter().map(|found| found.ours.key.clone()).collect();
    let order = match by_it[0].how {
        How::Later => "is read after",
        How::Earlier => "is read before",
        How::InBlock => "stands in a block that wins over",
        How::Matches => {
            return format!(
                "`{line}` is read before `{path}` and is for its interface too (`{}={}`): it wins as a whole",
                theirs.key, theirs.value
            );
        }
        How::Blocks => {
            return format!(
                "`{line}` says `{}`, so that `{}` of `{path}` is not loaded at the next boot",
                theirs.value, keys[0]
            );
        }
    };
    // GRUB's variable is set whole, without what was in it.
    let does = if theirs.key.starts_with("GRUB_") {
        format!("sets `{}` without {}", theirs.key, list(&keys))
    } else if keys.len() > 1 {
        format!("sets {} anew", list(&keys))
    } else if theirs.value.is_empty() {
        format!("empties {}", list(&keys))
    } else {
        format!("sets {} to `{}`", list(&keys), theirs.value)
    };
    let at = if path.starts_with(DROP_INS) {
        "as soon as sshd loads it"
    } else {
        "at the next boot"
    };
    format!("`{line}` {order} `{path}` and {does}: it wins {at}")
}

/// The files that are read together, once the plan is applied.
pub(super) fn after(plan: &Plan, rendered: &Rendered, observed: &Observed) -> ConfigFiles {
    observed.config.with(rendered, lockout::gone(plan))
}

/// What of the file at `path` others overrule.
pub(super) fn overruled(path: &str, files: &ConfigFiles, rendered: &Rendered) -> Vec<Overruled> {
    precedence::overruled(path, files, |other| is_ours(other, rendered))
}

/// Whether a file that is declared stands at `path`.
fn is_ours(path: &str, rendered: &Rendered) -> bool {
    rendered.entries.keys().any(|ours| ours.as_str() == path)
}

/// What sshd takes from others for the account that we come by, though ours say otherwise.
fn of_sshd(
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
fn of_sudo(plan: &Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
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

/// Refuses where this plan has such a file read; else warns.
pub(super) fn refused_files(plan: &Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    let netplan = plan
        .paths
        .iter()
        .any(|change| change.path.as_str().starts_with(NETPLAN));
    let sshd = lockout::touches_sshd(plan);
    let files = after(plan, rendered, observed);
    let read_by_sshd = evaluate(&files, &Login::default());
    let stays = |complaint: &&Complaint| {
        let file = complaint.place.file.as_str();
        let ours = rendered.entries.keys().any(|path| path.as_str() == file)
            || lockout::gone(plan).any(|path| path == file);
        let mended = match complaint.program.as_str() {
            "sshd" => !read_by_sshd.reads(file),
            // One of the files of this plan may define it.
            _ => netplan && complaint.says.ends_with("is not defined"),
        };
        !ours && !mended
    };
    let told = observed.complaints.iter().filter(stays);
    told.map(|complaint| {
        refused_file(
            complaint,
            if complaint.program == "sshd" {
                sshd
            } else {
                netplan
            },
        )
    })
    .collect()
}

fn refused_file(complaint: &Complaint, is_read: bool) -> Finding {
    let Complaint {
        program,
        place,
        says,
    } = complaint;
    let message = format!("`{program}` does not take `{place}`: {says}");
    let hint = format!(
        "correct or remove that line on the host: until then `{program}` takes no change of its files"
    );
    if is_read {
        Finding::refuse("foreign", message, hint)
    } else {
        Finding::warn("foreign", message, Some(hint))
    }
}

//! Whose keys open accounts once a plan is applied: who still gets in, and who no longer does.

use super::{Scene, touches_sshd};
use crate::plan::{Finding, PathTarget};
use crate::precedence::ConfigFiles;
use crate::precedence::sshd::{Effective, Value, evaluate};

/// Says of every account whose keys go what stays of its ways in, and that keys at home count no longer.
pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let after = effective(scene, &scene.files);
    let at_home = reads_home(&after);
    let mut findings: Vec<_> = scene
        .plan
        .paths
        .iter()
        .filter(|change| change.after == PathTarget::Original)
        .filter_map(|change| {
            change
                .path
                .as_str()
                .strip_prefix("/etc/ssh/authorized_keys.d/")
        })
        .map(|user| leaves(user, at_home))
        .collect();
    if touches_sshd(scene.plan)
        && !at_home
        && reads_home(&effective(scene, &scene.observed.config))
        && let Some(by) = after.get(KEY_FILES)
        // Else nobody gets in, which is refused.
        && by.words != ["none"]
    {
        findings.push(no_home(by));
    }
    findings
}

const KEY_FILES: &str = "authorizedkeysfile";

/// What sshd makes of `files` for a login like ours.
fn effective(scene: &Scene<'_>, files: &ConfigFiles) -> Effective {
    let target = scene.target;
    let login = scene.observed.way_in.login(&target.user, target.port);
    evaluate(files, &login)
}

/// Whether keys in a home directory open its account: sshd's own value has two files there.
fn reads_home(effective: &Effective) -> bool {
    effective.get(KEY_FILES).is_none_or(|files| {
        let mut files = files.words.iter();
        files.any(|file| file != "none" && (!file.starts_with('/') || file.starts_with("/home/")))
    })
}

fn leaves(user: &str, at_home: bool) -> Finding {
    let rest = if at_home {
        "the account stays, and every `~/.ssh/authorized_keys` that holds one of them still opens its account"
    } else {
        "the account stays, and no key opens it"
    };
    let listed = if at_home {
        "`deployctl verify --only 'ssh/other-keys/*'` lists keys that no fact declares; "
    } else {
        ""
    };
    Finding::warn(
        "access",
        format!("the declared keys of `{user}` go; {rest}"),
        Some(format!("{listed}on the host: `userdel {user}`")),
    )
}

fn no_home(by: &Value) -> Finding {
    Finding::warn(
        "access",
        format!(
            "keys in home directories open no account any more: sshd reads {} alone ({by})",
            by.words.join(" ")
        ),
        Some(
            "come with a key that facts declare: a new connection must get in before the change is kept, else it goes back. `deployctl verify --only 'ssh/other-keys/*'` lists the keys that will be shut out"
                .to_owned(),
        ),
    )
}

//! Whether the operator could still become root under the new sudoers, with the password or key that this run has.
//!
//! The host's own sudo has the last word on the same files, in the validation before anything is touched.

use super::{Scene, files_below, refuse};
use crate::observed::Observed;
use crate::plan::{Finding, PathTarget, Plan};
use crate::precedence::sudoers::{Rule, last};
use crate::rendered::{PathState, Rendered};

/// Judges the rule that would count, where sudoers change.
pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let target = scene.target;
    let changes = |path: &str| path.starts_with("/etc/sudoers");
    if !target.sudo
        || target.user == "root"
        || !scene
            .plan
            .paths
            .iter()
            .any(|change| changes(change.path.as_str()))
    {
        return Vec::new();
    }
    let account = scene.observed.way_in.account.as_ref();
    let account = account.filter(|account| account.name == target.user);
    let Some(groups) = account.and_then(|account| account.groups.as_deref()) else {
        return by_our_files(scene);
    };
    let before = &scene.observed.way_in.sudoers;
    let after = rules_after(scene.plan, scene.rendered, scene.observed);
    let user = &target.user;
    let now = last(before, user, groups);
    let Some(then) = last(&after, user, groups).filter(|rule| !rule.denies()) else {
        // By a list of users or a rule that this reading does not know; the host's sudo judges that.
        if now.is_none() {
            return Vec::new();
        }
        let by = last(&after, user, groups).map_or_else(
            || "no rule is left that does".to_owned(),
            |rule| format!("`{}` is the last word", rule.place()),
        );
        return vec![refuse(
            format!("sudoers would no longer let `{user}` become root: {by}"),
            format!("declare a sudoers line for `{user}`, or log in as root"),
        )];
    };
    if then.asks_nothing() || !now.is_some_and(Rule::asks_nothing) {
        return Vec::new();
    }
    let asks = format!(
        "sudo would ask `{user}` for a password (`{}`)",
        then.place()
    );
    let has_password = account.and_then(|account| account.has_password);
    vec![asking(scene, &asks, has_password)]
}

/// That sudo will ask for a password, which it did not so far.
fn asking(scene: &Scene<'_>, asks: &str, has_password: Option<bool>) -> Finding {
    let user = &scene.target.user;
    match has_password {
        Some(false) => refuse(
            format!("{asks}, and the account has none"),
            format!(
                "leave `system.sudo_passwordless` true, or give it one first: `passwd {user}` on the host"
            ),
        ),
        _ if !scene.options.password => refuse(
            format!("{asks}, and none was given: the apply could not be confirmed"),
            "`--ask-sudo-password`, or `--sudo-password-file`",
        ),
        // A plan cannot try it: sudo takes no password that it does not ask for.
        _ => Finding::warn(
            "lockout",
            format!(
                "{asks}; the one that was given is not tried before, since sudo does not ask now"
            ),
            Some("where it is wrong, the new login fails and everything is put back".to_owned()),
        ),
    }
}

/// The rules once the plan is applied.
pub(in crate::plan) fn rules_after(
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<Rule> {
    let replaced = |file: &str| {
        rendered.entries.keys().any(|path| path.as_str() == file)
            || super::gone(plan).any(|path| path == file)
    };
    let kept = observed
        .way_in
        .sudoers
        .iter()
        .filter(|rule| !replaced(rule.file()));
    let mut rules: Vec<Rule> = kept.cloned().collect();
    for (path, text) in files_below(rendered, "/etc/sudoers") {
        let name = path.rsplit('/').next().unwrap_or_default();
        // sudo passes over names with a dot and those that end in a tilde.
        if path == "/etc/sudoers" || !(name.contains('.') || name.ends_with('~')) {
            rules.extend(Rule::of_file(path, text));
        }
    }
    rules
}

/// By what is rendered alone, where the host did not tell its rules: a file that is taken away must not be the
/// one that lets the operator become root.
fn by_our_files(scene: &Scene<'_>) -> Vec<Finding> {
    let user = &scene.target.user;
    let granted = files_below(scene.rendered, "/etc/sudoers").any(|(_, text)| {
        text.lines()
            .filter_map(|line| line.split_whitespace().next())
            .any(|who| who == user || who == "ALL" || who.starts_with('%'))
    });
    if granted {
        return Vec::new();
    }
    scene
        .plan
        .paths
        .iter()
        .filter(|change| change.path.as_str().starts_with("/etc/sudoers"))
        .filter(|change| scene.observed.paths.get(&change.path) != Some(&PathState::Absent))
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

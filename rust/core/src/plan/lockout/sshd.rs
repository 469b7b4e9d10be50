//! What sshd would say to the operator, by every file that it would read: ours, others' and what `Match` says; and who
//! still gets in by a key, and who no longer does.
//!
//! The host's own sshd has the last word on the same files, in the validation before anything is touched.

use super::{Scene, refuse, touches_sshd};
use crate::plan::{Finding, PathTarget, Severity};
use crate::precedence::ConfigFiles;
use crate::precedence::sshd::{Effective, Login, Value, evaluate, names};

/// Judges what sshd would load.
pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let target = scene.target;
    let login = scene.observed.way_in.login(&target.user, target.port);
    let effective = evaluate(&scene.files, &login);
    let user = &target.user;
    let denials = users(&effective, user, &login)
        .into_iter()
        .chain(keys(&effective))
        .chain(root(&effective, user));
    let mut findings: Vec<_> = denials
        .map(|denial| denial.finding(effective.unsure))
        .collect();
    findings.extend(groups(&effective, scene, login.groups.as_deref()));
    findings.extend(port(&effective, scene));
    findings
}

/// A setting that keeps the operator out.
struct Denial<'a> {
    by: &'a Value,
    message: String,
    hint: String,
}

impl Denial<'_> {
    /// What planning concludes from it. A block that this reading cannot judge (`unsure`) may say otherwise; the host's own
    /// sshd is asked, too.
    fn finding(self, unsure: bool) -> Finding {
        let mut finding = refuse(self.message, self.hint);
        if unsure && self.by.block.is_none() {
            finding.severity = Severity::Warn;
        }
        finding
    }
}

/// `AllowUsers` and `DenyUsers`.
fn users<'a>(effective: &'a Effective, user: &str, login: &Login) -> Vec<Denial<'a>> {
    let mut denials = Vec::new();
    if let Some(allowed) = effective.get("allowusers")
        && !allowed
            .words
            .iter()
            .any(|pattern| names(pattern, login) != Some(false))
    {
        denials.push(Denial {
            by: allowed,
            message: format!(
                "sshd would no longer let `{user}` in: `AllowUsers` names {} in {allowed}",
                list(allowed)
            ),
            hint: match allowed.block {
                None => format!("add `{user}` to `ssh.allow_users`"),
                Some(_) => format!("name `{user}` there, or take the block out"),
            },
        });
    }
    if let Some(denied) = effective.get("denyusers")
        && denied
            .words
            .iter()
            .any(|pattern| names(pattern, login) == Some(true))
    {
        denials.push(Denial {
            by: denied,
            message: format!(
                "sshd would no longer let `{user}` in: `DenyUsers` names {} in {denied}",
                list(denied)
            ),
            hint: format!("take `{user}` out of it"),
        });
    }
    denials
}

/// The value of `keyword`, where it is one of the `bad`.
fn bad_value<'a>(
    effective: &'a Effective,
    keyword: &str,
    bad: &[&str],
) -> Option<(&'a Value, String)> {
    let value = effective.get(keyword)?;
    let word = effective.first(keyword)?;
    bad.contains(&word.as_str()).then_some((value, word))
}

/// Whether a key is enough.
fn keys(effective: &Effective) -> Vec<Denial<'_>> {
    let mut denials = Vec::new();
    if let Some((by, _)) = bad_value(effective, "pubkeyauthentication", &["no"]) {
        denials.push(Denial {
            by,
            message: format!("sshd would no longer take keys: `PubkeyAuthentication no` in {by}"),
            hint: "keys are the only way in: leave it `yes`".to_owned(),
        });
    }
    if let Some((by, _)) = bad_value(effective, "authorizedkeysfile", &["none"]) {
        denials.push(Denial {
            by,
            message: format!(
                "sshd would look for keys in no file: `AuthorizedKeysFile none` in {by}"
            ),
            hint: "keys are the only way in: leave it as it is".to_owned(),
        });
    }
    if let Some(methods) = effective.get("authenticationmethods")
        && !methods.words.iter().any(|m| m == "publickey" || m == "any")
    {
        denials.push(Denial {
            by: methods,
            message: format!(
                "sshd would want more than a key: `AuthenticationMethods` is {} in {methods}",
                list(methods)
            ),
            hint: "allow `publickey` alone".to_owned(),
        });
    }
    denials
}

/// `PermitRootLogin`, where we come as root.
fn root<'a>(effective: &'a Effective, user: &str) -> Option<Denial<'a>> {
    let bad = ["no", "forced-commands-only"];
    let (by, word) = bad_value(effective, "permitrootlogin", &bad).filter(|_| user == "root")?;
    Some(Denial {
        by,
        message: format!("sshd would no longer let `root` in: `PermitRootLogin {word}` in {by}"),
        hint: "set `ssh.permit_root_login` to `prohibit-password`, or `connection.user` to an operator with sudo"
            .to_owned(),
    })
}

fn groups(effective: &Effective, scene: &Scene<'_>, own: Option<&[String]>) -> Option<Finding> {
    let allowed = effective.get("allowgroups")?;
    let user = &scene.target.user;
    if own.is_some_and(|own| own.iter().any(|group| allowed.words.contains(group))) {
        return None;
    }
    let known = if own.is_some() {
        format!("`{user}` is in none of them now")
    } else {
        format!("whether `{user}` is in one is not known")
    };
    Some(Finding::warn(
        "lockout",
        format!(
            "sshd would let groups {} in alone ({allowed}); {known}",
            list(allowed)
        ),
        Some(format!("check `id {user}` on the host")),
    ))
}

/// With a socket unit systemd listens, independently of the files of sshd.
fn port(effective: &Effective, scene: &Scene<'_>) -> Option<Finding> {
    let ports = effective.get("port")?;
    let own = scene.observed.way_in.port(scene.target.port).to_string();
    if ports.words.contains(&own) {
        let other = ports.words.iter().find(|port| **port != own)?;
        return Some(Finding::note(
            "ssh-port",
            format!("sshd listens at port {other}, and at {own} as long as we come in there"),
            Some(format!(
                "once this is applied: set `connection.port` to {other}; the next apply comes in there and closes {own}"
            )),
        ));
    }
    Some(refuse(
        format!(
            "sshd would listen at port {} and no longer at {own}",
            list(ports)
        ),
        format!(
            "apply the facts with `ssh.port` {} and `connection.port` {own} first: sshd then listens at both",
            ports.words.join(" ")
        ),
    ))
}

fn list(value: &Value) -> String {
    let words: Vec<_> = value.words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// Says of every account whose keys go what stays of its ways in, and that keys at home count no longer.
pub(super) fn access_findings(scene: &Scene<'_>) -> Vec<Finding> {
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

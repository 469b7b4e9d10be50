//! What sshd would say to the operator, by `sshd_config(5)`, where the first value of a keyword counts.

use std::collections::BTreeMap;

use super::{files_below, refuse};
use crate::plan::{Finding, Target};
use crate::rendered::Rendered;

/// Keywords whose values add up instead.
const ADDING: [&str; 6] = [
    "port",
    "allowusers",
    "denyusers",
    "allowgroups",
    "denygroups",
    "listenaddress",
];

/// Judges the rendered drop-ins, which sort before what the host has by itself.
pub(super) fn findings(target: &Target, rendered: &Rendered) -> Vec<Finding> {
    let config = global(rendered);
    let mut findings = Vec::new();
    let words = |keyword: &str| config.get(keyword).map(Vec::as_slice);
    let user = &target.user;
    if let Some(allowed) = words("allowusers")
        && !allowed.iter().any(|pattern| names(pattern, user))
    {
        findings.push(refuse(
            format!(
                "sshd would no longer let `{user}` in: `AllowUsers` names {}",
                list(allowed)
            ),
            format!("add `{user}` to `ssh.allow_users`"),
        ));
    }
    if let Some(denied) = words("denyusers")
        && denied.iter().any(|pattern| names(pattern, user))
    {
        findings.push(refuse(
            format!(
                "sshd would no longer let `{user}` in: `DenyUsers` names {}",
                list(denied)
            ),
            format!("take `{user}` out of it"),
        ));
    }
    if let Some(groups) = words("allowgroups") {
        findings.push(Finding::warn(
            "lockout",
            format!(
                "sshd would let groups {} in alone; whether `{user}` is in one is not known",
                list(groups)
            ),
            Some(format!("check `id {user}` on the host")),
        ));
    }
    let first = |keyword: &str| {
        words(keyword)
            .and_then(|words| words.first())
            .map(String::as_str)
    };
    if first("pubkeyauthentication").is_some_and(|value| value.eq_ignore_ascii_case("no")) {
        findings.push(refuse(
            "sshd would no longer take keys: `PubkeyAuthentication no`".to_owned(),
            "keys are the only way in: leave it `yes`",
        ));
    }
    if let Some(methods) = words("authenticationmethods")
        && !methods.iter().any(|m| m == "publickey" || m == "any")
    {
        findings.push(refuse(
            format!(
                "sshd would want more than a key: `AuthenticationMethods` is {}",
                list(methods)
            ),
            "allow `publickey` alone",
        ));
    }
    if user == "root" && first("permitrootlogin").is_some_and(|v| v.eq_ignore_ascii_case("no")) {
        findings.push(refuse(
            "sshd would no longer let `root` in: `PermitRootLogin no`".to_owned(),
            "set `ssh.permit_root_login` to `prohibit-password`, or `connection.user` to an operator with sudo",
        ));
    }
    if let Some(ports) = words("port")
        && !ports.iter().any(|port| port.parse() == Ok(target.port))
    {
        findings.push(refuse(
            format!("sshd would listen at port {} and no longer at {}", list(ports), target.port),
            "keep the old port beside the new one for one apply, then change `connection.port` and drop it",
        ));
    }
    findings
}

/// Keywords before the first `Match`, in lower case, over all drop-ins in order of name; values that
/// add up in full, others as first given.
fn global(rendered: &Rendered) -> BTreeMap<String, Vec<String>> {
    let mut config: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in files_below(rendered, "/etc/ssh/sshd_config") {
        // Only `*.conf` is included from the directory.
        let ending = std::path::Path::new(path).extension();
        if path.starts_with("/etc/ssh/sshd_config.d/") && ending.is_none_or(|e| e != "conf") {
            continue;
        }
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line
                .split(|c: char| c.is_whitespace() || c == '=')
                .filter(|word| !word.is_empty())
                .map(|word| word.trim_matches('"').to_owned());
            let Some(keyword) = words.next().map(|word| word.to_lowercase()) else {
                continue;
            };
            if keyword == "match" {
                break;
            }
            let adds = ADDING.contains(&keyword.as_str());
            let values = config.entry(keyword).or_default();
            if adds || values.is_empty() {
                values.extend(words);
            }
        }
    }
    config
}

/// Whether an `AllowUsers` pattern (`*`, `?`, perhaps `@host`) names `user`.
fn names(pattern: &str, user: &str) -> bool {
    let pattern = pattern.split('@').next().unwrap_or(pattern);
    globset::GlobBuilder::new(pattern)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(user))
}

fn list(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

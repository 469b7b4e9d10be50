//! The conditions of `Match`, and the lists of patterns in them.

use std::net::IpAddr;

use crate::glob::glob;
use ipnet::IpNet;

use super::Login;

/// Whether the conditions after `Match` hold for `login`; `None` where that cannot be told from here.
pub(super) fn holds(words: &[String], login: &Login) -> Option<bool> {
    let mut words = words.iter().map(String::as_str);
    let mut all = Some(true);
    while let Some(word) = words.next() {
        let (criterion, given) = match word.split_once('=') {
            Some((criterion, given)) => (criterion, Some(given)),
            None => (word, None),
        };
        let criterion = criterion.to_lowercase();
        if criterion == "all" {
            continue;
        }
        let mut patterns = || given.or_else(|| words.next()).unwrap_or_default();
        let one = match criterion.as_str() {
            "user" => Some(matches(patterns(), |pattern| glob(pattern, &login.user))),
            "group" => {
                let patterns = patterns();
                let groups = login.groups.as_ref();
                groups
                    .map(|groups| matches(patterns, |p| groups.iter().any(|group| glob(p, group))))
            }
            "address" => address(patterns(), login.from),
            "localaddress" => address(patterns(), login.to),
            "localport" => {
                let port = login.port.to_string();
                Some(matches(patterns(), |pattern| pattern == port))
            }
            // Of a name that is looked up, of a routing domain, of the server's version.
            _ => {
                patterns();
                None
            }
        };
        match one {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

/// Patterns with commas between them: one must match, and none that has a `!` before it.
fn matches(list: &str, matches: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern) => return false,
            Some(_) => {}
            None => found |= matches(pattern),
        }
    }
    found
}

fn address(list: &str, address: Option<IpAddr>) -> Option<bool> {
    let address = address?;
    let text = address.to_string();
    Some(matches(list, |pattern| match pattern.parse::<IpNet>() {
        Ok(network) => network.contains(&address),
        Err(_) => glob(pattern, &text),
    }))
}

/// Whether an entry of `AllowUsers` or `DenyUsers` names the login: `user`, or `user@address`; `None` where that
/// depends on an address that is not known.
pub fn names(pattern: &str, login: &Login) -> Option<bool> {
    match pattern.rsplit_once('@') {
        Some((user, _)) if !glob(user, &login.user) => Some(false),
        Some((_, from)) => address(from, login.from),
        None => Some(glob(pattern, &login.user)),
    }
}

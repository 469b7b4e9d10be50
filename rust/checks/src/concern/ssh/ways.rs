//! Ways by which sshd lets accounts in without a key in a file: certificates, commands, other computers' words.

use std::collections::BTreeSet;

use deployctl_core::precedence::sshd::evaluate;
use deployctl_core::query::Query;

use super::CONCERN;
use super::settings::{Effective, login_of};
use crate::answer::Found;
use crate::{Check, Declared};

/// Keywords of `sshd_config(5)` that open accounts, each with the value that opens none. sshd prints those alone that it
/// was built with.
const WAYS: [(&str, &str); 4] = [
    ("authorizedkeyscommand", "none"),
    ("trustedusercakeys", "none"),
    ("hostbasedauthentication", "no"),
    ("gssapiauthentication", "no"),
];

/// Nothing but keys in files opens an account, unless a file that facts declare says so.
pub(super) fn check(query: &Query, declared: &Declared<'_>) -> Check {
    let ours: BTreeSet<String> = declared
        .rendered
        .entries
        .keys()
        .map(ToString::to_string)
        .collect();
    Check::new(
        CONCERN,
        "other-ways",
        query,
        "keys in files alone open accounts, and what facts declare".to_owned(),
        move |answer| {
            let effective = Effective::parse(answer)?;
            let mut others = BTreeSet::new();
            for login in &effective.logins {
                login.one("pubkeyauthentication")?;
                let by_file = evaluate(&effective.files, &login_of(login.user));
                for (key, off) in WAYS {
                    let said: Vec<&str> = login.words(key).collect();
                    if said.is_empty() || said == [off] {
                        continue;
                    }
                    let place = by_file.get(key).map(|value| &value.place);
                    if place.is_some_and(|place| ours.contains(&place.file)) {
                        continue;
                    }
                    let place = place.map(|place| format!(" ({place})"));
                    others.insert(format!(
                        "`{key} {}`{}",
                        said.join(" "),
                        place.unwrap_or_default()
                    ));
                }
            }
            let others: Vec<String> = others.into_iter().collect();
            let evidence = if others.is_empty() {
                "none besides".to_owned()
            } else {
                others.join(", ")
            };
            Ok(Found::when(others.is_empty(), evidence).or_hint(
                "take it out of that file, or declare the file in `extra.files`; `ssh.exclusive_keys` turns all of these off",
            ))
        },
    )
}

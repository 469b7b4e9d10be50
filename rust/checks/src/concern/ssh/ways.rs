//! Ways by which sshd lets accounts in without a key in a file: certificates, commands, other computers' words.

use std::collections::BTreeSet;

use deployctl_core::precedence::ConfigFiles;
use deployctl_core::precedence::sshd::evaluate;
use deployctl_core::query::Query;

use super::CONCERN;
use super::settings::{Effective, Settings, login_of};
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
    let ours = declared.managed_paths();
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
                others.extend(of_login(login, &effective.files, &ours));
            }
            let others: Vec<String> = others.into_iter().collect();
            Ok(Found::none_of(&others, "none besides")
                .or_hint("take it out of that file, or declare the file in `extra.files`"))
        },
    )
}

/// The ways that open the account of `login` and are in no file of `ours`, each with its place where that is known.
fn of_login(login: &Settings<'_>, files: &ConfigFiles, ours: &BTreeSet<String>) -> Vec<String> {
    let by_file = evaluate(files, &login_of(login.user));
    let mut others = Vec::new();
    for (key, off) in WAYS {
        let said: Vec<&str> = login.words(key).collect();
        if said.is_empty() || said == [off] {
            continue;
        }
        let said = said.join(" ");
        match by_file.get(key).map(|value| &value.place) {
            Some(place) if ours.contains(&place.file) => {}
            Some(place) => others.push(format!("`{key} {said}` ({place})")),
            None => others.push(format!("`{key} {said}`")),
        }
    }
    others
}

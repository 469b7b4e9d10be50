//! Everything that judges an answer: the checks of every host on every platform, and of every link.

use std::sync::LazyLock;

use deployctl_checks::{Check, checks};
use deployctl_core::inventory::host::Platform;
use deployctl_core::query::Section;

use crate::host::{HOSTS, checks_of, good_answers, inventory};
use crate::links;
use crate::nixos::made;

/// A check, and what a good host answers it where that is recorded.
pub(crate) struct Subject {
    pub(crate) host: String,
    pub(crate) check: Check,
    pub(crate) good: Option<Section>,
}

/// All of them.
pub(crate) fn subjects() -> &'static [Subject] {
    static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(all);
    &SUBJECTS
}

fn all() -> Vec<Subject> {
    let mut all = Vec::new();
    for host in HOSTS {
        let good = good_answers(host);
        let mut add = |name: String, checks: Vec<Check>| {
            all.extend(checks.into_iter().map(|check| Subject {
                host: name.clone(),
                good: good.get(&check.query.id).cloned(),
                check,
            }));
        };
        let built = match inventory()
            .hosts()
            .iter()
            .find(|(name, _)| name.as_str() == *host)
        {
            Some((_, facts)) if facts.platform.is_linux() => Platform::Nixos,
            _ => Platform::Darwin,
        };
        add((*host).to_owned(), checks_of(host));
        add(format!("{host}, built by Nix"), made(host, built, checks));
    }
    all.extend(links::subjects().map(|(link, good)| Subject {
        host: format!("link {}", link.link),
        check: link.check,
        good,
    }));
    all
}

//! Whether a host of a Nix platform runs the system that was built for it, and will boot it.

use deployctl_core::closure::StorePath;
use deployctl_core::query::Query;

use super::answer::{Answer, Found, Unreadable, value};
use crate::concern::system::CONCERN;
use crate::{Check, Declared};

/// The running system decides confirm. The one of the next boot is set at the commit, so it does not.
pub(super) fn checks(declared: &Declared<'_>) -> Vec<Check> {
    let Some(closure) = &declared.rendered.closure else {
        return Vec::new();
    };
    let query = Query::new(
        "system/current",
        "printf 'current=%s\\n' \"$(readlink -f /run/current-system)\"\nprintf 'profile=%s\\n' \"$(readlink -f /nix/var/nix/profiles/system)\"",
    );
    let check = |what: &str, key: &'static str, expected: String, hint: &'static str| {
        let wanted = closure.toplevel.clone();
        Check::new(CONCERN, what, &query, expected, move |answer| {
            judge(answer, key, &wanted, hint)
        })
    };
    let name = closure.toplevel.name();
    vec![
        check(
            "current",
            "current",
            format!("{name} runs"),
            "something else was switched to, or the activation did not come to its end",
        )
        .gate_if(true),
        check(
            "next-boot",
            "profile",
            format!("the next boot starts {name}"),
            "another program changed the profile: `deployctl diff`, then apply",
        ),
    ]
}

fn judge(
    answer: &Answer<'_>,
    key: &str,
    wanted: &StorePath,
    hint: &'static str,
) -> Result<Found, Unreadable> {
    let pairs = answer.pairs('=')?;
    let found = value(&pairs, key)?;
    let evidence = if found.is_empty() { "nothing" } else { found };
    Ok(Found::when(found == wanted.as_str(), evidence).or_hint(hint))
}

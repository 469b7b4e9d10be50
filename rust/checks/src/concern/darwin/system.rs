//! Names and time zone of a Mac.

use deployctl_core::inventory::system::System;
use deployctl_core::query::Query;

use crate::answer::{Found, Unreadable, value};
use crate::concern::system::{CONCERN, Entitled};
use crate::{Check, Declared};

pub(in crate::concern) fn checks(facts: &System, declared: &Declared<'_>) -> Vec<Check> {
    let query = Query::new(
        "system/mac-names",
        "printf 'hostname=%s\\n' \"$(/usr/sbin/scutil --get HostName 2>/dev/null)\"\n\
         printf 'local=%s\\n' \"$(/usr/sbin/scutil --get LocalHostName 2>/dev/null)\"\n\
         printf 'zone=%s\\n' \"$(/usr/bin/readlink /etc/localtime)\"",
    );
    let hostname = facts.hostname.to_string();
    let name = |what: &str, key: &'static str, expected: String, hint: &'static str| {
        let wanted = hostname.clone();
        Check::new(CONCERN, what, &query, expected, move |answer| {
            let pairs = answer.pairs('=')?;
            let found = value(&pairs, key)?;
            let shown = if found.is_empty() { "not set" } else { found };
            Ok(Found::when(found == wanted, shown).or_hint(hint))
        })
    };
    let zone = facts.timezone.to_string();
    vec![
        name(
            "hostname",
            "hostname",
            format!("its name is {hostname}"),
            "without one of its own, a Mac is named by whatever network it is in: apply",
        ),
        name(
            "local-hostname",
            "local",
            format!("others find it as {hostname}.local"),
            "macOS renames itself where it hears the name from another machine: `scutil --set LocalHostName`",
        ),
        Check::new(
            CONCERN,
            "timezone",
            &query,
            format!("the time zone is {zone}"),
            move |answer| {
                let pairs = answer.pairs('=')?;
                let link = value(&pairs, "zone")?;
                let found = link.split_once("zoneinfo/").map_or(link, |(_, name)| name);
                let shown = if found.is_empty() { "not set" } else { found };
                Ok(Found::when(found == zone, shown)
                    .or_hint("the setting that follows the machine's place may have changed it"))
            },
        ),
        root_access(declared),
    ]
}

/// Administrators of a Mac may become root by sudo; only those whom facts name are.
fn root_access(declared: &Declared<'_>) -> Check {
    let query = Query::new(
        "system/mac-root-access",
        "/usr/bin/dscl . -read /Groups/admin GroupMembership",
    );
    let entitled = Entitled::of(declared);
    Check::new(
        CONCERN,
        "root-access",
        &query,
        "only those whom facts name are administrators".to_owned(),
        move |answer| {
            let members = answer.lines()?.next().unwrap_or_default();
            let members = members
                .strip_prefix("GroupMembership:")
                .ok_or_else(|| Unreadable::new("no members of the group `admin` in the answer"))?;
            let others: Vec<String> = members
                .split_whitespace()
                .filter(|member| !entitled.by_group(member, "admin"))
                .map(|member| format!("`{member}`"))
                .collect();
            Ok(Found::none_of(&others, "nobody else").or_hint(
                "declare the account as an operator; or on the Mac: `dseditgroup -o edit -d USER -t user admin`",
            ))
        },
    )
}

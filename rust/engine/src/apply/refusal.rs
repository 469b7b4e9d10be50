//! Hints for refusals whose cause the host's own words name.

use deployctl_core::activation::status::FailureCode;

/// The next step; `None` if the text names no known cause.
pub(super) fn hint(code: FailureCode, said: &str) -> Option<&'static str> {
    Some(match code {
        FailureCode::Lock => {
            "wait for it, or roll it back and take over with `deployctl apply --steal`"
        }
        FailureCode::Stale => "plan again: `deployctl plan`",
        FailureCode::Space => "make room there",
        FailureCode::Layout => "change this on the host by hand; nothing was touched",
        FailureCode::Validate => {
            "correct the file that it names: by the facts or the template where it is ours, else on the host; nothing was changed"
        }
        FailureCode::Packages => return packages(said),
        _ => return None,
    })
}

/// Parts of messages of apt and dpkg, each with its hint; the first match counts, since later messages follow from the
/// first.
const OF_APT: &[(&[&str], &str)] = &[
    (
        &["dpkg was interrupted"],
        "on the host, as root: `dpkg --configure -a`; nothing was changed",
    ),
    (
        &[
            "needs to be reinstalled, but I can't find an archive for it",
            "dpkg did not finish unpacking",
        ],
        "if no dpkg is at work on the host: as root, `dpkg --install` its file, or `dpkg --remove --force-remove-reinstreq` it; nothing was changed",
    ),
    (
        &[
            "Could not get lock",
            "Unable to acquire the dpkg frontend lock",
            "Unable to lock",
        ],
        "another apt or dpkg is at work on the host: apply again once it has ended; nothing was changed",
    ),
    (
        &[
            "You don't have enough free space",
            "No space left on device",
        ],
        "make room on the host; nothing was changed",
    ),
    (
        &[
            "Temporary failure resolving",
            "Could not resolve",
            "Could not connect",
            "Unable to connect",
            "Cannot initiate the connection",
            "Connection failed",
            "Connection timed out",
        ],
        "the host cannot reach that archive: look at its sources, proxy, name servers and firewall; nothing was changed",
    ),
    (
        &["Conflicting values set for option"],
        "on the host, remove that file or the package that brought it; nothing was changed",
    ),
    (
        &["Snapshots not supported"],
        "leave `snapshot` out: apt knows of no snapshots of that archive; nothing was changed",
    ),
    (
        &["NO_PUBKEY", "Missing key"],
        "the key that apt has for that archive did not sign it: compare the declared one with what the archive's owner publishes; nothing was changed",
    ),
    (
        &[
            "is not signed",
            "EXPKEYSIG",
            "is not valid yet",
            "is expired",
        ],
        "the host does not trust that archive: look at its key and at the host's clock; nothing was changed",
    ),
    (
        MISSED,
        "compare the pins with what the archive offers; nothing was changed",
    ),
    (
        &["unmet dependencies", "held broken packages", "Conflicts:"],
        "the declared packages exclude each other or one on the host: apt says which; nothing was changed",
    ),
];

/// What follows a refusal where apt could not read one of its archives, which may be the one in question or not.
const AN_ARCHIVE_AWAY: &str = "; `apt-get update`: ";

/// That no archive which apt could read offers what is declared.
const MISSED: &[&str] = &[
    "was not found",
    "has no installation candidate",
    "Unable to locate package",
    "Can't find a source to download version",
    "superseded pin",
];

fn packages(said: &str) -> Option<&'static str> {
    let (cause, away) = match said.split_once(AN_ARCHIVE_AWAY) {
        Some((cause, _)) => (cause, true),
        None => (said, false),
    };
    let holds = |signs: &[&str]| signs.iter().any(|sign| cause.contains(sign));
    if away && holds(MISSED) {
        return Some(
            "no archive that apt could read offers that, and one could not be read: see to it first if it is to offer it, else compare the pins with what the others offer; nothing was changed",
        );
    }
    let told = OF_APT.iter().find(|(signs, _)| holds(signs));
    told.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded messages of apt, each with words of its hint.
    const SAID: &[(&str, &str)] = &[
        (
            "cannot download packages: E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a' to correct the problem.",
            "dpkg --configure -a",
        ),
        (
            "`apt-get update` failed: E: Could not get lock /var/lib/apt/lists/lock. It is held by process 20205 (python3)",
            "another apt",
        ),
        (
            "cannot download packages: E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
            "another apt",
        ),
        (
            "Err:1 http://a.example stable InRelease Temporary failure resolving 'a.example' E: Version '2.0' for 'x' was not found",
            "cannot reach",
        ),
        (
            "apt cannot do it: E: The package x needs to be reinstalled, but I can't find an archive for it.",
            "dpkg --install",
        ),
        (
            "apt cannot do it: E: Can't find a source to download version '1.0' of 'x:amd64'; dpkg did not finish unpacking `x`",
            "dpkg --install",
        ),
        (
            "apt cannot do it: E: Can't find a source to download version '1.0' of 'x:amd64'",
            "pins",
        ),
        ("E: Version '2.0' for 'x' was not found", "pins"),
        ("E: Package 'x' has no installation candidate", "pins"),
        (
            "apt cannot do it: E: Unable to locate package x; `apt-get update`: W: GPG error: http://other.example: NO_PUBKEY 12",
            "see to it first",
        ),
        (
            "The following packages have unmet dependencies: a : Conflicts: b but 1 is to be installed",
            "exclude each other",
        ),
        (
            "W: GPG error: http://a.example stable InRelease: NO_PUBKEY 12",
            "did not sign it",
        ),
        (
            "error message is: Missing key 12, which is needed to verify signature.",
            "did not sign it",
        ),
        (
            "apt cannot read its sources: E: Snapshots not supported for http://a.example/ /",
            "`snapshot`",
        ),
        (
            "E: Release file for http://a.example/InRelease is expired (invalid since 1d)",
            "clock",
        ),
        (
            "E: Conflicting values set for option Signed-By regarding source http://a.example/ /: a != b",
            "remove that file",
        ),
        (
            "E: You don't have enough free space in /var/cache/apt/archives/.",
            "room",
        ),
    ];

    #[test]
    fn only_a_cause_that_was_said_has_a_hint() {
        for (said, word) in SAID {
            let hint = hint(FailureCode::Packages, said).unwrap_or_default();
            assert!(hint.contains(word), "{said}: {hint}");
        }
        assert_eq!(hint(FailureCode::Packages, "E: something else"), None);
    }
}

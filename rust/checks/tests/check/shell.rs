//! The queries are shell that runs as root: every one is clean by shellcheck, and parses.

use std::fmt::Write as _;

use deployctl_checks::queries;

use crate::host::{HOSTS, checks_of};
use crate::shellcheck;

/// What the engine says about a file that it uploaded.
pub(crate) const SHIPPED: &str = "shipped=/var/cache/deployctl/hostprobe
shipped_sha256='' shipped_machine='' shipped_interpreter='' shipped_glibc=''
export shipped shipped_sha256 shipped_machine shipped_interpreter shipped_glibc
";

#[test]
fn every_query_is_clean_by_shellcheck() {
    let mut script = SHIPPED.to_owned();
    let all = HOSTS.iter().flat_map(|host| queries(&checks_of(host)));
    for (n, query) in all.enumerate() {
        // A function each, so that none sees another's variables.
        let _ = writeln!(
            script,
            "# {}\nquery{n}() (\n{}\n)\nquery{n}",
            query.id, query.command
        );
    }
    shellcheck::clean("the checks", &script, "");
}

//! The queries are shell that runs as root: every one is clean by shellcheck, and parses.

use std::fmt::Write as _;

use deployctl_checks::queries;
use deployctl_core::concern::Folders;
use deployctl_core::query::quote;

use crate::host::{HOSTS, checks_of};
use crate::shellcheck;

/// What the engine says about a file that it uploaded.
pub(crate) const SHIPPED: &str = "shipped=/var/cache/deployctl/hostprobe
shipped_sha256='' shipped_machine='' shipped_interpreter='' shipped_glibc=''
export shipped shipped_sha256 shipped_machine shipped_interpreter shipped_glibc
";

/// `command` with the scripts of our folders in the place where it reads them by `eval`.
fn evaluated(command: &str) -> String {
    let files = Folders::built_in().iter().flat_map(|(_, it)| &it.files);
    let mut command = command.to_owned();
    for (_, text) in files {
        let assignment = format!("script={}\n", quote(text));
        if command.contains(&assignment) {
            command = command.replace(&assignment, "");
            command = command.replace("eval \"$script\"", text);
        }
    }
    command
}

#[test]
fn every_query_is_clean_by_shellcheck() {
    let mut script = SHIPPED.to_owned();
    let all = HOSTS.iter().flat_map(|host| queries(&checks_of(host)));
    for (n, query) in all.enumerate() {
        // A function each, so that none sees another's variables.
        let _ = writeln!(
            script,
            "# {}\nquery{n}() (\n{}\n)\nquery{n}",
            query.id,
            evaluated(&query.command)
        );
    }
    shellcheck::clean("the checks", &script, "");
}

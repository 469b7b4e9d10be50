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

/// `command` with the script of our folders that it reads by `eval` in the place where it does.
pub(crate) fn evaluated(command: &str) -> String {
    const EVAL: &str = "eval \"$script\"";
    let files = Folders::built_in().iter().flat_map(|(_, it)| &it.files);
    let mut scripts = files.map(|(_, text)| (format!("script={}\n", quote(text)), text));
    match scripts.find(|(assignment, _)| command.contains(assignment)) {
        Some((assignment, text)) if command.contains(EVAL) => {
            command.replace(&assignment, "").replace(EVAL, text)
        }
        _ => command.to_owned(),
    }
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

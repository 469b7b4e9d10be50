//! The queries are shell that runs as root: every one is clean by shellcheck, and parses.

use std::fmt::Write as _;

use deployctl_checks::{link, queries};
use deployctl_core::concern::Folders;
use deployctl_core::query::{Query, quote};

use crate::host::{HOSTS, checks_of};
use crate::links;
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

/// Every query of links, server and end of a server.
fn of_links() -> Vec<Query> {
    link::checks(links::three())
        .into_iter()
        .flat_map(|link| {
            let server = link.server.map(|server| [server.start, server.stop]);
            [link.check.query]
                .into_iter()
                .chain(server.into_iter().flatten())
        })
        .collect()
}

#[test]
fn every_query_of_a_link_is_clean_by_shellcheck() {
    let mut script = String::new();
    for (n, query) in of_links().iter().enumerate() {
        let _ = writeln!(
            script,
            "# {}\nquery{n}() (\n{}\n)\nquery{n}",
            query.id, query.command
        );
    }
    // Each changes the PATH of only its own subshell.
    shellcheck::clean("the checks of links", &script, "SC2030,SC2031");
}

#[test]
fn what_a_link_between_a_linux_host_and_a_mac_asks() {
    let mut text = String::new();
    for link in links::checks() {
        let _ = writeln!(
            text,
            "=== {} on {}, {} s\n{}",
            link.check.query.id,
            link.from,
            link.check.query.deadline.as_secs(),
            link.check.query.command
        );
        if link.check.id.ends_with("throughput/cuda-to-mac-mini")
            && let Some(server) = link.server
        {
            for query in [server.start, server.stop] {
                let _ = writeln!(text, "=== {} on {}\n{}", query.id, link.peer, query.command);
            }
        }
    }
    insta::assert_snapshot!(text);
}

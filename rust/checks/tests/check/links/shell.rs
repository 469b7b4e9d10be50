//! The queries of links are shell that runs as root: every one is clean by shellcheck, and parses.

use std::fmt::Write as _;

use deployctl_checks::link;
use deployctl_core::query::Query;

use crate::shellcheck;

/// Every query, server and end of a server.
fn all() -> Vec<Query> {
    link::checks(super::three())
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
fn every_query_is_clean_by_shellcheck() {
    let mut script = String::new();
    for (n, query) in all().iter().enumerate() {
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
    for link in super::checks() {
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

//! The queries are shell that runs as root: every one is clean by shellcheck, and parses.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use deployctl_core::check::queries;

use crate::host::checks_of;

#[test]
#[expect(clippy::disallowed_methods, reason = "the test runs shellcheck")]
fn every_query_is_clean_by_shellcheck() {
    let mut script = String::new();
    let all = queries(&checks_of("cuda"))
        .into_iter()
        .chain(queries(&checks_of("linode")));
    for (n, query) in all.enumerate() {
        // A function each, so that none sees another's variables.
        let _ = writeln!(
            script,
            "# {}\nquery{n}() (\n{}\n)\nquery{n}",
            query.id, query.command
        );
    }
    let mut child = Command::new("shellcheck")
        .args(["--shell=dash", "--severity=style", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("shellcheck is installed (apt-get install shellcheck)");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

//! The one caller of shellcheck.
#![expect(clippy::disallowed_methods, reason = "it runs shellcheck")]

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Panics with what shellcheck says of `script` as POSIX sh. `exclude` are codes that do not apply, separated
/// by commas; `name` is whose script it is.
pub(crate) fn clean(name: &str, script: &str, exclude: &str) {
    let mut child = Command::new("shellcheck")
        .args(["--shell=sh", "--severity=style", "--exclude", exclude, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("shellcheck is installed (apt-get install shellcheck)");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(script.as_bytes())
        .expect("shellcheck reads it all");
    let output = child.wait_with_output().expect("shellcheck ends");
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

//! What a test needs of the machine it runs on. Packages include it by its path: their tests have no crate in common.

use std::io::Write as _;

/// Names a file; with it, a test that lacks something is noted there as skipped, and without it such a test fails.
const SKIPPED: &str = "DEPLOYCTL_TESTS_SKIPPED";

/// What was `found`; `None` only where the test was noted as skipped, so that it may return. `what` is `PROGRAM (package
/// NAME)` for what `tests/run` installs, and anything else for what it cannot bring: a right, another computer.
pub(crate) fn demand<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_some() {
        return found;
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let Some(list) = std::env::var_os(SKIPPED) else {
        panic!(
            "this test needs {what}; tests/run installs every program, and counts what it skips"
        );
    };
    let noted = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&list)
        .and_then(|mut file| file.write_all(format!("{test}: needs {what}\n").as_bytes()));
    if let Err(error) = noted {
        panic!("{}: {error}", list.display());
    }
    None
}

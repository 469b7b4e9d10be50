//! Files from elsewhere may hold anything: programs from another build, and files that a person edited or merged.
//!
//! `PROPTEST_CASES` says how many cases there are, 256 where it is not set.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: it reads a program of this machine, and says how many cases it tried"
)]

use std::cell::Cell;

use deployctl_checks::accepted::Accepted;
use deployctl_checks::elf;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestError, TestRunner};

/// Tries `strategy` and says how often.
fn tried<S: Strategy>(
    what: &str,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let count = Cell::new(0_u32);
    let outcome = TestRunner::new(config).run(strategy, |value| {
        count.set(count.get() + 1);
        test(value)
    });
    match outcome {
        Ok(()) => println!("hostile files: {what}: {} cases", count.get()),
        Err(TestError::Fail(why, value)) => panic!("{why}\n{value:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// A real program, small enough to be damaged often.
fn program() -> Vec<u8> {
    let mut known = ["/bin/true", "/usr/bin/true"].into_iter();
    let found = known.find_map(|path| std::fs::read(path).ok());
    found.unwrap_or_else(|| std::fs::read(std::env::current_exe().unwrap()).unwrap())
}

#[test]
fn any_bytes_that_begin_like_a_program_are_read_or_refused() {
    let strategy = (
        any::<[u8; 2]>(),
        proptest::collection::vec(any::<u8>(), 0..600),
    );
    tried("beginnings of programs", &strategy, |(kind, bytes)| {
        // Of either width and byte order, or of none.
        let class = [kind[0] % 3, kind[1] % 3, 1];
        let bytes = [b"\x7fELF".as_slice(), &class, &bytes].concat();
        let _ = elf::read(&bytes);
        Ok(())
    });
}

#[test]
fn a_damaged_program_is_read_or_refused() {
    let good = program();
    let fine = elf::read(&good);
    let change = (any::<Index>(), any::<u8>(), any::<bool>());
    let strategy = (
        proptest::collection::vec(change, 1..6),
        any::<Index>(),
        0..4_u8,
    );
    tried("damaged programs", &strategy, |(changes, cut, whole)| {
        let mut bytes = good.clone();
        for (at, byte, early) in changes {
            // Half of them where the headers are.
            let reach = if early {
                1024.min(bytes.len())
            } else {
                bytes.len()
            };
            let at = at.index(reach);
            bytes[at] = byte;
        }
        if whole == 0 {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Ok(program) = elf::read(&bytes) {
            prop_assert!(program.interpreter.chars().count() <= 256);
        }
        Ok(())
    });
    assert_eq!(elf::read(&good), fine);
}

#[test]
fn any_text_is_an_accepted_snapshot_or_an_error_with_its_line() {
    let line = "(version 1|# .{0,20}|[a-z]{1,8}/[a-z*]{1,8}: (pass|fail|skip|stale|error|Pass|)|  (expected|found|status): .{0,30}|\\PC{0,30}|\t|\r|)";
    let strategy = proptest::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"));
    tried("accepted snapshots", &strategy, |text| {
        match Accepted::parse("accepted.snap", &text) {
            Ok(accepted) => {
                let again = Accepted::parse("accepted.snap", &accepted.to_text());
                prop_assert_eq!(again.as_ref(), Ok(&accepted));
            }
            Err(error) => {
                prop_assert!(error.line <= text.lines().count() + 1, "{error}");
                prop_assert!(!error.problem.is_empty());
            }
        }
        Ok(())
    });
}

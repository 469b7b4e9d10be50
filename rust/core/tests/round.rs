//! Runs rounds of queries in real shells on this machine.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: what the script means is what a shell makes of it"
)]

mod shellcheck;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deployctl_core::query::{Answers, Marker, Query, parse, script};

const SHELLS: [&[&str]; 2] = [&["dash", "-s"], &["bash", "--posix", "-s"]];

fn ask(shell: &[&str], queries: &[Query]) -> Answers {
    run(shell, &script(&Marker::new([3; 16]), queries))
}

fn run(shell: &[&str], script: &str) -> Answers {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    parse(&Marker::new([3; 16]), &output.stdout).unwrap()
}

#[test]
fn every_query_gets_its_own_section() {
    for shell in SHELLS {
        let answers = ask(
            shell,
            &[
                Query::inline("in", "printf 'it'\\''s\\n'; echo oops >&2; exit 3"),
                Query::new("out", "printf 'a\\0b'; cat; exit 4"),
                Query::new("quotes", "printf %s \"\\\"'\" '$x' `echo b`"),
                Query::new("none", ":"),
            ],
        );
        assert_eq!(answers["in"].stdout, b"it's\n");
        assert_eq!(answers["in"].stderr, b"oops\n");
        assert_eq!(answers["in"].status, Some(3));
        assert_eq!(answers["out"].stdout, b"a\0b");
        assert_eq!(answers["out"].status, Some(4));
        assert_eq!(answers["quotes"].stdout, b"\"'$xb");
        assert_eq!(answers["none"].stdout, b"");
        assert_eq!(answers["none"].status, Some(0));
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Two that do not end, and two with the same deadline or another.
fn hanging() -> [Query; 4] {
    [
        Query::new("hangs", "sleep 60 & echo $!; wait").with_deadline(SECOND),
        Query::new(
            "stubborn",
            "trap '' TERM; echo x; while :; do sleep 1; done",
        )
        .with_deadline(SECOND),
        Query::new("beside", "echo here").with_deadline(SECOND),
        Query::new("quick", "echo here"),
    ]
}

fn only_those_that_hang_are_late(answers: &Answers) {
    assert_eq!(answers["hangs"].status, None);
    assert_eq!(answers["stubborn"].status, None);
    assert_eq!(answers["stubborn"].stdout, b"x\n");
    for id in ["beside", "quick"] {
        assert_eq!(answers[id].status, Some(0), "{id}");
        assert_eq!(answers[id].stdout, b"here\n", "{id}");
    }
}

/// The state of the process that `hangs` started in the background, as the kernel has it; `None` where it is gone.
fn left_behind(answers: &Answers) -> Option<String> {
    let pid = String::from_utf8(answers["hangs"].stdout.clone()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
    let state = stat.rsplit_once(") ").unwrap().1.split(' ').next().unwrap();
    (state != "Z").then(|| stat.clone())
}

#[test]
fn a_query_that_hangs_costs_its_own_section() {
    for shell in SHELLS {
        let start = Instant::now();
        let answers = ask(shell, &hanging());
        assert!(start.elapsed() < Duration::from_secs(8), "{shell:?}");
        only_those_that_hang_are_late(&answers);
        assert_eq!(left_behind(&answers), None, "{shell:?}");
    }
}

/// As macOS is; its shell is bash.
#[test]
fn a_host_without_timeout_ends_what_hangs_all_the_same() {
    let start = Instant::now();
    let text = script(&Marker::new([3; 16]), &hanging());
    let text = text.replace("command -v timeout", "command -v no-timeout");
    let answers = run(SHELLS[1], &text);
    assert!(start.elapsed() < Duration::from_secs(8));
    only_those_that_hang_are_late(&answers);
    assert_eq!(left_behind(&answers), None);
}

#[test]
fn a_query_that_never_stops_talking_is_cut_at_its_cap() {
    for shell in SHELLS {
        let answers = ask(
            shell,
            &[
                Query::new("loud", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyy; done").with_cap(2048),
                Query::inline("loud-inline", "while :; do echo yyyyyyyyyyyyyyy; done")
                    .with_cap(1000),
                Query::new("small", "echo y").with_cap(2048),
            ],
        );
        assert_eq!(answers["loud"].stdout.len(), 2048, "{shell:?}");
        assert!(answers["loud"].truncated);
        assert_eq!(answers["loud-inline"].stdout.len(), 1024, "{shell:?}");
        assert!(answers["loud-inline"].truncated);
        assert!(!answers["small"].truncated);
    }
}

#[test]
fn what_outlives_a_round_cannot_break_its_frame() {
    for shell in SHELLS {
        let answers = ask(
            shell,
            &[
                Query::new(
                    "orphan",
                    "setsid sh -c 'while :; do echo z; sleep 0.01; done' & echo $!",
                )
                .with_cap(4096),
                Query::new("next", "echo n"),
            ],
        );
        assert_eq!(answers["next"].stdout, b"n\n");
    }
}

#[test]
fn nothing_is_left_behind() {
    for shell in SHELLS {
        let answers = ask(shell, &[Query::inline("a", "ls -ld \"$d\"; echo \"$d\"")]);
        let text = String::from_utf8(answers["a"].stdout.clone()).unwrap();
        assert!(text.starts_with("drwx------"), "{text}");
        let dir = text.lines().last().unwrap();
        assert!(!std::path::Path::new(dir).exists(), "{dir}");
    }
}

#[test]
fn the_script_is_clean_by_shellcheck() {
    let text = script(
        &Marker::new([3; 16]),
        &[Query::inline("a", "echo a"), Query::new("b", "echo 'b'")],
    );
    shellcheck::clean("the round", &text, "");
}

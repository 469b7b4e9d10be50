//! Every error in every phase: an outcome follows from what was heard of the host, never from the kind of error.

use std::fmt::Write as _;

use deployctl_core::activation::Phase;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::{Call, Reply};

use crate::host::{Story, failed, frame, timed};

/// One error of every kind that there is.
pub(crate) const ERRORS: [&str; 9] = [
    "Connect",
    "NoShell",
    "HostKey",
    "Privilege",
    "Lost",
    "Timeout",
    "TooMuch",
    "Put",
    "Local",
];

pub(crate) fn error(kind: &str) -> TransportError {
    let address = "op@host".to_owned();
    let cause = "said so".to_owned();
    match kind {
        "Connect" => TransportError::Connect {
            address,
            cause,
            hint: None,
        },
        "HostKey" => TransportError::HostKey { address, cause },
        "NoShell" => TransportError::NoShell {
            address,
            cause,
            hint: None,
        },
        "Privilege" => TransportError::Privilege {
            address,
            cause,
            hint: None,
        },
        "Lost" => TransportError::Lost { address, cause },
        "Timeout" => TransportError::Timeout {
            address,
            seconds: 30,
        },
        "TooMuch" => TransportError::TooMuch { address, cap: 1000 },
        "Put" => TransportError::Put {
            address,
            directory: "/x".to_owned(),
            cause,
        },
        _ => TransportError::Local {
            action: "write".to_owned(),
            source: std::io::Error::other("said so"),
        },
    }
}

/// The kind of the outcome, and when the host begins to put it back where that is said.
fn outcome(told: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix("=> "));
    let line = line.expect("it ended");
    let kind = line.split([' ', '{']).next().expect("a word");
    match line.rsplit_once("until: Some(") {
        Some((_, until)) => {
            let seconds: u64 = until.split(')').next().unwrap().parse().unwrap();
            format!("{kind} {}", seconds - 1_795_392_000)
        }
        None => kind.to_owned(),
    }
}

/// Says how far it is as long as it speaks; then every way to it fails like this.
fn falls_silent(kind: &'static str, phase: Option<Phase>) -> Story {
    let mut silent = phase.is_none();
    Story::new(move |call, _| match call {
        Call::Run(_) if !silent => {
            silent = true;
            timed(phase.expect("it spoke").word(), 50)
        }
        _ => Reply::Fail(error(kind)),
    })
}

/// The same, and is back with the next connection, by then in `end`.
fn comes_back(kind: &'static str, phase: Option<Phase>, end: Option<Phase>) -> Story {
    let (mut spoken, mut failing) = (phase.is_none(), true);
    Story::new(move |call, _| match call {
        Call::Reconnect => {
            failing = false;
            Reply::says("")
        }
        Call::Run(_) if !spoken => {
            spoken = true;
            timed(phase.expect("it spoke").word(), 50)
        }
        Call::Run(_) if failing => Reply::Fail(error(kind)),
        _ => match end {
            Some(Phase::Committed) => frame("committed", 1, ""),
            Some(end) => failed(end.word(), "step as it was said"),
            None => Reply::says("deployctl-status 1\ngeneration 0\nlog 0 0 0\n\nend\n"),
        },
    })
}

fn open_phases() -> Vec<Option<Phase>> {
    let phases = Phase::ALL.into_iter().filter(|phase| !phase.is_final());
    std::iter::once(None).chain(phases.map(Some)).collect()
}

fn word(phase: Option<Phase>) -> &'static str {
    phase.map_or("nothing", Phase::word)
}

#[tokio::test]
async fn before_the_start_nothing_was_touched() {
    let mut table = String::new();
    for kind in ERRORS {
        let story = Story::failing_put(move || error(kind));
        let told = story.told(Interrupt::never()).await;
        let _ = writeln!(table, "{kind}: {}", outcome(&told));
    }
    insta::assert_snapshot!(table, @"
    Connect: Unreachable
    NoShell: Unreachable
    HostKey: Refused
    Privilege: Refused
    Lost: Unreachable
    Timeout: Unreachable
    TooMuch: Failed
    Put: Failed
    Local: Failed
    ");
}

#[tokio::test]
async fn a_host_that_falls_silent_after_the_start_is_open_whatever_the_error() {
    let mut table = String::new();
    for phase in open_phases() {
        for kind in ERRORS {
            let told = falls_silent(kind, phase).told(Interrupt::never()).await;
            let end = outcome(&told);
            assert!(
                end.starts_with("Open"),
                "{kind} after {}: {told}",
                word(phase)
            );
            let _ = writeln!(table, "{} / {kind}: {end}", word(phase));
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_host_that_comes_back_decides_itself_whatever_the_error() {
    let ends = [
        (Some(Phase::Committed), "Committed"),
        (Some(Phase::RolledBack), "RolledBack"),
        (Some(Phase::RollbackFailed), "RollbackFailed"),
        (Some(Phase::Refused), "Refused"),
    ];
    for phase in open_phases() {
        for kind in ERRORS {
            // Activated, the gates look first: over the new connection they are open, and it is confirmed.
            for (end, expected) in ends {
                let told = comes_back(kind, phase, end).told(Interrupt::never()).await;
                assert_eq!(
                    outcome(&told),
                    expected,
                    "{kind} after {}: {told}",
                    word(phase)
                );
            }
            // It never arrived, or was forgotten.
            let told = comes_back(kind, phase, None).told(Interrupt::never()).await;
            let expected = if phase.is_none() { "Failed" } else { "Open" };
            assert!(
                outcome(&told).starts_with(expected),
                "{kind} after {}: {told}",
                word(phase)
            );
        }
    }
}

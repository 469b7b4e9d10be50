//! Arbitrary reports.

use deployctl_checks::{Bound, CheckResult, CheckStatus, Limit, Measurement, Statistic};
use deployctl_core::name::ConcernName;
use deployctl_report::text::Run;
use deployctl_report::{HostReport, LinkReport, Outcome, Problem, Report};
use proptest::prelude::*;

use crate::fixture::{HOSTILE, name};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::sample::select(HOSTILE).prop_map(str::to_owned),
        "[a-z0-9/-]{0,30}",
    ]
}

/// Numbers of all sizes, such that are none included: a report may come from a file.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -1e3..1e3,
        Just(0.0),
        Just(f64::NAN),
        Just(1.0)
    ]
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let statistic = (
        prop_oneof![Just("p50".to_owned()), Just("p95".to_owned()), text()],
        number(),
    )
        .prop_map(|(name, value)| Statistic { name, value });
    let limit = (
        prop_oneof![Just("p95".to_owned()), text()],
        any::<bool>(),
        number(),
    )
        .prop_map(|(statistic, most, value)| Limit {
            statistic,
            bound: if most { Bound::AtMost } else { Bound::AtLeast },
            value,
        });
    (
        text(),
        text(),
        prop::collection::vec(statistic, 0..5),
        prop_oneof![
            prop::collection::vec(number(), 0..20),
            (number(), 0_usize..20).prop_map(|(same, count)| vec![same; count]),
        ],
        prop::option::of(limit),
    )
        .prop_map(|(what, unit, statistics, samples, limit)| Measurement {
            what,
            unit,
            statistics,
            samples,
            limit,
        })
}

fn status() -> impl Strategy<Value = CheckStatus> {
    prop_oneof![
        Just(CheckStatus::Pass),
        prop::option::of(text()).prop_map(|hint| CheckStatus::Fail { hint }),
        text().prop_map(|reason| CheckStatus::Skip { reason }),
        text().prop_map(|reason| CheckStatus::Error { reason }),
        text().prop_map(|reason| CheckStatus::Stale { reason }),
    ]
}

fn check() -> impl Strategy<Value = CheckResult> {
    (
        prop_oneof![Just("lan10g/ping/cuda-to-mac-mini".to_owned()), text()],
        "[a-z][a-z0-9]{0,9}",
        any::<bool>(),
        status(),
        text(),
        text(),
        any::<u8>(),
        prop::collection::vec(measurement(), 0..3),
    )
        .prop_map(
            |(check, concern, gate, status, expected, evidence, attempts, measurements)| {
                CheckResult {
                    check,
                    concern: ConcernName::new(concern).expect("a name"),
                    gate,
                    status,
                    expected,
                    evidence,
                    attempts,
                    measurements,
                }
            },
        )
}

fn problem() -> impl Strategy<Value = Problem> {
    (text(), prop::option::of(text())).prop_map(|(message, hint)| Problem { message, hint })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Verified),
        1 => Just(Outcome::Unchanged),
        1 => any::<u32>().prop_map(|generation| Outcome::Committed { generation }),
        1 => (text(), any::<bool>()).prop_map(|(reason, login)| Outcome::RolledBack { reason, login }),
        1 => (text(), text()).prop_map(|(reason, hint)| Outcome::RollbackFailed { reason, hint }),
        1 => prop::collection::vec(problem(), 0..3).prop_map(|reasons| Outcome::Refused { reasons }),
        1 => problem().prop_map(|reason| Outcome::Unreachable { reason }),
        1 => (problem(), any::<Option<u64>>()).prop_map(|(reason, until)| Outcome::Open { reason, until }),
        1 => problem().prop_map(|reason| Outcome::BuildFailed { reason }),
        1 => problem().prop_map(|reason| Outcome::NotStaged { reason }),
        1 => (0..3_usize, any::<u64>()).prop_map(|(artifacts, bytes)| Outcome::Staged { artifacts, bytes }),
        1 => problem().prop_map(|reason| Outcome::Failed { reason }),
        1 => Just(Outcome::Interrupted),
        1 => text().prop_map(|reason| Outcome::Skipped { reason }),
    ]
}

fn host() -> impl Strategy<Value = HostReport> {
    (
        prop::sample::select(&["cuda", "mac-mini", "linode", "unheard-of"][..]),
        outcome(),
        prop::collection::vec(check(), 0..4),
        prop::collection::vec(text(), 0..3),
    )
        .prop_map(|(host, outcome, checks, log)| HostReport {
            checks,
            log,
            ..HostReport::ended(name(host), outcome)
        })
}

fn link() -> impl Strategy<Value = LinkReport> {
    (
        prop_oneof![Just("lan10g".to_owned()), text()],
        prop::collection::vec(check(), 0..4),
    )
        .prop_map(|(link, checks)| LinkReport { link, checks })
}

/// Any report.
pub(crate) fn report() -> impl Strategy<Value = Report> {
    (
        text(),
        prop::collection::vec(host(), 0..4),
        prop::collection::vec(link(), 0..3),
    )
        .prop_map(|(command, hosts, links)| Report {
            links,
            ..Report::new(command, hosts)
        })
}

/// Any runs before.
pub(crate) fn history() -> impl Strategy<Value = Vec<Run>> {
    let run = (text(), report()).prop_map(|(at, report)| Run { at, report });
    prop::collection::vec(run, 0..3)
}

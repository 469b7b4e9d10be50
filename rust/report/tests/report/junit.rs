//! The file for CI systems, as a parser of XML sees it.

use deployctl_checks::gate::Tally;
use deployctl_checks::{Bound, CheckStatus, Measurement};
use deployctl_report::text::junit;
use deployctl_report::{HostReport, Outcome, Problem, Report};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::any;
use crate::fixture::{about, check, fail, name, named};

fn suites<'a>(document: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
    let all = document.descendants();
    all.filter(|n| n.has_tag_name("testsuite")).collect()
}

fn count(node: Node<'_, '_>, tag: &str) -> usize {
    node.descendants().filter(|n| n.has_tag_name(tag)).count()
}

/// What is counted must be what is there, and what the report says.
fn sound(report: &Report, xml: &str) -> Result<(), String> {
    let document = Document::parse(xml).map_err(|e| e.to_string())?;
    let said =
        |node: Node<'_, '_>, name: &str| node.attribute(name).and_then(|n| n.parse::<usize>().ok());
    let suites = suites(&document);
    let expected = (report.hosts.len() + report.links.len()).max(1);
    if suites.len() != expected {
        return Err(format!("{} suites, not {expected}", suites.len()));
    }
    let places = report
        .hosts
        .iter()
        .map(|h| (&h.checks, !matches!(h.verdict().code(), 0 | 3)))
        .chain(
            report
                .links
                .iter()
                .map(|l| (&l.checks, l.verdict().code() != 0)),
        );
    for (suite, (checks, bad)) in suites.iter().zip(places) {
        let tally = Tally::of(checks);
        let (failures, errors) = (count(*suite, "failure"), count(*suite, "error"));
        if said(*suite, "failures") != Some(failures) || said(*suite, "errors") != Some(errors) {
            return Err("counts that are not so".into());
        }
        if said(*suite, "tests") != Some(count(*suite, "testcase"))
            || count(*suite, "testcase") == 0
        {
            return Err("no tests".into());
        }
        if failures != tally.fail + tally.stale || errors < tally.error || errors > tally.error + 1
        {
            return Err(format!(
                "{failures} failures and {errors} errors of {tally:?}"
            ));
        }
        if count(*suite, "skipped") < tally.skip {
            return Err("skipped checks that do not say so".into());
        }
        if bad && failures + errors == 0 {
            return Err("green, and it is not".into());
        }
    }
    Ok(())
}

#[test]
fn a_small_file() {
    let mut cuda = HostReport::ended(name("cuda"), Outcome::Verified);
    let mut latency = check(
        "vllm/latency",
        CheckStatus::Pass,
        "p95 is at most 100 ms",
        "50 requests",
    );
    latency.attempts = 2;
    latency.measurements = vec![
        Measurement::new("time to first token", "ms")
            .statistic("p50", 41.0)
            .statistic("p95", 62.25)
            .limit("p95", Bound::AtMost, 100.0),
    ];
    let mut pool = fail(
        "hugepages/pool",
        "HugePages_Total is 2048",
        "HugePages_Total: 1024",
        "reboot",
    );
    pool.gate = true;
    cuda.checks = vec![
        pool,
        latency,
        check(
            "kernel/cmdline",
            CheckStatus::Stale {
                reason: "waits for a reboot".into(),
            },
            "isolcpus=2-7",
            "quiet",
        ),
        check(
            "power/ups",
            CheckStatus::Error {
                reason: "no answer within 5 s".into(),
            },
            "the UPS is on line",
            "",
        ),
        check(
            "trading/jitter",
            CheckStatus::Skip {
                reason: "the exchange is open".into(),
            },
            "50 µs",
            "",
        ),
    ];
    let mut macbook = HostReport::ended(
        name("macbook"),
        Outcome::Unreachable {
            reason: Problem {
                message: "cannot reach `macbook`".into(),
                hint: Some("is it awake?".into()),
            },
        },
    );
    macbook.log = vec!["<last words> \x1b[31m\u{202e}".into()];
    let nothing = HostReport::ended(name("linode"), Outcome::Verified);
    let mut report = Report::new("verify", vec![cuda, macbook, nothing]);
    report.links = named("rich").unwrap().report.links;
    report.links[0].checks.truncate(10);
    report.links[0].checks.drain(..9);
    let xml = junit(&report, &about());
    sound(&report, &xml).unwrap();
    insta::assert_snapshot!(xml);
}

#[test]
fn what_was_not_reached_is_never_green() {
    for which in ["rich", "hostile", "many", "well"] {
        let report = named(which).unwrap().report;
        sound(&report, &junit(&report, &about())).unwrap();
    }
    let xml = junit(&Report::new("verify", Vec::new()), &about());
    let document = Document::parse(&xml).unwrap();
    assert_eq!(count(document.root(), "skipped"), 1);
}

#[test]
fn it_is_read_back_by_the_crate_that_wrote_it() {
    let report = named("rich").unwrap().report;
    let read = quick_junit::Report::deserialize_from_str(&junit(&report, &about())).unwrap();
    let checks: usize =
        report.hosts.iter().map(|h| h.checks.len()).sum::<usize>() + report.links[0].checks.len();
    // And one for the host that could not be reached.
    assert_eq!(read.tests, checks + 1);
    assert_eq!((read.failures, read.errors), (4, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_report_is_a_sound_file(report in any::report(), text: String) {
        let mut about = about();
        about.command = text.clone();
        about.at = text;
        sound(&report, &junit(&report, &about)).map_err(TestCaseError::fail)?;
    }
}

//! A report as `JUnit` XML, for the pages of CI systems.
//!
//! A suite per host and per link, a case per check. `stale` is a failure with its own type: what waits for
//! a reboot is not in effect. A host without any result has one case that is an error, so that nothing unproven looks
//! green.

use chrono::{DateTime, FixedOffset};
use deployctl_checks::{Bound, CheckResult, CheckStatus, Measurement};
use deployctl_core::query::printable_line;
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::{About, outcome};
use crate::report::{ConcernReport, HostReport, LinkReport, Report};

/// Longest text kept of one thing that was said, in characters.
const CAP: usize = 2000;

/// The report as an XML document.
#[expect(
    clippy::missing_panics_doc,
    reason = "memory takes whatever is written, and all of it is UTF-8"
)]
pub fn junit(report: &Report, about: &About) -> String {
    let at = DateTime::parse_from_rfc3339(&about.at).ok();
    let mut document = quick_junit::Report::new(clean(&format!("deployctl {}", report.command)));
    if let Some(at) = at {
        document.set_timestamp(at);
    }
    document.add_test_suites(report.hosts.iter().map(|host| of_host(host, about, at)));
    document.add_test_suites(report.links.iter().map(|link| of_link(link, about, at)));
    let concerns = report.concerns.iter();
    document.add_test_suites(concerns.map(|it| of_concern(it, about, at)));
    if document.test_suites.is_empty() {
        let mut suite = suite("deployctl", about, at);
        suite.add_test_case(nothing("nothing was checked"));
        document.add_test_suite(suite);
    }
    document
        .to_string()
        .expect("what is written to memory as UTF-8 is written")
}

fn suite(name: &str, about: &About, at: Option<DateTime<FixedOffset>>) -> TestSuite {
    let mut suite = TestSuite::new(clean(name));
    if let Some(at) = at {
        suite.set_timestamp(at);
    }
    suite.add_property(property("command", &about.command));
    suite.add_property(property("version", &about.version));
    if let Some(commit) = &about.commit {
        let dirty = if about.dirty { " and changes" } else { "" };
        suite.add_property(property("commit", &format!("{commit}{dirty}")));
    }
    suite
}

fn of_host(host: &HostReport, about: &About, at: Option<DateTime<FixedOffset>>) -> TestSuite {
    let mut suite = suite(host.host.as_str(), about, at);
    if let Some(end) = outcome::bad_end(host) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(end.word);
        status.set_message(clean(&end.message));
        let mut text = end.message;
        if let Some(hint) = end.hint {
            text = format!("{text}\nhint: {hint}");
        }
        for line in &host.log {
            text = format!("{text}\n| {line}");
        }
        status.set_description(lines(&text));
        suite.add_test_case(case("deployctl", "host", status));
    }
    suite.add_test_cases(host.checks.iter().map(of_check));
    if suite.test_cases.is_empty() {
        suite.add_test_case(nothing(outcome::WITHOUT_CHECKS));
    }
    suite
}

fn of_link(link: &LinkReport, about: &About, at: Option<DateTime<FixedOffset>>) -> TestSuite {
    let mut suite = suite(&format!("link {}", link.link), about, at);
    suite.add_test_cases(link.checks.iter().map(of_check));
    if suite.test_cases.is_empty() {
        suite.add_test_case(nothing(outcome::WITHOUT_CHECKS));
    }
    suite
}

fn of_concern(it: &ConcernReport, about: &About, at: Option<DateTime<FixedOffset>>) -> TestSuite {
    let mut suite = suite(&format!("concern {}", it.concern), about, at);
    suite.add_property(property("folder", &it.folder));
    suite.add_test_cases(it.checks.iter().map(of_check));
    suite
}

/// Stands where no check was made. Skipped, so that it counts as no success.
fn nothing(why: &str) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    case("deployctl", "checks", status)
}

fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(class));
    case
}

fn of_check(check: &CheckResult) -> TestCase {
    let mut case = case(check.concern.as_str(), &check.check, status(check));
    case.add_property(property("expected", &check.expected));
    if !check.evidence.is_empty() {
        case.add_property(property("found", &check.evidence));
    }
    if check.gate {
        case.add_property(property("gate", "true"));
    }
    if check.attempts > 1 {
        case.add_property(property("attempts", &check.attempts.to_string()));
    }
    for measurement in &check.measurements {
        case.add_properties(numbers(measurement));
    }
    case
}

fn status(check: &CheckResult) -> TestCaseStatus {
    let (kind, message, hint) = match &check.status {
        CheckStatus::Pass => return TestCaseStatus::success(),
        CheckStatus::Skip { reason } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(clean(reason));
            return status;
        }
        CheckStatus::Fail { hint } => (NonSuccessKind::Failure, &check.evidence, hint.as_ref()),
        CheckStatus::Stale { reason } => (NonSuccessKind::Failure, reason, None),
        CheckStatus::Error { reason } => (NonSuccessKind::Error, reason, None),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(check.status.word());
    let message = if message.is_empty() {
        "not as expected"
    } else {
        message
    };
    status.set_message(clean(message));
    let mut text = format!("expected: {}\nfound: {}", check.expected, check.evidence);
    if let Some(hint) = hint {
        text = format!("{text}\nhint: {hint}");
    }
    status.set_description(lines(&text));
    status
}

/// `time to first token p95 (ms)` → `41.2`, and its limit.
fn numbers(measurement: &Measurement) -> Vec<Property> {
    let Measurement { what, unit, .. } = measurement;
    let mut all: Vec<_> = measurement
        .statistics
        .iter()
        .map(|s| property(&format!("{what} {} ({unit})", s.name), &s.value.to_string()))
        .collect();
    if let Some(limit) = &measurement.limit {
        let bound = match limit.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        all.push(property(
            &format!("{what} {} {bound} ({unit})", limit.statistic),
            &limit.value.to_string(),
        ));
    }
    all
}

fn property(name: &str, value: &str) -> Property {
    Property::new(clean(name), clean(value))
}

/// One line without anything that XML 1.0 forbids.
fn clean(text: &str) -> String {
    printable_line(text.as_bytes(), CAP).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// Several lines, each [`clean`].
fn lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

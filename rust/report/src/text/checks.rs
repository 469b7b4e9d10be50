//! Results of checks: what is right in a line each, then what is not, last and in full.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deployctl_checks::accepted::Difference;
use deployctl_checks::gate::Tally;
use deployctl_checks::{CheckResult, CheckStatus, LeftOut};

use super::accepted::differences;
use super::measured::measured;
use super::words::count;
use super::{Style, outcome, pad, shown, widest};
use crate::report::{Outcome, Report};

/// What there is to say of a run beside its results.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// What the selection left out.
    pub left_out: LeftOut,
    /// Hosts that differ from what was accepted of them.
    pub differences: &'a [Difference],
}

/// Every host and every link with its checks: passed ones in a line, skipped ones counted by reason. Then what
/// was left out, what differs from what was accepted, and at the end what is not as it should be, in full, above
/// a line that sums up.
pub fn checks(report: &Report, beside: &Beside<'_>, style: Style) -> String {
    let blocks = blocks(report);
    let width = widest(blocks.iter().map(|block| block.name.as_str()));
    let mut text = String::new();
    for block in &blocks {
        let name = style.bold(&pad(&block.name, width));
        let _ = writeln!(text, "{name}  {}", tally(block.checks, style));
        passed(&mut text, block.checks, style);
        skipped(&mut text, block.checks, style);
    }
    if !beside.left_out.is_empty() {
        let told = format!("left out: {}", beside.left_out.words());
        let _ = writeln!(text, "{}", style.dim(&told));
    }
    text.push_str(&differences(beside.differences, style));

    let mut bad = String::new();
    for block in blocks
        .iter()
        .filter(|block| !Tally::of(block.checks).good())
    {
        let _ = writeln!(bad, "{}", style.bold(&block.name));
        failing(&mut bad, block.checks, style);
    }
    let asked = |outcome: &Outcome| *outcome == Outcome::Verified;
    let width = widest(report.hosts.iter().map(|host| host.host.as_str()));
    for host in report.hosts.iter().filter(|host| !asked(&host.outcome)) {
        bad.push_str(&outcome::line(host, width, style));
    }
    if !bad.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&bad);
    }
    let listed = blocks.iter().any(|block| {
        let tally = Tally::of(block.checks);
        tally.pass + tally.fail + tally.error + tally.stale > 0
    });
    if report.hosts.len() + report.links.len() + report.concerns.len() > 1 || listed {
        let _ = write!(text, "\n{}", summary(report, style));
    }
    text
}

/// How everything ended, in a line: `cuda: 40 passed, 1 failed · link lan10g: 8 passed`.
fn summary(report: &Report, style: Style) -> String {
    let hosts = report.hosts.iter().map(|host| {
        let told = match host.outcome {
            Outcome::Verified => tally(&host.checks, style),
            _ => outcome::brief(host, style),
        };
        format!("{}: {told}", host.host)
    });
    let links = report
        .links
        .iter()
        .map(|link| format!("link {}: {}", shown(&link.link), tally(&link.checks, style)));
    let concerns = report
        .concerns
        .iter()
        .map(|it| format!("{}: {}", it.concern, tally(&it.checks, style)));
    let parts: Vec<_> = hosts.chain(links).chain(concerns).collect();
    format!("{}\n", parts.join(" · "))
}

/// Checks that belong together.
struct Block<'a> {
    name: String,
    checks: &'a [CheckResult],
}

/// Hosts that were asked, then links, then concerns.
fn blocks(report: &Report) -> Vec<Block<'_>> {
    let hosts = report
        .hosts
        .iter()
        .filter(|host| host.outcome == Outcome::Verified)
        .map(|host| Block {
            name: host.host.to_string(),
            checks: &host.checks,
        });
    let links = report.links.iter().map(|link| Block {
        name: format!("link {}", shown(&link.link)),
        checks: &link.checks,
    });
    let concerns = report.concerns.iter().map(|it| Block {
        name: it.concern.to_string(),
        checks: &it.checks,
    });
    hosts.chain(links).chain(concerns).collect()
}

/// `12 passed, 1 failed`, in the colour of what it means.
fn tally(checks: &[CheckResult], style: Style) -> String {
    let tally = Tally::of(checks);
    if checks.is_empty() {
        style.warn("nothing to check")
    } else if tally.good() && tally.pass == 0 {
        // Nothing was proven, so nothing is good.
        style.warn(&tally.to_string())
    } else if tally.good() {
        style.good(&tally.to_string())
    } else {
        style.bad(&tally.to_string())
    }
}

fn passed(text: &mut String, checks: &[CheckResult], style: Style) {
    let pass = || checks.iter().filter(|c| c.status == CheckStatus::Pass);
    let names = widest(pass().map(|check| check.check.as_str()));
    for check in pass() {
        let _ = writeln!(
            text,
            "  {}  {}  {}{}",
            style.good("pass "),
            pad(&shown(&check.check), names),
            shown(&check.evidence),
            attempts(check, style),
        );
        measured(text, &check.measurements, style);
    }
}

/// How often it took, where it took more than once.
pub(super) fn attempts(check: &CheckResult, style: Style) -> String {
    if check.attempts > 1 {
        style.warn(&format!("  after {} attempts", check.attempts))
    } else {
        String::new()
    }
}

/// What is not as expected: evidence, expectation and hint.
pub(super) fn failing(text: &mut String, checks: &[CheckResult], style: Style) {
    let bad: Vec<_> = checks
        .iter()
        .filter_map(|check| {
            let (word, why, hint) = match &check.status {
                CheckStatus::Pass | CheckStatus::Skip { .. } => return None,
                CheckStatus::Fail { hint } => (style.bad("fail "), None, hint.as_ref()),
                CheckStatus::Error { reason } => (style.bad("error"), Some(reason), None),
                CheckStatus::Stale { reason } => (style.warn("stale"), Some(reason), None),
            };
            Some((check, word, why, hint))
        })
        .collect();
    let names = widest(bad.iter().map(|(check, ..)| check.check.as_str()));
    for (check, word, why, hint) in bad {
        let found = why.unwrap_or(&check.evidence);
        let gate = if check.gate {
            style.dim("  [gate]")
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "  {word}  {}  {}{gate}{}",
            pad(&shown(&check.check), names),
            shown(found),
            attempts(check, style),
        );
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(
                text,
                "         {}  {}",
                style.dim(&pad(name, 8)),
                shown(value)
            );
        };
        row("expected", &check.expected);
        if why.is_some() && !check.evidence.is_empty() {
            row("found", &check.evidence);
        }
        if let Some(hint) = hint {
            row("hint", hint);
        }
        measured(text, &check.measurements, style);
    }
}

/// `31 checks skipped: sandbox`, a line a reason.
pub(super) fn skipped(text: &mut String, checks: &[CheckResult], style: Style) {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for check in checks {
        if let CheckStatus::Skip { reason } = &check.status {
            *reasons.entry(shown(reason)).or_default() += 1;
        }
    }
    for (reason, number) in reasons {
        let told = format!("{} skipped: {reason}", count(number, "check"));
        let _ = writeln!(text, "  {}", style.dim(&told));
    }
}

#[cfg(test)]
mod tests {
    use deployctl_checks::accepted::{Change, Entry, Status};
    use deployctl_checks::{Bound, Measurement};
    use deployctl_core::name::{ConcernName, HostName};

    use super::*;
    use crate::report::{HostReport, LinkReport, Problem};
    use crate::text::became;

    fn result(id: &str, status: CheckStatus, evidence: &str) -> CheckResult {
        CheckResult {
            check: id.to_owned(),
            concern: ConcernName::new("vllm").unwrap(),
            gate: false,
            status,
            expected: "what was declared".to_owned(),
            evidence: evidence.to_owned(),
            attempts: 1,
            measurements: Vec::new(),
        }
    }

    fn report(ping: CheckStatus, desk: Outcome) -> Report {
        let host = |name: &str| HostName::new(name).unwrap();
        let latency = CheckResult {
            attempts: 3,
            measurements: vec![
                Measurement::new("time to first token", "ms")
                    .statistic("p50", 43.12)
                    .statistic("p95", 61.0)
                    .limit("p95", Bound::AtMost, 100.0),
            ],
            ..result("vllm/latency", CheckStatus::Pass, "p95 61 ms")
        };
        let skip = |id: &str, reason: &str| {
            let reason = reason.to_owned();
            result(id, CheckStatus::Skip { reason }, "")
        };
        let mut cuda = HostReport::ended(host("cuda"), Outcome::Verified);
        cuda.checks = vec![
            result("vllm/health", CheckStatus::Pass, "200"),
            latency,
            skip("trading/jitter", "the exchange is open"),
            skip("trading/arena", "the exchange is open"),
            skip("vllm/stream", "not asked: `vllm/model` did not pass"),
        ];
        Report {
            links: vec![LinkReport {
                link: "lan10g".to_owned(),
                checks: vec![
                    result("lan10g/mtu/cuda", CheckStatus::Pass, "MTU 9000"),
                    CheckResult {
                        attempts: 2,
                        ..result("lan10g/ping/cuda-to-desk", ping, "3 of 20 lost \u{1b}[2J")
                    },
                ],
            }],
            ..Report::new("verify", vec![cuda, HostReport::ended(host("desk"), desk)])
        }
    }

    fn away() -> Outcome {
        Outcome::Unreachable {
            reason: Problem {
                message: "no connection to `root@desk:22`".to_owned(),
                hint: Some("is it switched on?".to_owned()),
            },
        }
    }

    #[test]
    fn what_matters_most_stands_last() {
        let entry = |status, found: &str| {
            Some(Entry {
                status,
                expected: "what was declared".to_owned(),
                found: found.to_owned(),
            })
        };
        let change = |check: &str, accepted, found| Change {
            check: check.to_owned(),
            accepted,
            found,
        };
        let difference = |host: &str, known| Difference {
            host: HostName::new(host).unwrap(),
            file: format!("hosts/{host}/accepted.snap"),
            known,
            changes: vec![
                change(
                    "vllm/health",
                    entry(Status::Pass, "#"),
                    entry(Status::Fail, "no answer"),
                ),
                change("vllm/latency", None, entry(Status::Pass, "p95 #")),
                change("vllm/old", entry(Status::Pass, "#"), None),
            ],
        };
        let differences = [difference("cuda", true), difference("desk", false)];
        let beside = Beside {
            left_out: LeftOut {
                only: 31,
                quick: 1,
                ..LeftOut::default()
            },
            differences: &differences,
        };
        let fail = CheckStatus::Fail { hint: None };
        let told = checks(&report(fail, away()), &beside, Style::Plain);
        insta::assert_snapshot!(told);
    }

    #[test]
    fn only_what_became_different_is_told() {
        let good = report(CheckStatus::Pass, Outcome::Verified);
        let reason = "no answer within 10 s".to_owned();
        let bad = report(CheckStatus::Error { reason }, away());
        let told = [(&good, &good), (&good, &bad), (&bad, &good)]
            .map(|(before, after)| became(before, after, "07:14:03", Style::Plain));
        assert_eq!(told[0], "");
        insta::assert_snapshot!(told.join("---\n"), @"
        ---
        07:14:03  desk  unreachable: no connection to `root@desk:22`
          hint: is it switched on?
        07:14:03  link lan10g  lan10g/ping/cuda-to-desk  pass became error  no answer within 10 s
        ---
        07:14:03  desk  verified
        07:14:03  link lan10g  lan10g/ping/cuda-to-desk  error became pass  3 of 20 lost
        ");
    }
}

//! A host may answer anything: no check panics, none passes on what it could not read, and nothing that
//! a host says reaches a terminal as it is.
//!
//! `PROPTEST_CASES` says how many cases there are: a quarter of it, or of 256, each tried on every check.

mod damage;

use std::cell::Cell;
use std::sync::LazyLock;

use deployctl_checks::{Check, CheckResult, CheckStatus, checks, evaluate};
use deployctl_core::inventory::host::Platform;
use deployctl_core::query::Section;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use self::damage::{damage, plausible};
use crate::host::{HOSTS, checks_of, good_answers, inventory, section};
use crate::links;
use crate::nixos::made;

/// Statuses that the shell, a signal or a program may end with.
fn status() -> impl Strategy<Value = i32> {
    prop_oneof![3 => Just(0), 1 => 1..=255i32, 1 => any::<i32>()]
}

/// Tries `judge` on cases of `strategy`, and says how many answers were judged.
#[expect(clippy::print_stdout, reason = "numbers to be seen by `--nocapture`")]
fn tried<S: Strategy>(
    what: &str,
    strategy: &S,
    judge: impl Fn(&Subject, &S::Value) -> Result<CheckResult, TestCaseError>,
) {
    let config = ProptestConfig {
        // A case is found again by the seed that a failure prints.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (config.cases / 4).max(1);
    let judged = Cell::new(0_u64);
    let outcome = TestRunner::new(ProptestConfig { cases, ..config }).run(strategy, |value| {
        for subject in subjects() {
            let result = judge(subject, &value)?;
            sound(subject, &result)?;
            judged.set(judged.get() + 1);
        }
        Ok(())
    });
    match outcome {
        Ok(()) => println!(
            "hostile answers: {what}: {cases} cases on {} checks, {} judged",
            subjects().len(),
            judged.get()
        ),
        Err(TestError::Fail(why, value)) => panic!("{why}\nanswer: {value:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// What holds of every result, whatever the host said.
fn sound(subject: &Subject, result: &CheckResult) -> Result<(), TestCaseError> {
    let name = format!("{}: {}", subject.host, subject.check.id);
    let clean = |text: &str| {
        prop_assert!(!text.chars().any(char::is_control), "{name}: {text:?}");
        prop_assert!(text.chars().count() <= 401, "{name}: {text}");
        Ok(())
    };
    clean(&result.evidence)?;
    match &result.status {
        CheckStatus::Pass => {
            prop_assert!(
                !result.evidence.is_empty(),
                "{name} passes without evidence"
            );
            for measured in &result.measurements {
                prop_assert!(measured.holds(), "{name} passes with {measured:?}");
            }
        }
        CheckStatus::Fail { hint } => clean(hint.as_deref().unwrap_or_default())?,
        CheckStatus::Skip { reason }
        | CheckStatus::Error { reason }
        | CheckStatus::Stale { reason } => {
            clean(reason)?;
            prop_assert!(!reason.is_empty(), "{name}: no reason");
        }
    }
    // No number that JSON does not have.
    for measured in &result.measurements {
        let statistics = measured.statistics.iter().map(|statistic| statistic.value);
        let all = statistics.chain(measured.samples.iter().copied());
        prop_assert!(all.clone().all(f64::is_finite), "{name}: {measured:?}");
    }
    Ok(())
}

fn ask(subject: &Subject, answer: &Section) -> CheckResult {
    evaluate(&subject.check, Some(answer))
}

/// That `result` is anything but a pass.
fn no_pass(subject: &Subject, result: CheckResult) -> Result<CheckResult, TestCaseError> {
    let passed = result.status == CheckStatus::Pass;
    prop_assert!(!passed, "{} passes: {result:?}", subject.check.id);
    Ok(result)
}

#[test]
fn bytes_that_are_no_text_never_pass() {
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    let strategy = (bytes, any::<prop::sample::Index>(), status());
    tried("any bytes", &strategy, |subject, (bytes, at, status)| {
        let mut bytes = bytes.clone();
        // No UTF-8 has it.
        bytes.insert(at.index(bytes.len() + 1), 0xff);
        no_pass(subject, ask(subject, &section(*status, bytes)))
    });
}

#[test]
fn texts_without_a_word_of_ours_never_pass() {
    let strategy = ("[^ -~]{0,200}", status());
    tried("any text", &strategy, |subject, (text, status)| {
        no_pass(subject, ask(subject, &section(*status, text.clone())))
    });
}

#[test]
fn plausible_words_are_judged() {
    let strategy = (plausible(), status());
    tried("plausible words", &strategy, |subject, (text, status)| {
        Ok(ask(subject, &section(*status, text.clone())))
    });
}

/// Nearly right answers reach deeper: good ones, changed once or several times.
#[test]
fn good_answers_damaged_are_judged() {
    let strategy = (proptest::collection::vec(damage(), 1..4), status());
    tried("damage", &strategy, |subject, (damages, status)| {
        let Some(good) = &subject.good else {
            return Ok(evaluate(&subject.check, None));
        };
        let mut bytes = good.stdout.clone();
        for damage in damages {
            bytes = damage.to(&bytes);
            bytes.truncate(64 * 1024);
        }
        let status = if *status == 0 {
            good.status
        } else {
            Some(*status)
        };
        let answer = Section {
            status,
            stderr: bytes.iter().copied().take(64).collect(),
            ..section(0, bytes)
        };
        Ok(ask(subject, &answer))
    });
}

#[test]
fn good_answers_cut_short_or_late_never_pass() {
    let strategy = (damage(), any::<bool>(), status());
    tried(
        "cut short or late",
        &strategy,
        |subject, (damage, late, status)| {
            let bytes = subject.good.as_ref().map(|good| damage.to(&good.stdout));
            let answer = Section {
                status: (!late).then_some(*status),
                truncated: !late,
                ..section(0, bytes.unwrap_or_default())
            };
            no_pass(subject, ask(subject, &answer))
        },
    );
}

/// On every platform and of every link: what is declared and not there is a failure, and what says nothing
/// an error; neither is skipped or passed.
#[test]
fn declared_and_not_there_is_a_failure() {
    for subject in subjects() {
        let name = format!("{}: {}", subject.host, subject.check.id);
        let absent = ask(subject, &section(127, "")).status;
        let hinted = matches!(&absent, CheckStatus::Fail { hint: Some(hint) } if !hint.is_empty());
        assert!(hinted, "{name}: {absent:?}");
        for silence in [None, Some(section(0, "")), Some(section(0, " \n"))] {
            let result = evaluate(&subject.check, silence.as_ref());
            let status = result.status;
            let broken = matches!(status, CheckStatus::Error { .. } | CheckStatus::Fail { .. });
            assert!(broken, "{name}: {status:?}");
        }
    }
}

/// A check, and what a good host answers it where that is recorded.
pub(crate) struct Subject {
    pub(crate) host: String,
    pub(crate) check: Check,
    pub(crate) good: Option<Section>,
}

/// Everything that judges an answer: the checks of every host on every platform, and of every link.
pub(crate) fn subjects() -> &'static [Subject] {
    static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(all);
    &SUBJECTS
}

fn all() -> Vec<Subject> {
    let mut all = Vec::new();
    for host in HOSTS {
        let good = good_answers(host);
        let mut add = |name: String, checks: Vec<Check>| {
            all.extend(checks.into_iter().map(|check| Subject {
                host: name.clone(),
                good: good.get(&check.query.id).cloned(),
                check,
            }));
        };
        let built = match inventory()
            .hosts()
            .iter()
            .find(|(name, _)| name.as_str() == *host)
        {
            Some((_, facts)) if facts.platform.is_linux() => Platform::Nixos,
            _ => Platform::Darwin,
        };
        add((*host).to_owned(), checks_of(host));
        add(format!("{host}, built by Nix"), made(host, built, checks));
    }
    all.extend(links::subjects().map(|(link, good)| Subject {
        host: format!("link {}", link.link),
        check: link.check,
        good,
    }));
    all
}

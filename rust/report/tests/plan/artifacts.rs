//! Artifacts in plans, and how staging ends.

use deployctl_core::artifact::{Need, Source};
use deployctl_core::name::ArtifactPath;
use deployctl_core::observed::HeldRelease;
use deployctl_core::rendered::Sha256Hex;
use deployctl_report::text::{self, Style};
use deployctl_report::{HostReport, Outcome};

use super::fixture::{path, planned};
use super::model::model;
use super::stories::{host, problem, report};

#[test]
fn artifacts_come_first_with_source_and_size() {
    let other = format!("releases/{}", Sha256Hex::of(b"other"));
    let cases = [
        (HeldRelease::Part(0), None),
        (HeldRelease::Part(1_300_000_000), Some(other.as_str())),
        (HeldRelease::Whole, Some(other.as_str())),
        (HeldRelease::Part(0), Some("declared")),
    ];
    let told: String = cases
        .iter()
        .map(|(held, link)| {
            let plan = planned(|case| model(case, *held, *link));
            text::plan(&plan, false, Style::Plain)
        })
        .collect();
    insta::assert_snapshot!(told);
    let sent = planned(|case| {
        model(case, HeldRelease::Part(5), None);
        for artifact in case.rendered.artifacts.values_mut() {
            artifact.source = Source::try_from("upload:weights/tiny".to_owned()).unwrap();
        }
    });
    let told = text::plan(&sent, false, Style::Plain);
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines.contains(&"        sent from this machine: weights/tiny"),
        "{told}"
    );
    let ends = vec![
        host(
            "a",
            Outcome::Staged {
                artifacts: 0,
                bytes: 0,
            },
            None,
        ),
        host(
            "b",
            Outcome::Staged {
                artifacts: 2,
                bytes: 5_000_000_000,
            },
            None,
        ),
        host(
            "c",
            Outcome::NotStaged {
                reason: problem("`c`: model tiny: no room", Some("make room")),
            },
            None,
        ),
    ];
    let ends = report("stage", ends);
    insta::assert_snapshot!(text::report(&ends, Style::Plain));
    assert_eq!(ends.verdict(false).code(), 7);
}

#[test]
fn a_first_step_is_told_before_and_after() {
    let needs = [
        Need::Secret(path("/etc/deployctl/secrets/hub")),
        Need::Mounted("/srv/models".to_owned()),
    ];
    let mut plan = planned(|case| model(case, HeldRelease::Part(0), None));
    plan.artifacts[0].awaits = needs.into_iter().collect();
    let told = text::plan(&plan, false, Style::Plain);
    let line = told.lines().find(|line| line.contains("second step"));
    insta::assert_snapshot!(line.expect("a line").trim(), @"in a second step: all else is applied first: this needs `/etc/deployctl/secrets/hub`, `/srv/models` mounted");
    let reason = problem("`box`: model tiny: no room", Some("make room"));
    let ends = [
        Outcome::Committed { generation: 2 },
        Outcome::NotStaged {
            reason: reason.clone(),
        },
        Outcome::Refused {
            reasons: vec![reason],
        },
        Outcome::RolledBack {
            reason: "a gate failed".to_owned(),
            login: true,
        },
        Outcome::Interrupted,
    ];
    let ends = ends.map(|outcome| HostReport {
        first_step: Some(1),
        ..host("box", outcome, Some(plan.clone()))
    });
    insta::assert_snapshot!(
        "a_first_step_is_told_after",
        text::report(&report("apply", ends.to_vec()), Style::Plain)
    );
    // Other programs read it, too.
    let about = text::About {
        at: "2026-11-23T06:53:29Z".into(),
        commit: None,
        dirty: false,
        command: "deployctl apply".into(),
        version: "0.1.0".into(),
    };
    let xml = text::junit(&report("apply", ends[1..].to_vec()), &about);
    let said = xml.matches("a first step is committed as generation 1, without model tiny\" type=");
    assert_eq!(said.count(), 4, "{xml}");
}

#[test]
fn what_a_host_makes_by_itself_says_of_what() {
    let mut made = planned(|case| model(case, HeldRelease::Part(0), None));
    made.artifacts[0].made = true;
    made.artifacts[0].inputs = vec![ArtifactPath::new("uv.lock").expect("a path")];
    let made = text::plan(&made, false, Style::Plain);
    let line = made.lines().find(|line| line.contains("made on the host"));
    insta::assert_snapshot!(line.expect("a line").trim(), @"model tiny  new 883fa96e1100  made on the host from uv.lock, 3.7 GiB in 2 files  [models]");
}

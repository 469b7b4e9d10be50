//! Artifacts in plans, and how staging ends.

use deployctl_core::artifact::{Need, Source};
use deployctl_core::name::ArtifactPath;
use deployctl_core::observed::HeldRelease;
use deployctl_core::rendered::Sha256Hex;
use deployctl_report::text::{self, Style};
use deployctl_report::{HostReport, Outcome};

use super::fixture::{model, path, planned};
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
    insta::assert_snapshot!(told, @"
    box  3 changes: 1 file, 1 unit, 1 artifact  (plan 7030183deb0f92d4, from generation 4)
      artifacts
        model tiny  new 883fa96e1100  3.7 GiB in 2 files  [models]
            from https://hub.example/lab/tiny/resolve/0123
      files
        + /srv/models/tiny/current  new link to releases/883fa96e1100b8eaede3741aa522d51da6f4801243f03b357516d3618074d033  [models]
      units
        restart  reader.service  `/srv/models/tiny/current` changed; up to 90 s
    box  3 changes: 1 file, 1 unit, 1 artifact  (plan fdd98145aed67827, from generation 4)
      artifacts
        model tiny  d9298a10d1b0 → 883fa96e1100  3.7 GiB in 2 files, 1.2 GiB of it there  [models]
            from https://hub.example/lab/tiny/resolve/0123
      files
        ~ /srv/models/tiny/current  link to releases/883fa96e1100b8eaede3741aa522d51da6f4801243f03b357516d3618074d033, was link to releases/d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa  [models]
      units
        restart  reader.service  `/srv/models/tiny/current` changed; up to 90 s
    box  3 changes: 1 file, 1 unit, 1 artifact  (plan fdd98145aed67827, from generation 4)
      artifacts
        model tiny  d9298a10d1b0 → 883fa96e1100  3.7 GiB in 2 files, staged already  [models]
            from https://hub.example/lab/tiny/resolve/0123
      files
        ~ /srv/models/tiny/current  link to releases/883fa96e1100b8eaede3741aa522d51da6f4801243f03b357516d3618074d033, was link to releases/d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa  [models]
      units
        restart  reader.service  `/srv/models/tiny/current` changed; up to 90 s
    box  1 change: 1 artifact  (plan 07bba13422599685, from generation 4)
      artifacts
        model tiny  883fa96e1100, which is missing  3.7 GiB in 2 files  [models]
            from https://hub.example/lab/tiny/resolve/0123
    ");
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
    insta::assert_snapshot!(text::report(&ends, Style::Plain), @"
    a  all of it is staged already
    b  staged: 2 artifacts, 4.6 GiB transferred
    c  not staged, nothing was changed: `c`: model tiny: no room
      hint: make room

    a: staged · b: staged · c: not staged
    ");
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
    insta::assert_snapshot!(text::report(&report("apply", ends.to_vec()), Style::Plain), @"
    box  committed as generation 2: 3 changes: 1 file, 1 unit, 1 artifact
      a first step is committed as generation 1, without model tiny
    box  not staged, nothing more was changed: `box`: model tiny: no room
      hint: make room
      a first step is committed as generation 1, without model tiny
    box  refused, nothing more was touched
      `box`: model tiny: no room
        hint: make room
      a first step is committed as generation 1, without model tiny
    box  rolled back: a gate failed
      everything was put back and verified, and a new login became root
      a first step is committed as generation 1, without model tiny
    box  interrupted before anything more was changed
      a first step is committed as generation 1, without model tiny

    box: generation 2 · box: not staged · box: refused · box: rolled back · box: interrupted
    ");
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

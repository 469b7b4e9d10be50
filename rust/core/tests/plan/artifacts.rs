//! Artifacts: staged, switched to, missing.

use deployctl_core::observed::HeldRelease;
use deployctl_core::rendered::Sha256Hex;

use super::fixture::{model, planned};

fn artifacts_of(held: HeldRelease, link: Option<&str>) -> (String, String) {
    let plan = planned(|case| model(case, held, link));
    let artifacts = serde_json::to_string_pretty(&plan.artifacts).unwrap();
    let units: Vec<_> = plan
        .units
        .iter()
        .map(|unit| format!("{} {:?}", unit.unit, unit.actions))
        .collect();
    (plan.id, format!("{artifacts}\n{}", units.join("\n")))
}

#[test]
fn what_is_missing_is_fetched_and_what_is_there_is_switched_to() {
    let other = format!("releases/{}", Sha256Hex::of(b"other"));
    let cases = [
        ("first", HeldRelease::Part(0), None),
        ("begun", HeldRelease::Part(1_000_000), None),
        ("staged", HeldRelease::Whole, Some(other.as_str())),
        ("foreign link", HeldRelease::Whole, Some("/mnt/elsewhere")),
        ("in use and gone", HeldRelease::Part(0), Some("declared")),
        ("settled", HeldRelease::Whole, Some("declared")),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|(case, held, link)| format!("== {case}\n{}", artifacts_of(*held, *link).1))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn staging_does_not_make_a_saved_plan_stale() {
    let ids = [
        HeldRelease::Part(0),
        HeldRelease::Part(5),
        HeldRelease::Whole,
    ]
    .map(|held| artifacts_of(held, None).0);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2]);
}

#[test]
fn a_host_that_does_not_say_what_it_holds_gets_no_plan() {
    let plan = planned(|case| {
        model(case, HeldRelease::Part(0), None);
        case.observed.artifacts.clear();
        case.observed
            .unanswered
            .insert("artifacts".to_owned(), "it was late".to_owned());
    });
    let refusals: Vec<_> = plan.refusals().map(|it| it.message.as_str()).collect();
    assert_eq!(
        refusals,
        ["the host did not answer `artifacts`: it was late"]
    );
}

#[test]
fn a_generation_whose_release_is_gone_cannot_be_made_again() {
    let refusals = |held: HeldRelease| {
        let plan = planned(|case| {
            model(case, held, None);
            for artifact in case.rendered.artifacts.values_mut() {
                artifact.made = true;
                let kept = serde_json::to_string(artifact).unwrap();
                *artifact = serde_json::from_str(&kept).unwrap();
            }
        });
        let told = plan
            .refusals()
            .map(|it| (it.message.clone(), it.hint.clone()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(refusals(HeldRelease::Whole), []);
    insta::assert_debug_snapshot!(refusals(HeldRelease::Part(0)), @r#"
    [
        (
            "the release of model `tiny` is not on the host any more, and a generation does not keep what it was made of",
            Some(
                "declare model `tiny` as it was then, and run `deployctl apply`",
            ),
        ),
    ]
    "#);
}

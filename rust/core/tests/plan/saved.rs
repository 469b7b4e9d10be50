//! Plans as files, and their ids.

use deployctl_core::plan::SavedPlans;

use super::fixture::{Case, planned};

#[test]
fn the_same_facts_give_the_same_id_and_other_facts_another() {
    let plan = planned(|case| case.edit("/etc/app/app.conf", "level = 2\n"));
    let again = planned(|case| case.edit("/etc/app/app.conf", "level = 2\n"));
    assert_eq!(plan, again);
    assert_eq!(plan.id.len(), 16);
    let other = planned(|case| case.edit("/etc/app/app.conf", "level = 3\n"));
    let rebooted = planned(|case| {
        case.edit("/etc/app/app.conf", "level = 2\n");
        case.observed.boot_id = "b008".to_owned();
    });
    assert_ne!(plan.id, other.id);
    assert_ne!(plan.id, rebooted.id);
}

#[test]
fn a_saved_plan_comes_back_and_holds_no_secret() {
    let plan = planned(|case| {
        case.edit("/etc/app/app.conf", "level = 2\n");
        case.edit("/etc/app/key", "hunter3\n");
    });
    let saved = SavedPlans::new("1234abc-dirty".to_owned(), vec![plan]);
    let text = saved.to_json();
    assert!(!text.contains("hunter"));
    assert_eq!(SavedPlans::from_json(&text).unwrap(), saved);
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_no_saved_plan_says_so() {
    let text = SavedPlans::new(String::new(), vec![Case::settled().plan()]).to_json();
    let said: Vec<_> = [
        "not json",
        "{}",
        &text.replace("\"version\": 1", "\"version\": 2"),
        &text.replace("\"b007\"", "\"b008\""),
    ]
    .iter()
    .map(|text| SavedPlans::from_json(text).unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    this is no saved plan
    this is no saved plan
    the saved plan has format 2; this deployctl reads format 1
    the saved plan of `box` does not match its id `9fe3ee27f35bb44d`
    ");
}

//! A host may answer anything: no check panics, and nothing it says reaches a terminal as it is.

use deployctl_core::check::{CheckStatus, evaluate};
use proptest::prelude::*;

use crate::host::{checks_of, good_answers, section};

fn clean(text: &str) -> bool {
    text.chars().all(|c| !c.is_control()) && text.chars().count() <= 401
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), status in 0..3i32) {
        for check in checks_of("cuda") {
            let result = evaluate(&check, Some(&section(status, bytes.clone())));
            prop_assert!(clean(&result.evidence), "{}", check.id);
            prop_assert!(result.status != CheckStatus::Pass, "{} passes on noise", check.id);
        }
    }

    /// Nearly right answers reach deeper: a good one with a few bytes changed, or cut.
    #[test]
    fn a_good_answer_damaged(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let good = good_answers("cuda");
        for check in checks_of("cuda") {
            let mut bytes = good[&check.query.id].stdout.clone();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let result = evaluate(&check, Some(&section(0, bytes)));
            prop_assert!(clean(&result.evidence), "{}", check.id);
            if let CheckStatus::Error { reason } = &result.status {
                prop_assert!(clean(reason), "{}", check.id);
            }
        }
    }

    /// Words that look like numbers, lists and JSON, in every order.
    #[test]
    fn plausible_words(text in "([a-zA-Z_]{1,8}[=: ,/-]|[0-9]{1,25}[-,.kMG/ ]|[\\[\\]{}\"\n]){0,60}") {
        for check in checks_of("cuda") {
            let result = evaluate(&check, Some(&section(0, text.clone())));
            prop_assert!(clean(&result.evidence), "{}", check.id);
        }
    }
}

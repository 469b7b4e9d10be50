//! A host that is as declared passes every check; one that says nothing passes none.

use std::collections::BTreeSet;

use deployctl_checks::case;
use deployctl_checks::gate::{Decision, Tally, decide};
use deployctl_checks::{
    Check, CheckResult, CheckStatus, evaluate, evaluate_all, gates, queries, skip_all,
};
use deployctl_core::inventory::parse;
use deployctl_core::name::HostName;
use deployctl_core::query::Answers;

use crate::cases::page;
use crate::expected::compare;
use crate::host::{HOSTS, checks_in, checks_of, good_answers, inventory, rendered, section};

/// One line per check, for snapshots.
pub(crate) fn table(results: &[CheckResult]) -> String {
    let rows: Vec<String> = results.iter().map(case::row).collect();
    rows.concat().trim_end().to_owned()
}

/// Judges the answers of the page at `path` by `checks`: every one must pass, with the verdicts that the page has.
pub(crate) fn all_pass(path: &str, checks: &[Check]) -> Vec<CheckResult> {
    let (path, mut cases) = page(path);
    let mut all = Vec::new();
    for case in &mut cases {
        let answer = case.answer();
        let asking = checks.iter().filter(|check| check.query.id == case.query);
        let results: Vec<_> = asking.map(|check| evaluate(check, Some(&answer))).collect();
        case.verdict = case::verdict(&results);
        all.extend(results);
    }
    let bad: Vec<_> = all
        .iter()
        .filter(|result| result.status != CheckStatus::Pass)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    if let Some(difference) = compare(&path, &case::render(&cases)) {
        panic!("{difference}");
    }
    all
}

#[test]
fn a_host_that_is_as_declared_passes_every_check() {
    for host in HOSTS {
        let checks = checks_of(host);
        let results = evaluate_all(&checks, &good_answers(host));
        let pages = all_pass(&format!("good/{host}.txt"), &checks);
        assert_eq!(results.len(), pages.len());
        assert!(pages.iter().all(|result| results.contains(result)));
        let proven = if results.iter().any(|result| result.gate) {
            Decision::Open
        } else {
            Decision::Unproven
        };
        assert_eq!(decide(&results), proven);
        assert!(Tally::of(&results).good());
    }
}

#[test]
fn checks_have_names_of_their_own_and_share_queries() {
    for host in HOSTS {
        let checks = checks_of(host);
        let ids: BTreeSet<_> = checks.iter().map(|check| check.id.as_str()).collect();
        assert_eq!(ids.len(), checks.len());
        for check in &checks {
            let prefix = format!("{}/", check.concern);
            assert!(check.id.starts_with(&prefix), "{}", check.id);
            assert!(!check.expected.is_empty(), "{}", check.id);
            let needed = check.needs.as_deref();
            assert!(needed.is_none_or(|id| ids.contains(id)), "{}", check.id);
        }
    }
    let checks = checks_of("cuda");
    assert!(queries(&checks).len() < checks.len());
}

#[test]
fn a_concern_that_is_not_declared_has_no_checks() {
    for host in HOSTS {
        let declared = &inventory().value()["hosts"][*host];
        for check in checks_of(host) {
            let concern = check.concern.as_str();
            assert!(declared.get(concern).is_some(), "{host}: {}", check.id);
        }
    }
}

#[test]
fn no_answer_an_empty_one_and_one_cut_short_are_errors() {
    for host in HOSTS {
        let good = good_answers(host);
        for check in checks_of(host) {
            let status = good[&check.query.id].status.unwrap();
            let mut cut = section(status, "x");
            cut.truncated = true;
            let mut late = section(status, "x");
            late.status = None;
            for answer in [
                None,
                Some(section(status, "")),
                Some(section(status, " \n")),
                Some(cut),
                Some(late),
            ] {
                let result = evaluate(&check, answer.as_ref());
                let id = &check.id;
                let is_error = matches!(result.status, CheckStatus::Error { .. });
                assert!(is_error, "{id}: {answer:?} gave {:?}", result.status);
            }
        }
    }
}

#[test]
fn a_concern_that_is_taken_away_takes_its_checks_along() {
    let mut seen = BTreeSet::new();
    for host in HOSTS {
        let raw = inventory().value();
        for concern in inventory().concerns() {
            let name = concern.name.as_str();
            if raw["hosts"][host].get(name).is_none() {
                continue;
            }
            let mut without = raw.clone();
            let facts = without["hosts"][host].as_object_mut().unwrap();
            facts.shift_remove(name);
            // Some concerns need each other.
            let Ok(without) = parse(without.to_string().as_bytes()) else {
                continue;
            };
            // So do some modules.
            if rendered(&without, &HostName::new(*host).unwrap()).is_err() {
                continue;
            }
            let left = checks_in(&without, host, &BTreeSet::new());
            for check in left {
                // What several concerns say to the kernel that boots is in one file of `kernel`.
                if check.id == "kernel/overruled/90-deployctl.cfg" {
                    continue;
                }
                assert_ne!(check.concern.as_str(), name, "{host}: {}", check.id);
            }
            seen.insert(name);
        }
    }
    // The others are needed by one of these, so that nothing is left to look at.
    assert!(seen.len() > 10, "{seen:?}");
}

#[test]
fn a_sandbox_skips_all_and_proves_nothing() {
    let results = skip_all(&checks_of("cuda"), "sandbox");
    assert_eq!(Tally::of(&results).skip, results.len());
    assert_eq!(decide(&results), Decision::Unproven);
    assert_eq!(decide(&[]), Decision::Unproven);
}

#[test]
fn a_gate_closes_on_failures_and_on_what_cannot_be_read() {
    let checks = checks_of("cuda");
    let gate = gates(&checks).next().unwrap();
    let good = good_answers("cuda");
    let results = evaluate_all(&checks, &good);
    assert_eq!(decide(&results), Decision::Open);

    let mut answers: Answers = good;
    answers.remove(&gate.query.id);
    let results = evaluate_all(&checks, &answers);
    let Decision::Closed(closed) = decide(&results) else {
        panic!("an unanswered gate must not open");
    };
    assert!(closed.iter().any(|result| result.check == gate.id));
}

#[test]
fn the_gates_are_few_kinds() {
    let checks = checks_of("cuda");
    let gates: Vec<_> = gates(&checks).map(|check| check.id.as_str()).collect();
    insta::assert_snapshot!(gates.join("\n"));
}

/// The engine asks the server at its own socket alone, which may be none.
#[test]
fn every_inference_server_has_its_checks() {
    let mut raw = inventory().value().clone();
    let cuda = &mut raw["hosts"]["cuda"];
    cuda["trading"]["inference_socket"] = serde_json::Value::Null;
    let servers = &mut cuda["vllm"]["instances"];
    let mut other = servers["vllm"].clone();
    let facts = other.as_object_mut().unwrap();
    facts.remove("socket");
    facts.insert("address".to_owned(), "127.0.0.1".into());
    facts.insert("port".to_owned(), 8001.into());
    facts["model"] =
        serde_json::json!({ "id": "org/b", "path": "/srv/models/b", "served_name": "b" });
    facts["gpu_memory_utilization"] = 0.1.into();
    servers["vllm-b"] = other;
    let inventory = parse(raw.to_string().as_bytes()).unwrap();
    let checks = checks_in(&inventory, "cuda", &BTreeSet::new());
    let ids = checks.iter().map(|check| check.id.as_str());
    let ids = ids.filter(|id| id.starts_with("vllm/") || id.starts_with("trading/inference"));
    let own = ids.filter(|id| !id.contains("overruled") && *id != "vllm/packages");
    insta::assert_snapshot!(own.collect::<Vec<_>>().join("\n"), @"
    vllm/socket/vllm
    vllm/listening/vllm-b
    vllm/health/vllm
    vllm/health/vllm-b
    vllm/model/vllm
    vllm/model/vllm-b
    vllm/process/vllm
    vllm/process/vllm-b
    vllm/gpu-memory/0
    vllm/latency/vllm
    vllm/latency/vllm-b
    vllm/unit/vllm-b.service
    vllm/unit/vllm.service
    ");
}

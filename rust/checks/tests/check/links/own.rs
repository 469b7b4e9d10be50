//! What a folder of a repository says that other hosts ask over links.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use deployctl_checks::{CheckStatus, evaluate, link};
use deployctl_core::inventory::Inventory;

use crate::host::{checks_in, section, web};

const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": { "address": { "type": "string" }, "key": { "type": "string" } }
}"#;

/// Two hosts with a link, the first of which declares `web` with these facts.
fn cluster(checks: &str, declared: serde_json::Value) -> Inventory {
    web(SCHEMA, checks, declared)
}

/// What is asked of it over the link.
fn asked(inventory: &Inventory) -> Vec<deployctl_checks::Check> {
    let all = link::checks(inventory).into_iter().map(|it| it.check);
    all.filter(|check| check.id.contains("/web-")).collect()
}

const PAGE: &str = r#"[over_links]
address = "host.web.address"
port = "8080"
health = "/ready.txt"
credential = "host.web.key if host.web.key is defined else none"
"#;

#[test]
fn a_page_of_it_is_asked_for_where_it_listens() {
    for address in ["10.0.0.1", "0.0.0.0"] {
        let inventory = cluster(PAGE, serde_json::json!({ "address": address }));
        let checks = asked(&inventory);
        assert_eq!(checks.len(), 1);
        let check = &checks[0];
        assert_eq!(check.id, "lan10g/web-health/mac-mini-to-cuda");
        assert_eq!(check.needs.as_deref(), Some("lan10g/ping/mac-mini-to-cuda"));
        assert_eq!(
            check.expected,
            "GET http://10.0.0.1:8080/ready.txt gives 200"
        );
        let reply = |text: &str| evaluate(check, Some(&section(0, text.to_owned()))).status;
        assert_eq!(reply("\nstatus 200 seconds 0.1"), CheckStatus::Pass);
        let CheckStatus::Fail { hint } = reply("no\nstatus 401 seconds 0.1") else {
            panic!("it passes");
        };
        assert_eq!(
            hint.as_deref(),
            Some("`cuda` asks for a key, and the facts of `web` there name none")
        );
    }
    let elsewhere = cluster(PAGE, serde_json::json!({ "address": "127.0.0.1" }));
    assert!(asked(&elsewhere).is_empty());
}

#[test]
fn a_key_is_read_on_the_host_that_asks() {
    let facts = serde_json::json!({ "address": "10.0.0.1", "key": "web-key" });
    let checks = asked(&cluster(PAGE, facts));
    let command = &checks[0].query.command;
    assert!(
        command.contains("/etc/deployctl/secrets/web-key"),
        "{command}"
    );
}

#[test]
fn what_it_lists_and_no_chat_without_a_model() {
    let models = PAGE.replace("health = \"/ready.txt\"", "models = true");
    let facts = serde_json::json!({ "address": "10.0.0.1" });
    let checks = asked(&cluster(&models, facts.clone()));
    let ids: Vec<_> = checks.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["lan10g/web-models/mac-mini-to-cuda"]);
    let named = format!("{models}model = \"'small'\"\nfirst_answer_seconds = \"90\"\n");
    let checks = asked(&cluster(&named, facts));
    let ids: Vec<_> = checks.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "lan10g/web-models/mac-mini-to-cuda",
            "lan10g/web-chat/mac-mini-to-cuda"
        ]
    );
    assert!(checks[1].query.command.contains("-m 90 "));
    // A server may list a model by another name than requests do.
    let expected = |listed: &str| {
        let facts = serde_json::json!({ "address": "10.0.0.1" });
        let checks = asked(&cluster(&format!("{named}{listed}"), facts));
        checks[0].expected.clone()
    };
    let base = "http://10.0.0.1:8080/v1/models names";
    assert_eq!(expected(""), format!("{base} small"));
    assert_eq!(expected("listed = \"'other'\"\n"), format!("{base} other"));
    assert_eq!(expected("listed = \"none\"\n"), format!("{base} a model"));
}

#[test]
fn what_cannot_be_asked_of_these_facts_is_an_error_of_the_host() {
    let mut told = String::new();
    for (from, to) in [
        ("host.web.address", "host.web.adress"),
        ("host.web.address", "host.web.address ~ ':80'"),
        ("\"8080\"", "\"80800\""),
        ("\"8080\"", "\"1 / 0\""),
        (
            "host.web.key if host.web.key is defined else none",
            "[host.web.address]",
        ),
    ] {
        let checks = PAGE.replacen(from, to, 1);
        let facts = serde_json::json!({ "address": "10.0.0.1" });
        let inventory = cluster(&checks, facts);
        assert!(asked(&inventory).is_empty());
        let mut own = checks_in(&inventory, "cuda", &BTreeSet::new());
        own.retain(|check| check.concern.as_str() == "web");
        for check in own {
            let result = evaluate(&check, Some(&section(0, "")));
            let CheckStatus::Error { reason, .. } = result.status else {
                panic!("{}: {:?}", check.id, result.status);
            };
            let _ = writeln!(told, "{}: {reason}", check.id);
        }
    }
    insta::assert_snapshot!(told, @"
    web/declared-in-line-2: modules/web/checks.toml:2: `host.web.adress` is undefined
    web/declared-in-line-2: modules/web/checks.toml:2: is `10.0.0.1:80`, no IP address
    web/declared-in-line-3: modules/web/checks.toml:3: is no port: 1 to 65535
    web/declared-in-line-3: modules/web/checks.toml:3: unable to calculate 1 / 0
    web/declared-in-line-5: modules/web/checks.toml:5: is no text, or an empty one
    ");
}

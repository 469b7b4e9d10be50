//! Checks of a concern that a repository brings: what its folder says is what is asked, and judged.
#![expect(clippy::disallowed_methods, reason = "a test runs a command in shells")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use deployctl_checks::{Check, CheckResult, CheckStatus, case, evaluate};
use deployctl_core::query::Section;
use serde_json::{Value, json};

use crate::host::{self, checks_in, section};

const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "word": { "type": "string" },
    "words": { "type": "array", "items": { "type": "string" } },
    "sites": { "type": "object", "additionalProperties": { "type": "integer" } },
    "limit": { "type": "integer" }
  }
}"#;

/// The checks of `web` on a host that declares it with `facts`, by the `checks.toml` of `source`.
fn web(source: &str, declared: Value) -> Vec<Check> {
    let inventory = host::web(SCHEMA, source, declared);
    let mut checks = checks_in(&inventory, "cuda", &BTreeSet::new());
    checks.retain(|check| check.concern.as_str() == "web");
    checks
}

fn judged(checks: &[Check], answer: &Section) -> Vec<CheckResult> {
    checks
        .iter()
        .map(|check| evaluate(check, Some(answer)))
        .collect()
}

const HOSTILE: &[&str] = &[
    "",
    "two words",
    "it's",
    "\"quoted\"",
    "$(touch /tmp/deployctl-hostile)",
    "`id`",
    "$HOME ${x} $1",
    "; exit 7 #",
    "%s %d \\n \\\\",
    "-n",
    "*",
    "{{ host }}",
    "ä 中",
];

const ECHO: &str = r#"
[query.echo]
command = 'printf "%s|" "$word" "$@"'
variables = { word = "host.web.word" }
arguments = "host.web.words"
deadline_seconds = 1
read = "text"

[[check]]
name = "echo"
query = "echo"
expect = "true"
expected = "a word"
found = "{{ answer }}"
"#;

#[test]
fn a_fact_reaches_a_command_as_it_is_in_every_shell() {
    for word in HOSTILE {
        let checks = web(ECHO, json!({ "word": word, "words": HOSTILE }));
        let mut expected = format!("{word}|");
        for word in HOSTILE {
            expected.push_str(word);
            expected.push('|');
        }
        for shell in ["dash", "bash"] {
            let mut run = Command::new(shell);
            let output = run.arg("-c").arg(&checks[0].query.command).output();
            let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said, expected, "{shell}: {word:?}");
        }
    }
}

#[test]
fn a_fact_that_is_no_word_makes_an_error_and_no_command() {
    for (fact, reason) in [
        (
            json!({ "words": [] }),
            "modules/web/checks.toml:4: `host.web.word` is undefined",
        ),
        (
            json!({ "word": "a" }),
            "modules/web/checks.toml:5: `host.web.words` is undefined",
        ),
    ] {
        let checks = web(ECHO, fact);
        assert_eq!(checks[0].query.command, ":");
        let result = evaluate(&checks[0], Some(&section(0, "")));
        let CheckStatus::Error { reason: told } = result.status else {
            panic!("{result:?}");
        };
        assert_eq!(told, reason);
    }
}

const READERS: &str = r#"
[query.lines]
command = "true"
deadline_seconds = 1
read = "lines"
begins_with = "list"
[[check]]
name = "lines"
query = "lines"
expect = "answer | length == host.web.limit"
expected = "as many lines"
found = "{{ answer | join(', ') }}"
hint = "write more"

[query.columns]
command = "true"
deadline_seconds = 1
read = "columns"
columns = ["name", "size"]
fields = { size = "count" }
[[check]]
name = "site/{{ item_key }}"
query = "columns"
each = "host.web.sites"
list.own = { of = "answer", where = "it.name == item_key", give = "it.size" }
unreadable = [{ when = "not own", because = "no line for `{{ item_key }}`" }]
skip = [{ when = "own[0] == 0", because = "it is empty" }]
pending_reboot = { when = "own[0] == 9", because = "nine waits" }
expect = "own[0] == item"
expected = "{{ item }} in {{ item_key }}"
found = "{{ own[0] }}"
hints = [{ when = "own[0] > item", hint = "too many" }]
hint = "too few"
measure = [{ what = "size of {{ item_key }}", value = "own[0]", at_most = "item" }]

[query.json]
command = "true"
deadline_seconds = 1
read = "json"
failure = { line = "^web: ", hints = [["busy", "wait"]], hint = "look at its log", pending_reboot = [["old", "it was upgraded"]] }
[[check]]
name = "json"
query = "json"
expect = "answer.up"
expected = "it is up"
found = "{{ answer.up }}"
"#;

#[test]
fn what_readers_and_verdicts_make_of_answers() {
    let declared = json!({ "limit": 2, "sites": { "a": 1, "b": 2 } });
    let checks = web(READERS, declared);
    let of = |name: &str| -> Vec<Check> {
        let mut checks = web(READERS, json!({ "limit": 2, "sites": { "a": 1, "b": 2 } }));
        checks.retain(|check| check.id.starts_with(&format!("web/{name}")));
        checks
    };
    assert_eq!(checks.len(), 4);
    let mut told = String::new();
    for (name, answers) in [
        (
            "lines",
            vec![
                (0, "list\na\nb\n"),
                (0, "list\n\n a \n"),
                (0, "list\n"),
                (0, "a\nb\n"),
                (1, "list\na\nb\n"),
                (127, ""),
            ],
        ),
        (
            "site",
            vec![
                (0, "a 1\nb 2\n"),
                (0, "a 0\nb 9\n"),
                (0, "a 3\nb 1\n"),
                (0, "a 1\n"),
                (0, "a one\nb 2\n"),
                (0, "a 1 2\n"),
            ],
        ),
        (
            "json",
            vec![
                (0, "{\"up\": true}"),
                (0, "{\"up\": false}"),
                (0, "{}"),
                (0, "{\"up\": tr"),
                (3, "starting\nweb: busy\n"),
                (3, "web: gone\n"),
                (3, "web: old\n"),
                (3, "who knows\n"),
            ],
        ),
    ] {
        let checks = of(name);
        for (status, text) in answers {
            let results = judged(&checks, &section(status, text));
            let _ = writeln!(told, "== {status} {text:?}\n{}", case::verdict(&results));
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn an_answer_that_is_no_text_or_cut_never_passes() {
    let checks = web(READERS, json!({ "limit": 1, "sites": { "a": 1 } }));
    for bytes in [&b"\xff\xfe"[..], b"", b" \n"] {
        for result in judged(&checks, &section(0, bytes)) {
            let is_error = matches!(result.status, CheckStatus::Error { .. });
            assert!(is_error, "{result:?}");
        }
    }
}

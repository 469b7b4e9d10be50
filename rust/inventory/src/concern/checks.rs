//! `checks.toml`: what a host is asked about a concern, and what its answers must be.
//!
//! This is the file as it was written, with every expression compiled; the checks that it makes of a host are made
//! by the crate of checks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::expression::{Expression, Text, read_file};
use super::folder::{ConcernError, Folder};
use super::names::Names;
use crate::name::SysctlKey;

mod check;
mod declared_query;
mod file;
mod judge;
mod query;

pub use declared_query::{Deadline, DeclaredQuery, Failure, Field, FieldKind, Reader, Ships};
pub use file::OverLinks;
pub use judge::{JudgeForm, NamedJudge};
pub use query::Request;

/// The file.
pub(super) const CHECKS: &str = "checks.toml";

/// What an expression about a host can read.
const HOST: &[&str] = &["host", "platform"];
/// What it can read for each of several things.
const EACH: &[&str] = &["key", "value"];
/// What a check can read that is made once for each of several things of one answer.
const ITEM: &[&str] = &["item_key", "item"];
/// What it can read of an answer.
const ANSWER: &[&str] = &["answer", "status", "said", "errors", "boot"];

/// The file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecksFile {
    /// Names for values that follow from facts.
    pub names: Names,
    /// What is asked, by name.
    pub queries: BTreeMap<String, Arc<DeclaredQuery>>,
    /// What must hold, in the order of the file.
    pub checks: Vec<DeclaredCheck>,
    /// Kernel settings that follow from facts, beside those that `ubuntu/` writes.
    pub sysctl: BTreeMap<SysctlKey, Setting>,
    /// The kernel modules that must be loaded, as an expression.
    pub modules: Option<Expression>,
    /// What the hosts at the other ends of links ask; none: nothing.
    pub over_links: Option<OverLinks>,
}

/// One check, or one for each of several things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredCheck {
    /// Its name below the concern's: `pool`, `library/{{ key }}`.
    pub name: Text,
    /// The query whose answer it reads.
    pub query: String,
    /// A list or an attribute set: there is one such check for each of its entries, as `item_key` and `item`.
    pub each: Option<Expression>,
    /// Whether there is such a check; left out: there is.
    pub when: Option<Expression>,
    /// What is expected, for people.
    pub expected: Text,
    /// How the answer is judged.
    pub judgement: Judgement,
    /// Whether it decides if an apply is confirmed.
    pub gate: bool,
    /// Whether it loads what it measures.
    pub loads: bool,
    /// The id of the check without which it would only repeat a failure.
    pub needs: Option<Text>,
    /// When it is asked again.
    pub retries: Retries,
}

impl DeclaredCheck {
    /// Where the file declares it: `modules/web/checks.toml:12`.
    pub fn place(&self) -> &str {
        self.name.place()
    }
}

/// How an answer is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// By expressions.
    Expectation(Arc<Expectation>),
    /// By a program.
    Judge(NamedJudge),
}

/// What must be true of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Names for values of the answer, beside those of the query.
    pub names: Names,
    /// When the answer is no answer, and why.
    pub unreadable: Vec<Case>,
    /// When it is neither right nor wrong, and why.
    pub skip: Vec<Case>,
    /// What must be true.
    pub expect: Expression,
    /// What was found, for people.
    pub found: Text,
    /// What to do: the first that fits.
    pub hints: Vec<Case>,
    /// When the next boot makes it right, and what waits for it.
    pub pending_reboot: Option<Case>,
    /// The numbers behind it.
    pub measures: Vec<Measure>,
}

/// A text for when something is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// When; left out: always.
    pub when: Option<Expression>,
    /// The text.
    pub text: Text,
}

/// A number of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Whether there is such a number; left out: there is.
    pub when: Option<Expression>,
    /// What it is: `charge of the battery`.
    pub what: Text,
    /// In what it is counted: `%`; empty for plain numbers.
    pub unit: String,
    /// The number.
    pub value: Expression,
    /// What it must reach.
    pub at_least: Option<Expression>,
    /// What it must not exceed.
    pub at_most: Option<Expression>,
}

/// How often a check is asked again before a failure counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How often at most.
    pub times: u8,
    /// How long to wait before each, in seconds.
    pub pause_seconds: u8,
    /// Words of which the evidence must hold one; none: it is asked again after every failure.
    #[serde(default, rename = "while")]
    pub only: Vec<String>,
}

/// A kernel setting that follows from facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Whether it is one; left out: it is.
    pub when: Option<Expression>,
    /// Its value.
    pub value: Expression,
    /// Whether it decides if an apply is confirmed.
    pub gate: bool,
}

/// The file of `folder`, whose checks may name `judges`, or any where these are not known; `None` where there is none.
pub(super) fn read(
    folder: &Folder,
    judges: Option<&[JudgeForm]>,
) -> Result<Option<ChecksFile>, Vec<ConcernError>> {
    read_file(folder, CHECKS, |file: file::File, compiler| {
        file.compile(&folder.files, judges, compiler)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::*;
    use crate::concern::Origin;
    use crate::concern::expression::Compiler;

    const JUDGES: &[JudgeForm] = &[JudgeForm {
        name: "speed",
        options: &["least", "unit?"],
        meaning: "",
    }];

    /// A sound file, of which each case changes one line.
    const SOUND: &str = r#"[query.status]
linux = "cat /run/web"
deadline_seconds = 5
read = "pairs"
fields = { open = "count" }
[[check]]
name = "open"
query = "status"
expect = "answer.open < 10"
expected = "few"
found = "{{ answer.open }}"
"#;

    fn told(source: &str) -> String {
        let files = [(CHECKS, source), ("ask.py", "print()")];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let files = BTreeMap::from(files);
        let folder = Folder {
            place: "modules/web".to_owned(),
            origin: Origin::Repository,
            files,
        };
        match read(&folder, Some(JUDGES)) {
            Ok(_) => "sound".to_owned(),
            Err(errors) => {
                let told = errors.iter().map(|error| match &error.hint {
                    Some(hint) => format!("{error}\n  {hint}"),
                    None => error.to_string(),
                });
                told.collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn the_example_of_the_documentation_is_sound() {
        let page = include_str!("../../../../docs/own-checks.md");
        let (_, example) = page.split_once("```toml\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        assert_eq!(told(example), "sound");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(told(SOUND), "sound");
        let mut page = String::new();
        for (from, to) in [
            ("deadline_seconds = 5", ""),
            ("deadline_seconds = 5", "deadline_seconds = 3600"),
            ("linux = \"cat /run/web\"", ""),
            ("linux = ", "linus = "),
            ("\"pairs\"", "\"yaml\""),
            ("\"pairs\"", "\"text\""),
            ("\"count\"", "\"integer\""),
            ("query = \"status\"", "query = \"state\""),
            ("answer.open < 10", "answer.open <"),
            ("answer.open < 10", "answers.open < 10"),
            ("answer.open < 10", "answer.open | halve"),
            ("expected = \"few\"", "expected = \"{{ answer.open }}\""),
            ("{{ answer.open }}", "{% for x in answer %}{% endfor %}"),
            ("found = ", "lost = "),
            (
                "[[check]]",
                "variables = { PATH = \"host.web.path\" }\n[[check]]",
            ),
            (
                "cat /run/web\"",
                "cat $file_of_web\"\nvariables = { file = \"host.web.file\" }",
            ),
            (
                "[[check]]",
                "variables = { a = \"answer.open\" }\n[[check]]",
            ),
            ("[[check]]", "failure = { line = \"(\" }\n[[check]]"),
            ("[[check]]", "let.host = \"1\"\n[[check]]"),
            (
                "[[check]]",
                "[query.other]\nlinux = \"true\"\ndeadline_seconds = 1\nread = \"text\"\n[[check]]",
            ),
            (
                "[query.status]",
                "[sysctl]\nswappiness = { value = \"1\" }\n[query.status]",
            ),
        ] {
            let changed = SOUND.replacen(from, to, 1);
            assert_ne!(changed, SOUND, "{from}");
            let _ = writeln!(page, "== {from} -> {to}\n{}", told(&changed));
        }
        insta::assert_snapshot!(page);
    }

    /// The same, judged by a program.
    const JUDGED: &str = r#"[query.status]
linux = 'python3 -c "$script" "$shipped"'
script = "ask.py"
ships = { hostprobe = true }
deadline_seconds = "host.web.seconds * 2"
[[check]]
name = "open"
query = "status"
judge = "speed"
options = { least = "host.web.least", unit = "'ms'" }
expected = "few"
"#;

    #[test]
    fn what_is_wrong_with_a_judge_a_script_or_a_shipment_is_said_with_its_line() {
        assert_eq!(told(JUDGED), "sound");
        let mut page = String::new();
        for (from, to) in [
            ("\"speed\"", "\"sped\""),
            ("\"speed\"", "\"weather\""),
            ("unit = ", "units = "),
            ("least = \"host.web.least\", ", ""),
            ("host.web.least", "answer.least"),
            ("expected = ", "hint = \"wait\"\nfound = \"x\"\nexpected = "),
            ("judge = \"speed\"\n", ""),
            ("ask.py", "asks.py"),
            ("\"$script\"", "print"),
            ("hostprobe = true", "hostprobe = false"),
            ("hostprobe = true", "artifact = \"a\", hostprobe = true"),
            ("\"$shipped\"", ""),
            ("host.web.seconds", "seconds"),
            ("script = ", "fields = { open = \"count\" }\nscript = "),
        ] {
            let changed = JUDGED.replacen(from, to, 1);
            assert_ne!(changed, JUDGED, "{from}");
            let _ = writeln!(page, "== {from} -> {to}\n{}", told(&changed));
        }
        insta::assert_snapshot!(page);
    }

    /// What others ask, on its own.
    const ASKED: &str = r#"[let]
url = "host.web.port"
[over_links]
address = "host.web.address"
port = "url"
health = "/ready"
"#;

    #[test]
    fn what_is_wrong_with_what_others_ask_is_said_with_its_line() {
        assert_eq!(told(ASKED), "sound");
        let mut page = String::new();
        for (from, to) in [
            ("health = \"/ready\"", ""),
            ("health = ", "helth = "),
            ("/ready", "ready"),
            ("/ready", "/a b"),
            ("port = \"url\"\n", ""),
            ("\"url\"", "\"ulr\""),
            ("\"url\"", "8080"),
            ("host.web.address", "host.web."),
            ("host.web.address", "answer.address"),
            ("health = ", "model = \"'small'\"\nhealth = "),
            ("health = ", "first_answer_seconds = \"60\"\nhealth = "),
        ] {
            let changed = ASKED.replacen(from, to, 1);
            assert_ne!(changed, ASKED, "{from}");
            let _ = writeln!(page, "== {from} -> {to}\n{}", told(&changed));
        }
        insta::assert_snapshot!(page, @r#"
        == health = "/ready" -> 
        modules/web/checks.toml:3: asks for nothing; expected `health` or `models`
        == health =  -> helth = 
        modules/web/checks.toml:6: unknown field `helth`, expected one of `address`, `port`, `health`, `models`, `model`, `listed`, `credential`, `first_answer_seconds`
        == /ready -> ready
        modules/web/checks.toml:6: `health` is `ready`; expected a path such as `/health`, of letters, digits and `/._-`
        == /ready -> /a b
        modules/web/checks.toml:6: `health` is `/a b`; expected a path such as `/health`, of letters, digits and `/._-`
        == port = "url"
         -> 
        modules/web/checks.toml:3: missing field `port`
        == "url" -> "ulr"
        modules/web/checks.toml:5: reads `ulr`; it can read `host`, `platform`, `url`
        == "url" -> 8080
        modules/web/checks.toml:5: invalid type: integer `8080`, expected a string
        == host.web.address -> host.web.
        modules/web/checks.toml:4: unexpected end of input, expected identifier or integer
        == host.web.address -> answer.address
        modules/web/checks.toml:4: reads `answer.address`; it can read `host`, `platform`, `url`
        == health =  -> model = "'small'"
        health = 
        modules/web/checks.toml:6: `model` is for a server with `models = true`
        == health =  -> first_answer_seconds = "60"
        health = 
        modules/web/checks.toml:6: `first_answer_seconds` is for a server with `models = true`
        "#);
    }

    #[test]
    fn what_expressions_can_take_is_bounded() {
        let context = minijinja::Value::from(());
        for text in [
            "('x' * 1000000000) | length",
            "range(1000000000) | list | length",
            "[1] * 100000000 | sort | length",
            "(range(99999) | list) * 99999 | sum",
        ] {
            let mut compiler = Compiler::new("web.toml", text);
            let spanned = toml::Spanned::new(0..1, text.to_owned());
            let expression = compiler.expression(&spanned, &["range"]);
            let value = expression.evaluate(&context);
            assert!(value.is_err(), "{text}: {value:?}");
        }
        let long = format!("'{}'", "x".repeat(1000));
        let mut compiler = Compiler::new("web.toml", &long);
        compiler.expression(&toml::Spanned::new(0..1, long.clone()), &[]);
        assert_eq!(compiler.errors[0].problem, "is longer than 1000 bytes");
    }
}

//! The checks of a folder's `checks.toml`, tried on the answers of its `cases/`, and on answers that prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_checks::case::{self, Case};
use deployctl_checks::folder::{self, Placed};
use deployctl_checks::{Check, CheckResult, CheckStatus, Declared, evaluate};
use deployctl_core::concern::{Concern, Folder, Origin};
use deployctl_core::inventory::{Inventory, Platform};
use deployctl_core::query::Section;
use deployctl_core::rendered::Rendered;

use crate::{Example, Outcome, Trial, TrialFolders, counted};

const CASES: &str = "each answer in `cases/` gets the verdict on its page";
const MADE: &str = "every check can be made of the facts of every example";
const BOTH: &str = "each check has an answer that passes, and one that fails";
const NOTHING: &str =
    "no check passes on an answer that is empty, no text, cut, late or about something else";

const NOT_CARRIED: &str = "the program does not contain the answers; deployctl's repository does";

/// Texts that answer no question.
const STRANGE: &[&str] = &[
    "x",
    "0",
    "-1",
    "1",
    "nan",
    "inf",
    "1e999",
    "99999999999999999999999",
    "null",
    "[]",
    "{}",
    "[[]]",
    "\"",
    "=",
    ":",
    ",,,,,,,,,,,,,",
    "a=",
    "=a",
    "a b c d e f g h",
    "\u{1b}[2J",
    "\u{202e}1",
    "1\0",
];

/// Tries the checks of `concern`, whose folder is `folder`; nothing where it has no `checks.toml` or no example that fits.
pub fn trials(folders: &TrialFolders, concern: &Concern, folder: &Folder) -> Vec<Trial> {
    let mut on_some = Platform::ALL.into_iter();
    let none = !on_some.any(|it| folders.examples(concern, it).next().is_some());
    if concern.checks.is_none() || none {
        return Vec::new();
    }
    let trial = |what, expected: &str, outcome| Trial {
        what,
        expected: expected.to_owned(),
        outcome,
    };
    let (cases, wrong) = read(folder);
    if let Some(found) = wrong {
        let outcome = Outcome::invalid(found, "docs/own-checks.md has the format of a page");
        return vec![trial("checks/cases", CASES, outcome)];
    }
    let checks = match on_each(folders, concern) {
        Ok(checks) => checks,
        Err(found) => {
            let hint = "an expression must have a value for every host that declares the concern";
            return vec![trial("checks/made", MADE, Outcome::invalid(found, hint))];
        }
    };
    let mut tried = Tried::default();
    for (place, case) in &cases {
        tried.case(folders, concern, place, case);
    }
    let or_not_carried = |outcome| {
        if folder.origin == Origin::BuiltIn {
            Outcome::NotTried(NOT_CARRIED.to_owned())
        } else {
            outcome
        }
    };
    vec![
        trial(
            "checks/cases",
            CASES,
            or_not_carried(tried.cases(cases.len())),
        ),
        trial(
            "checks/good-and-bad",
            BOTH,
            or_not_carried(tried.both(&checks)),
        ),
        trial("checks/nothing", NOTHING, nothing(&checks, &cases)),
    ]
}

/// The cases of the folder's pages, each with its place; or what is wrong with one.
fn read(folder: &Folder) -> (Vec<(String, Case)>, Option<String>) {
    let mut cases = Vec::new();
    for (path, text) in &folder.files {
        if !path.starts_with("cases/") {
            continue;
        }
        match case::parse(text) {
            Ok(found) => cases.extend(found.into_iter().map(|it| (path.clone(), it))),
            Err(error) => return (cases, Some(format!("{}/{path}: {error}", folder.place))),
        }
    }
    (cases, None)
}

/// The checks of the folder on the first example host of each platform, where they can be made on all of them.
fn on_each(folders: &TrialFolders, concern: &Concern) -> Result<Vec<Placed>, String> {
    let mut all = Vec::new();
    for platform in Platform::ALL {
        for (index, example) in folders.examples(concern, platform).enumerate() {
            let made = checks_on(folders, concern, example, &[])?;
            if index == 0 {
                all.extend(made);
            }
        }
    }
    Ok(all)
}

/// The checks of the folder on an example's host, with facts changed.
fn checks_on(
    folders: &TrialFolders,
    concern: &Concern,
    example: &Example,
    changes: &[String],
) -> Result<Vec<Placed>, String> {
    let inventory = inventory(folders, example, changes)?;
    let Some((name, host)) = inventory.hosts().iter().next() else {
        return Ok(Vec::new());
    };
    let declared = Declared {
        host,
        concerns: inventory.concerns(),
        cluster: inventory.cluster(),
        rendered: &Rendered::empty(name.clone()),
        failed_before: &BTreeSet::new(),
    };
    let made = folder::made(&folder::facts(host), concern, &declared);
    let faults: Vec<String> = made.faults.iter().map(ToString::to_string).collect();
    if faults.is_empty() {
        Ok(made.checks)
    } else {
        Err(faults.join("; "))
    }
}

fn inventory(
    folders: &TrialFolders,
    example: &Example,
    changes: &[String],
) -> Result<Inventory, String> {
    let mut raw = example.inventory();
    for change in changes {
        let (path, value) = change
            .split_once(" = ")
            .ok_or_else(|| format!("`facts: {change}` is not `path = JSON`"))?;
        let value = serde_json::from_str(value).map_err(|error| format!("`{change}`: {error}"))?;
        let host = raw["hosts"]
            .as_object_mut()
            .and_then(|it| it.values_mut().next());
        let host = host.ok_or("the example has no host")?;
        let at = path.split('.').try_fold(host, |at, key| at.get_mut(key));
        *at.ok_or_else(|| format!("the example has no fact `{path}`"))? = value;
    }
    folders.inventory(raw).map_err(|error| error.to_string())
}

/// The checks that ask the query of `case`: on the platform that it names, or the first where some do.
fn asking(folders: &TrialFolders, concern: &Concern, case: &Case) -> Result<Vec<Check>, String> {
    let named = case.host.as_deref();
    for platform in Platform::ALL {
        if named.is_some_and(|word| word != platform.as_str()) {
            continue;
        }
        let Some(example) = folders.examples(concern, platform).next() else {
            continue;
        };
        let checks = checks_on(folders, concern, example, &case.facts)?.into_iter();
        let checks = checks.map(|(_, check)| check);
        let asking: Vec<Check> = checks.filter(|it| it.query.id == case.query).collect();
        if !asking.is_empty() {
            return Ok(asking);
        }
    }
    Ok(Vec::new())
}

/// What the checks of `concern` that ask the query of `case` make of it, on an example's host; none where none asks it.
///
/// # Errors
/// Why the host cannot have the facts that the case changes.
pub fn judge(
    folders: &TrialFolders,
    concern: &Concern,
    case: &Case,
) -> Result<Vec<CheckResult>, String> {
    let checks = asking(folders, concern, case)?;
    let answer = case.answer();
    let results = checks.iter().map(|check| evaluate(check, Some(&answer)));
    Ok(results.collect())
}

/// What became of the cases.
#[derive(Default)]
struct Tried {
    wrong: Option<(String, String)>,
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl Tried {
    fn case(&mut self, folders: &TrialFolders, concern: &Concern, place: &str, case: &Case) {
        let name = format!("{place}, `{}: {}`", case.query, case.name);
        let results = match judge(folders, concern, case) {
            Ok(results) if results.is_empty() => {
                let hint = "its heading is `== CONCERN/QUERY: name`, with `/KEY` where the query has `each`";
                return self.note(format!("{name}: no check asks that"), hint);
            }
            Ok(results) => results,
            Err(problem) => return self.note(format!("{name}: {problem}"), "change its `facts`"),
        };
        for result in &results {
            match result.status {
                CheckStatus::Pass => self.passed.insert(result.check.clone()),
                CheckStatus::Fail { .. } | CheckStatus::Stale { .. } => {
                    self.failed.insert(result.check.clone())
                }
                CheckStatus::Skip { .. } | CheckStatus::Error { .. } => false,
            };
        }
        let verdict = case::verdict(&results);
        if verdict != case.verdict {
            let written = case.verdict.lines().collect::<Vec<_>>();
            let other = verdict.lines().find(|line| !written.contains(line));
            let other = other.unwrap_or("fewer lines than its page has").trim();
            self.note(
                format!("{name}: it gets another verdict: {other}"),
                &format!("the whole verdict: {verdict}"),
            );
        }
    }

    /// Keeps the first thing that is wrong.
    fn note(&mut self, found: String, hint: &str) {
        self.wrong.get_or_insert((found, hint.to_owned()));
    }

    fn cases(&self, count: usize) -> Outcome {
        match &self.wrong {
            Some((found, hint)) => Outcome::refuted(found, hint),
            None => Outcome::Proven(counted(count, "answer")),
        }
    }

    fn both(&self, checks: &[Placed]) -> Outcome {
        let ids: BTreeMap<&str, &str> = checks
            .iter()
            .map(|(place, check)| (check.id.as_str(), place.as_str()))
            .collect();
        let without = ids.iter().filter_map(|(id, place)| {
            let lacks = match (self.passed.contains(*id), self.failed.contains(*id)) {
                (true, true) => return None,
                (true, false) => "fails",
                (false, _) => "passes",
            };
            Some(format!(
                "{place}: `{id}` has no case with an answer that {lacks}"
            ))
        });
        let without: Vec<String> = without.collect();
        if without.is_empty() {
            Outcome::Proven(counted(ids.len(), "check"))
        } else {
            Outcome::invalid(without.join("; "), "add one to a page of `cases/`")
        }
    }
}

/// Answers that prove nothing: no check may pass on them.
fn nothing(checks: &[Placed], cases: &[(String, Case)]) -> Outcome {
    let mut count = 0;
    for (_, check) in checks {
        let own = cases.iter().map(|(_, case)| case);
        let own = own.filter(|case| case.query == check.query.id);
        let cut = own.clone().map(|case| Section {
            truncated: true,
            ..case.answer()
        });
        let late = own.map(|case| Section {
            status: None,
            ..case.answer()
        });
        let bytes = [&b""[..], b" \n", b"\xff\xfe", b"a=\xff\n"].into_iter();
        let bytes = bytes.chain(STRANGE.iter().map(|text| text.as_bytes()));
        let strange = bytes.map(|bytes| Section {
            status: Some(0),
            stdout: bytes.to_vec(),
            stderr: Vec::new(),
            truncated: false,
        });
        for answer in cut.chain(late).chain(strange) {
            count += 1;
            if evaluate(check, Some(&answer)).status == CheckStatus::Pass {
                let said = String::from_utf8_lossy(&answer.stdout).into_owned();
                let found = format!("`{}` passes on `{}`", check.id, said.escape_debug());
                let hint =
                    "name what the answer must hold by `fields`, `begins_with` or `unreadable`";
                return Outcome::refuted(found, hint);
            }
        }
    }
    Outcome::Proven(counted(count, "answer"))
}

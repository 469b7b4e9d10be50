//! Files that no other concern covers, and declared checks. Packages and units of `extra` are
//! checked like those of other concerns.

use std::time::Duration;

use deployctl_core::inventory::extra::{Bounds, Extra, ExtraCheck, ExtraFile};
use deployctl_core::inventory::host::Platform;
use deployctl_core::query::{Query, quote};
use deployctl_core::rendered::Sha256Hex;
use regex::Regex;

use crate::answer::{Answer, Found, Unreadable};
use crate::{Bound, Check, Declared, Measurement};

pub(super) const CONCERN: &str = "extra";

pub(super) fn checks(facts: &Extra, declared: &Declared<'_>) -> Vec<Check> {
    let mut all = own_checks(facts);
    // Elsewhere they are links into the store, which the check of the whole system covers.
    if declared.host.platform == Platform::Ubuntu {
        all.extend(file_checks(facts));
    }
    all
}

fn file_checks(facts: &Extra) -> Vec<Check> {
    let files: Vec<&ExtraFile> = facts.files.iter().flatten().collect();
    if files.is_empty() {
        return Vec::new();
    }
    let paths: Vec<String> = files.iter().map(|file| quote(file.path.as_str())).collect();
    let query = Query::new(
        "extra/files",
        format!(
            "set -- {}\nfor f do\n  if [ -f \"$f\" ]; then stat -c 'file %a %U %G' \"$f\"; sha256sum -- \"$f\"; else printf 'absent %s\\n' \"$f\"; fi\ndone",
            paths.join(" ")
        ),
    );
    files
        .into_iter()
        .map(|file| file_check(file, &query))
        .collect()
}

fn file_check(file: &ExtraFile, query: &Query) -> Check {
    let path = file.path.to_string();
    let mode = file.mode.as_str().trim_start_matches('0');
    let wanted = format!("{mode} {} {}", file.owner, file.group);
    let hash = Sha256Hex::of(file.content.as_str().as_bytes());
    let expected = format!("{path} as declared, {wanted}");
    Check::new(
        CONCERN,
        &format!("file{path}"),
        query,
        expected,
        move |answer| {
            let Some((ownership, found)) = parse(answer, &path)? else {
                return Ok(
                    Found::when(false, "there is no such file").or_hint(crate::MADE_BY_APPLY)
                );
            };
            let same = found == hash.as_str();
            let content = if same {
                "content as declared"
            } else {
                "other content"
            };
            Ok(Found::when(
                same && ownership == wanted,
                format!("{content}, {ownership}"),
            ))
        },
    )
}

/// Mode, owner and group, and the hash of `path`; `None` where there is no such file.
fn parse<'a>(answer: &Answer<'a>, path: &str) -> Result<Option<(&'a str, &'a str)>, Unreadable> {
    let mut ownership = None;
    for line in answer.lines()? {
        if let Some(rest) = line.strip_prefix("file ") {
            ownership = Some(rest);
        } else if line.strip_prefix("absent ") == Some(path) {
            return Ok(None);
        } else if let Some((hash, name)) = line.split_once("  ")
            && name == path
        {
            let ownership = ownership.ok_or_else(|| Unreadable::new("a hash without a mode"))?;
            return Ok(Some((ownership, hash)));
        }
    }
    Err(Unreadable(format!("no line for `{path}`")))
}

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// One check for each question that the inventory declares.
fn own_checks(facts: &Extra) -> Vec<Check> {
    let checks = facts.checks.iter().flatten();
    checks
        .map(|(label, check)| one(label.as_str(), check))
        .collect()
}

fn one(label: &str, facts: &ExtraCheck) -> Check {
    let deadline = Duration::from_secs(facts.deadline_seconds.into());
    let query = Query::new(
        format!("extra/check/{label}"),
        facts.command.as_str().to_owned(),
    )
    .with_deadline(deadline);
    let expectation = Expectation::of(label, facts);
    let expected = expectation.to_string();
    Check::new(
        CONCERN,
        &format!("check/{label}"),
        &query,
        expected,
        move |answer| expectation.judge(answer),
    )
    .reading_failures()
    .where_missing("the command that it asks by is not installed")
    .retried(facts.retries, PAUSE)
    .gate_if(facts.gate)
}

/// What an answer must be.
struct Expectation {
    label: String,
    status: i32,
    contains: Vec<String>,
    matches: Option<Regex>,
    number: Option<Bounds>,
}

impl Expectation {
    fn of(label: &str, facts: &ExtraCheck) -> Self {
        Self {
            label: label.to_owned(),
            status: facts.status.into(),
            contains: facts
                .contains
                .iter()
                .flatten()
                .map(ToString::to_string)
                .collect(),
            matches: facts.regex().expect("the inventory was checked"),
            number: facts.number.clone(),
        }
    }

    fn judge(&self, answer: &Answer<'_>) -> Result<Found, Unreadable> {
        if answer.status != self.status {
            return Ok(Found::when(
                false,
                format!("status {}: {}", answer.status, answer.everything()),
            )
            .or_hint(format!(
                "its command should end with status {}",
                self.status
            )));
        }
        let text = answer.text()?;
        let measured = match &self.number {
            Some(bounds) => Some(measure(&self.label, bounds, text)?),
            None => None,
        };
        let missing = self.contains.iter().find(|wanted| !text.contains(*wanted));
        let hint = if let Some(missing) = missing {
            format!("`{missing}` is not in its answer")
        } else if let Some(regex) = self.matches.as_ref().filter(|regex| !regex.is_match(text)) {
            format!("nothing in its answer matches `{regex}`")
        } else if measured.as_ref().is_some_and(|measured| !measured.holds()) {
            "the number is out of bounds".to_owned()
        } else {
            return Ok(Found::when(true, text).measuring(measured));
        };
        Ok(Found::when(false, text).or_hint(hint).measuring(measured))
    }
}

impl std::fmt::Display for Expectation {
    /// ``status 1, contains `ready`, matches `^up$`, 0 to 83 °C``
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if self.status != 0 {
            parts.push(format!("status {}", self.status));
        }
        if !self.contains.is_empty() {
            let texts: Vec<_> = self
                .contains
                .iter()
                .map(|text| format!("`{text}`"))
                .collect();
            parts.push(format!("contains {}", texts.join(" and ")));
        }
        parts.extend(
            self.matches
                .iter()
                .map(|regex| format!("matches `{regex}`")),
        );
        parts.extend(self.number.iter().map(|bounds| {
            let unit = &bounds.unit;
            match (bounds.at_least, bounds.at_most) {
                (Some(least), Some(most)) => format!("{least} to {most} {unit}"),
                (Some(least), None) => format!("{least} {unit} or more"),
                (None, Some(most)) => format!("{most} {unit} or less"),
                (None, None) => format!("a number of {unit}"),
            }
        }));
        f.write_str(&parts.join(", "))
    }
}

/// The number that `text` is, against the bound that it breaks, or else against the upper one.
fn measure(label: &str, bounds: &Bounds, text: &str) -> Result<Measurement, Unreadable> {
    let text = text.trim();
    let value = text.parse().ok().filter(|value: &f64| value.is_finite());
    let value = value.ok_or_else(|| Unreadable(format!("the answer is `{text}`, not a number")))?;
    let measured = Measurement::new(label, bounds.unit.as_str()).statistic("value", value);
    Ok(match (bounds.at_least, bounds.at_most) {
        (Some(least), most) if value < least || most.is_none() => {
            measured.limit("value", Bound::AtLeast, least)
        }
        (_, Some(most)) => measured.limit("value", Bound::AtMost, most),
        (_, None) => measured,
    })
}

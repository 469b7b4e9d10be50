//! What a declared check makes of an answer.

use deployctl_core::concern::{
    Case, DeclaredQuery, Expectation, Failure, Measure, NoValue, Reader,
};
use minijinja::Value;
use regex::Regex;

use super::{Scope, reader};
use crate::answer::{Answer, Found, Holds, Unreadable};
use crate::reader::http;
use crate::{Bound, Measurement};

impl From<NoValue> for Unreadable {
    fn from(error: NoValue) -> Self {
        Self(error.to_string())
    }
}

/// What the command says is wrong; `None` where the answer is there to be judged.
pub(super) fn failed(
    asked: &DeclaredQuery,
    answer: &Answer<'_>,
) -> Result<Option<Found>, Unreadable> {
    let Some(failure) = &asked.failure else {
        return Ok(None);
    };
    if (answer.status != 0 || failure.also_on_success)
        && let Some(found) = said(failure, answer)?
    {
        return Ok(Some(found));
    }
    if answer.status != 0 && !asked.any_status {
        let status = answer.status;
        return Err(Unreadable(format!("the query ended with status {status}")));
    }
    Ok(None)
}

/// Judges `answer`, which came whole and in time.
pub(super) fn judge(
    asked: &DeclaredQuery,
    check: &Expectation,
    scope: &Scope,
    answer: &Answer<'_>,
) -> Result<Found, Unreadable> {
    let (context, unnamed) = context(asked, check, scope, answer)?;
    match (first(&check.unreadable, &context), unnamed) {
        (Ok(Some(reason)), _) => return Err(Unreadable(reason)),
        (_, Some(error)) => return Err(error.into()),
        (Err(error), None) => return Err(error),
        (Ok(None), None) => {}
    }
    let mut found = Found::when(false, check.found.render(&context)?);
    for measure in &check.measures {
        found = found.measuring(number(measure, &context)?);
    }
    found.holds = holds(check, &context)?;
    Ok(found)
}

fn holds(check: &Expectation, context: &Value) -> Result<Holds, Unreadable> {
    if let Some(reason) = first(&check.skip, context)? {
        return Ok(Holds::PassedOver(reason));
    }
    if check.expect.holds(context)? {
        return Ok(Holds::Yes);
    }
    if let Some(reason) = first(check.pending_reboot.as_slice(), context)? {
        return Ok(Holds::AfterReboot(reason));
    }
    Ok(Holds::No(first(&check.hints, context)?))
}

/// What expressions read: the host, the answer, and the names of `let`. And why one of these has no value: the check
/// may have better words for it.
fn context(
    asked: &DeclaredQuery,
    check: &Expectation,
    scope: &Scope,
    answer: &Answer<'_>,
) -> Result<(Value, Option<NoValue>), Unreadable> {
    let mut scope = scope.clone();
    scope.insert("status".to_owned(), answer.status.into());
    scope.insert("errors".to_owned(), answer.errors().into());
    scope.insert("said".to_owned(), answer.everything().into());
    let read = |text: &str| match &asked.reader {
        Some(reader) => reader::read(reader, text),
        None => Err(Unreadable::new("the query has no reader")),
    };
    let read = if asked.reader == Some(Reader::Http) {
        http::value(answer)?
    } else if answer.status != 0 {
        answer.text().and_then(read).unwrap_or(Value::from(()))
    } else if asked.asks_boot {
        let (rest, boot) = without_boot(answer.text()?);
        let read = read(&rest)?;
        scope.insert("boot".to_owned(), boot?);
        read
    } else {
        read(answer.text()?)?
    };
    scope.insert("answer".to_owned(), read);
    let named = asked.names.add_to(&mut scope);
    let named = named.and_then(|()| check.names.add_to(&mut scope));
    Ok((Value::from(scope), named.err()))
}

/// The answer without the two command lines, and these as lists of words.
fn without_boot(text: &str) -> (String, Result<Value, Unreadable>) {
    let (mut rest, mut running, mut next) = (String::new(), None, "");
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("running=") {
            running = Some(words);
        } else if let Some(words) = line.strip_prefix("next=") {
            next = words;
        } else {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    let words = |line: &str| line.split_whitespace().collect::<Value>();
    let boot = running
        .map(|running| Value::from_pairs([("running", words(running)), ("next", words(next))]))
        .ok_or_else(|| Unreadable::new("no running command line in the answer"));
    (rest, boot)
}

/// The first case that fits.
fn first(cases: &[Case], context: &Value) -> Result<Option<String>, Unreadable> {
    for case in cases {
        let fits = match &case.when {
            Some(when) => when.holds(context)?,
            None => true,
        };
        if fits {
            return Ok(Some(case.text.render(context)?));
        }
    }
    Ok(None)
}

/// The number, where there is one.
fn number(measure: &Measure, context: &Value) -> Result<Option<Measurement>, Unreadable> {
    if let Some(when) = &measure.when
        && !when.holds(context)?
    {
        return Ok(None);
    }
    let float = |expression: &deployctl_core::concern::Expression| {
        let value = expression.evaluate(context)?;
        let number = f64::try_from(value).ok().filter(|it| it.is_finite());
        number.ok_or_else(|| expression.fault("is no finite number"))
    };
    let what = measure.what.render(context)?;
    let measured =
        Measurement::new(&what, &measure.unit).statistic("value", float(&measure.value)?);
    Ok(Some(match (&measure.at_least, &measure.at_most) {
        (Some(least), _) => measured.limit("value", Bound::AtLeast, float(least)?),
        (None, Some(most)) => measured.limit("value", Bound::AtMost, float(most)?),
        (None, None) => measured,
    }))
}

/// What the command says is wrong; `None` where it says nothing of the kind.
fn said(failure: &Failure, answer: &Answer<'_>) -> Result<Option<Found>, Unreadable> {
    let regex = Regex::new(&failure.line).map_err(|error| Unreadable(error.to_string()))?;
    let words = answer.everything();
    let Some(line) = words.lines().find(|line| regex.is_match(line)) else {
        return Ok(None);
    };
    let part = |pairs: &[(String, String)]| {
        let found = pairs.iter().find(|(part, _)| line.contains(part));
        found.map(|(_, text)| text.clone())
    };
    let mut found = Found::when(false, line);
    found.holds = match part(&failure.pending_reboot) {
        Some(reason) => Holds::AfterReboot(reason),
        None => Holds::No(part(&failure.hints).or_else(|| failure.hint.clone())),
    };
    Ok(Some(found))
}

//! Reads what curl reports about one request, for the concerns with a server.

use minijinja::Value;

use crate::answer::{Answer, Unreadable, number};
use crate::request::NO_KEY;

/// Whether the host had no key to ask with.
pub(crate) fn without_key(answer: &Answer<'_>) -> Result<bool, Unreadable> {
    Ok(answer.text()?.trim() == NO_KEY)
}

/// An answer.
pub(crate) struct Http<'a> {
    /// The body, without blanks around it.
    pub(crate) body: &'a str,
    /// 0 where there was no connection.
    pub(crate) status: u16,
    /// How long all of it took, where curl was asked.
    seconds: Option<&'a str>,
}

/// The body, and what a request puts behind it.
pub(crate) fn parse<'a>(answer: &Answer<'a>) -> Result<Http<'a>, Unreadable> {
    let text = answer.text()?.trim_end();
    let (body, status) = text
        .rsplit_once("status ")
        .ok_or_else(|| Unreadable::new("no status in the answer of curl"))?;
    let (status, seconds) = match status.split_once(" seconds ") {
        Some((status, seconds)) => (status, Some(seconds)),
        None => (status, None),
    };
    Ok(Http {
        body: body.trim(),
        status: number("status", status)?,
        seconds,
    })
}

/// The answer as expressions read it.
pub(crate) fn value(answer: &Answer<'_>) -> Result<Value, Unreadable> {
    let no_key = without_key(answer)?;
    let (code, body, seconds, outcome) = if no_key {
        let outcome = "the key is not on this host".to_owned();
        (0, "", Value::from(()), outcome)
    } else {
        let http = parse(answer)?;
        let seconds = http.seconds.map(|text| number::<f64>("seconds", text));
        let seconds = seconds.transpose()?.filter(|it| it.is_finite());
        (
            http.status,
            http.body,
            Value::from(seconds),
            http.shown(answer),
        )
    };
    Ok(Value::from_pairs([
        ("code", Value::from(code)),
        ("body", body.into()),
        ("seconds", seconds),
        ("outcome", outcome.into()),
        ("has_key", (!no_key).into()),
    ]))
}

impl Http<'_> {
    /// The status; or, without one, the error that curl reports about the connection.
    pub(crate) fn shown(&self, answer: &Answer<'_>) -> String {
        match self.status {
            0 if !self.body.is_empty() => self.body.to_owned(),
            0 if answer.errors().is_empty() => "no connection".to_owned(),
            0 => answer.errors(),
            status => format!("status {status}"),
        }
    }

    /// How long all of it took.
    pub(crate) fn seconds(&self) -> Result<f64, Unreadable> {
        let seconds = self
            .seconds
            .ok_or_else(|| Unreadable::new("no time in the answer of curl"))?;
        number("seconds", seconds)
    }
}

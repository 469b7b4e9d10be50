//! Reads what curl reports about one request, for the concerns with a server.

use deployctl_core::query::quote;
use minijinja::Value;

use crate::answer::{Answer, Found, Unreadable, number};
use crate::request::NO_KEY;

/// What a query's curl puts behind the body, as its `-w`.
pub(crate) const STATUS: &str = r"'\nstatus %{http_code}\n'";

/// How curl is called on a host: without root's own settings, and not by a proxy, which would get to see the
/// key.
pub(crate) const CURL: &str = "curl -q -sS --noproxy '*'";

/// Prints all lines behind the first, and nowhere what that one is.
const HIDE: &str = r#"NR == 1 { key = $0; next }
{
  rest = $0
  said = ""
  while (key != "" && (at = index(rest, key)) > 0) {
    said = said substr(rest, 1, at - 1) "(key)"
    rest = substr(rest, at + length(key))
  }
  print said rest
}"#;

/// Shell that runs `curl` with the key in `$key`, if any. It goes to curl on standard input, never in argv. A
/// server that repeats what it was sent would bring it into reports: it is taken out of the answer.
pub(crate) fn with_key(curl: &str) -> String {
    let program = curl.split(' ').next().unwrap_or_default();
    format!(
        "command -v {program} >/dev/null || exit 127\n{{\n  printf '%s\\n' \"$key\"\n  \
         printf '%s\\n' \"$key\" |\n    \
         sed -e '/./!d' -e 's/[\\\"]/\\\\&/g' -e 's/.*/header = \"Authorization: Bearer &\"/' |\n    \
         {curl}\n}} | awk {}",
        quote(HIDE)
    )
}

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

/// The body, and what a request or [`STATUS`] puts behind it.
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

/// Whether the answer has status 200; `hint` by its status where not.
pub(crate) fn succeeds(
    answer: &Answer<'_>,
    hint: impl FnOnce(u16) -> &'static str,
) -> Result<Found, Unreadable> {
    let http = parse(answer)?;
    Ok(Found::when(http.status == 200, http.shown(answer)).or_hint(hint(http.status)))
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

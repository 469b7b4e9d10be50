//! What curl says of one request, for the concerns that serve something.

use deployctl_core::query::quote;
use serde::Deserialize;

use super::answer::{Answer, Unreadable, number};

/// What a query's curl puts behind the body, as its `-w`.
pub(super) const STATUS: &str = r"'\nstatus %{http_code}\n'";

/// How curl is called on a host: without root's own settings, and not by a proxy, which would get to see the
/// key.
pub(super) const CURL: &str = "curl -q -sS --noproxy '*'";

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
pub(super) fn with_key(curl: &str) -> String {
    let program = curl.split(' ').next().unwrap_or_default();
    format!(
        "command -v {program} >/dev/null || exit 127\n{{\n  printf '%s\\n' \"$key\"\n  \
         printf '%s\\n' \"$key\" |\n    \
         sed -e '/./!d' -e 's/[\\\"]/\\\\&/g' -e 's/.*/header = \"Authorization: Bearer &\"/' |\n    \
         {curl}\n}} | awk {}",
        quote(HIDE)
    )
}

/// An answer.
pub(super) struct Http<'a> {
    /// The body, without blanks around it.
    pub(super) body: &'a str,
    /// 0 where there was no connection.
    pub(super) status: u16,
}

/// The body and the status that [`STATUS`] puts behind it.
pub(super) fn parse<'a>(answer: &Answer<'a>) -> Result<Http<'a>, Unreadable> {
    let text = answer.text()?.trim_end();
    let (body, status) = text
        .rsplit_once("status ")
        .ok_or_else(|| Unreadable::new("no status in the answer of curl"))?;
    Ok(Http {
        body: body.trim(),
        status: number("status", status)?,
    })
}

impl Http<'_> {
    /// The status; or, without one, what curl says of the connection.
    pub(super) fn shown(&self, answer: &Answer<'_>) -> String {
        match self.status {
            0 if answer.errors().is_empty() => "no connection".to_owned(),
            0 => answer.errors(),
            status => format!("status {status}"),
        }
    }

    /// The names in a list of models as `/v1/models` gives it.
    pub(super) fn models(&self) -> Result<Vec<String>, Unreadable> {
        let models: Models = serde_json::from_str(self.body)
            .map_err(|e| Unreadable(format!("not the expected JSON: {e}")))?;
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }
}

/// Address and port as they stand in a URL and in the answers of ss(8).
pub(super) fn authority(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

//! What curl says of one request, for the concerns that serve something.

use serde::Deserialize;

use super::answer::{Answer, Unreadable, number};

/// What a query's curl puts behind the body, as its `-w`.
pub(super) const STATUS: &str = r"'\nstatus %{http_code}\n'";

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

//! Servers over the link, as the other end sees them: health, models, and an answer of one token. Concerns' folders say
//! which there are.

use std::time::Duration;

use deployctl_core::concern::Concerns;
use deployctl_core::query::Query;

use super::end::{End, Line, asked, unreachable};
use super::ping::{self, Size};
use crate::answer::{Answer, Found, Unreadable};
use crate::folder::{self, Served};
use crate::reader::{http, openai};
use crate::request::{Request, SECRETS};
use crate::{Check, Measurement};

/// Seconds for what a server says without a model.
const SOON: u32 = 5;

pub(super) fn checks(
    line: &Line<'_>,
    from: &End<'_>,
    peer: &End<'_>,
    concerns: &Concerns,
) -> Vec<Check> {
    let here = |it: &Served| it.address == peer.address || it.address.is_unspecified();
    // Where a folder cannot tell, a check of the host itself says so.
    let served = |concern| folder::served(concern, peer.facts).ok().flatten();
    let all = concerns.iter().filter_map(served).filter(here);
    all.flat_map(|service| of_service(line, from, peer, &service))
        .collect()
}

fn of_service(line: &Line<'_>, from: &End<'_>, peer: &End<'_>, service: &Served) -> Vec<Check> {
    let id = |what| line.of_way(&format!("{}-{what}", service.concern), from, peer);
    let request = Asked {
        base: format!("http://{}", peer.socket(service.port)),
        from,
        credential: service.credential.as_deref(),
    };
    let hints = Hints::new(from, peer, service);
    let mut needed = ping::id(line, from, peer, Size::Small);
    let mut checks = Vec::new();
    if let Some(path) = &service.health {
        let check = health(&request, id("health"), path, hints.clone());
        needed = add(&mut checks, check, needed);
    }
    if service.models {
        let check = models(
            &request,
            id("models"),
            service.listed.clone(),
            hints.clone(),
        );
        needed = add(&mut checks, check, needed);
    }
    if let Some(model) = service.model.as_ref().filter(|_| service.models) {
        let check = answer(&request, &id("chat"), model, service.first_answer, hints);
        add(&mut checks, check, needed);
    }
    checks
}

/// Adds a check after the one that it needs, and returns its own id.
fn add(checks: &mut Vec<Check>, check: Check, needed: String) -> String {
    let id = check.id.clone();
    checks.push(check.needing(needed));
    id
}

/// Status 200 for a path.
fn health(request: &Asked<'_>, id: String, path: &str, hints: Hints) -> Check {
    let query = request.query(&id, path, SOON, None);
    let expected = format!("GET {}{path} gives 200", request.base);
    asked(id, &query, expected, move |answer| {
        let reply = match hints.read(answer)? {
            Ok(reply) => reply,
            Err(found) => return Ok(found),
        };
        Ok(Found::when(true, "status 200").measuring([reply.time("health")]))
    })
    .retried(2, Duration::from_secs(3))
}

/// A list of models with the wanted one, or with any.
fn models(request: &Asked<'_>, id: String, wanted: Option<String>, hints: Hints) -> Check {
    let expected = match &wanted {
        Some(model) => format!("{}/v1/models names {model}", request.base),
        None => format!("{}/v1/models names a model", request.base),
    };
    let query = request.query(&id, openai::MODELS, SOON, None);
    asked(id, &query, expected, move |answer| {
        let reply = match hints.read(answer)? {
            Ok(reply) => reply,
            Err(found) => return Ok(found),
        };
        Ok(openai::serves(reply.body, wanted.as_deref())?
            .or_hint("it was started with another model, or names it otherwise")
            .measuring([reply.time("models")]))
    })
    .retried(1, Duration::from_secs(3))
}

/// An answer of one token.
fn answer(request: &Asked<'_>, id: &str, model: &str, first: u32, hints: Hints) -> Check {
    let path = openai::CHAT;
    let query = request.query(id, path, first, Some(openai::one_token(model)));
    let expected = format!("{}{path} answers one token by {model}", request.base);
    asked(id.to_owned(), &query, expected, move |answer| {
        let reply = match hints.read(answer)? {
            Ok(reply) => reply,
            Err(found) => return Ok(found),
        };
        let content = openai::content(reply.body)?;
        let evidence = if content.is_empty() {
            "an answer without content".to_owned()
        } else {
            format!("{content:?} in {:.3} s", reply.seconds)
        };
        Ok(Found::when(!content.is_empty(), evidence)
            .or_hint(openai::SILENT)
            .measuring([reply.time("first answer")]))
    })
    // The model may have to be loaded from disk, and uses the GPU that trading needs.
    .loading()
    .retried(1, Duration::from_secs(5))
}

/// How a server is asked.
struct Asked<'a> {
    base: String,
    from: &'a End<'a>,
    credential: Option<&'a str>,
}

impl Asked<'_> {
    fn query(&self, id: &str, path: &str, seconds: u32, post: Option<String>) -> Query {
        Request {
            url: format!("{}{path}", self.base),
            seconds,
            source: Some(self.from.address.to_string()),
            key_file: self.credential.map(key_file),
            post,
            ..Request::default()
        }
        .query(id, self.from.facts.platform)
    }
}

/// The file of a credential on a host.
fn key_file(credential: &str) -> String {
    format!("{SECRETS}/{credential}")
}

/// What a server said, with status 200.
struct Reply<'a> {
    body: &'a str,
    seconds: f64,
}

impl Reply<'_> {
    fn time(&self, what: &str) -> Measurement {
        Measurement::new(what, "ms").statistic("value", self.seconds * 1e3)
    }
}

/// What to do, by what went wrong.
#[derive(Clone)]
struct Hints {
    from: String,
    peer: String,
    service: String,
    port: u16,
    credential: Option<String>,
    unreachable: String,
}

impl Hints {
    fn new(from: &End<'_>, peer: &End<'_>, service: &Served) -> Self {
        Self {
            from: from.host.to_string(),
            peer: peer.host.to_string(),
            service: service.concern.clone(),
            port: service.port,
            credential: service.credential.as_deref().map(key_file),
            unreachable: unreachable(from, peer, service.port),
        }
    }

    /// The reply, or what is wrong with it.
    fn read<'a>(&self, answer: &Answer<'a>) -> Result<Result<Reply<'a>, Found>, Unreadable> {
        if http::without_key(answer)? {
            let file = self.credential.as_deref().unwrap_or_default();
            let evidence = format!("{} has no key in {file}", self.from);
            return Ok(Err(Found::when(false, evidence).or_hint(format!(
                "put the key that `{}` expects into `{file}` of `{}`, mode 0600",
                self.peer, self.from
            ))));
        }
        let http = http::parse(answer)?;
        let (body, status, seconds) = (http.body, http.status, http.seconds()?);
        if status == 200 {
            return Ok(Ok(Reply { body, seconds }));
        }
        let evidence = match status {
            0 => body.to_owned(),
            _ => format!("status {status}: {body}"),
        };
        Ok(Err(
            Found::when(false, evidence).or_hint(self.of(status, body))
        ))
    }

    fn of(&self, status: u16, said: &str) -> String {
        let Self {
            from,
            peer,
            service,
            port,
            ..
        } = self;
        match (status, &self.credential) {
            (0, _) if said.contains("refused") || said.contains("onnect to server") => format!(
                "nothing listens on port {port} of `{peer}`, or its firewall refuses: is the service of `{service}` up there?"
            ),
            (0, _) if said.contains("timed out") && !said.contains("onnect") => {
                format!(
                    "`{peer}` takes the request and does not answer: a model that is loaded for the first time takes long, or it hangs"
                )
            }
            (0, _) => self.unreachable.clone(),
            (401 | 403, Some(file)) => {
                format!("the key in `{file}` of `{from}` is not the one that `{peer}` expects")
            }
            (401 | 403, None) => {
                format!("`{peer}` asks for a key, and the facts of `{service}` there name none")
            }
            (404, _) => "something else answers there, or it serves another model".to_owned(),
            (429, _) => "it has too much to do: try again later".to_owned(),
            (502..=504, _) => format!(
                "it is up, and no model behind it: loading takes minutes; see the log of `{service}` on `{peer}`"
            ),
            _ => format!("see the log of `{service}` on `{peer}`"),
        }
    }
}

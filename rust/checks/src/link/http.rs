//! Inference over the link: health, models, and an answer of one token, as the other end sees them.

use std::time::Duration;

use deployctl_core::query::Query;
use serde_json::Value;

use super::end::{End, Line, asked, unreachable};
use super::ping::{self, Size};
use crate::answer::{Answer, Found, Unreadable};
use crate::reader::{http, openai};
use crate::request::{Request, SECRETS};
use crate::{Check, Measurement};

/// Seconds for what a server says without a model.
const SOON: u32 = 5;
/// Seconds for the first token of a model that is in memory.
const ANSWER: u32 = 30;

/// A server that `peer` runs for others.
struct Service<'a> {
    /// The concern that declares it.
    name: &'static str,
    port: u16,
    /// What requests call the model; `None` if the gateway's host declares no model.
    model: Option<&'a str>,
    credential: Option<&'a str>,
    /// Seconds that the first answer may take.
    first: u32,
}

pub(super) fn checks(line: &Line<'_>, from: &End<'_>, peer: &End<'_>) -> Vec<Check> {
    services(peer)
        .iter()
        .flat_map(|service| of_service(line, from, peer, service))
        .collect()
}

/// What `peer` serves at its address on this link.
fn services<'a>(peer: &End<'a>) -> Vec<Service<'a>> {
    let here = |address: &str| {
        address
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip == peer.address || ip.is_unspecified())
    };
    let fact = |path| peer.facts.fact(path);
    let word = |path| fact(path).and_then(Value::as_str);
    let port = |path| fact(path).and_then(|port| u16::try_from(port.as_u64()?).ok());
    let mlx = word("mlx.host").and_then(|address| {
        let first = fact("mlx.load_timeout_seconds").and_then(Value::as_u64);
        let service = Service {
            name: "mlx",
            port: port("mlx.port")?,
            // The server knows its model by this name alone; the other one is the gateway's.
            model: word("mlx.model.id"),
            credential: None,
            first: u32::try_from(first?).ok()?.max(ANSWER),
        };
        Some((address, service))
    });
    let gateway = word("gateway.address").and_then(|address| {
        let service = Service {
            name: "gateway",
            port: port("gateway.port")?,
            model: word("vllm.model.served_name"),
            credential: word("gateway.credential"),
            first: ANSWER,
        };
        Some((address, service))
    });
    let all = mlx.into_iter().chain(gateway);
    all.filter(|(address, _)| here(address))
        .map(|(_, service)| service)
        .collect()
}

fn of_service(
    line: &Line<'_>,
    from: &End<'_>,
    peer: &End<'_>,
    service: &Service<'_>,
) -> Vec<Check> {
    let id = |what| line.of_way(&format!("{}-{what}", service.name), from, peer);
    let request = Asked {
        base: format!("http://{}", peer.socket(service.port)),
        from,
        credential: service.credential,
    };
    let hints = Hints::new(from, peer, service);
    let (health, models, chat) = (id("health"), id("models"), id("chat"));

    let url = format!("GET {}/health", request.base);
    let query = request.query(&health, "/health", SOON, None);
    let reader = hints.clone();
    let mut checks = vec![
        asked(
            health.clone(),
            &query,
            format!("{url} gives 200"),
            move |answer| {
                let reply = match reader.read(answer)? {
                    Ok(reply) => reply,
                    Err(found) => return Ok(found),
                };
                Ok(Found::when(true, "status 200").measuring([reply.time("health")]))
            },
        )
        .needing(ping::id(line, from, peer, Size::Small))
        .retried(2, Duration::from_secs(3)),
    ];

    let wanted = service.model.map(str::to_owned);
    let expected = match &wanted {
        Some(model) => format!("{}/v1/models names {model}", request.base),
        None => format!("{}/v1/models names a model", request.base),
    };
    let query = request.query(&models, openai::MODELS, SOON, None);
    let reader = hints.clone();
    checks.push(
        asked(models.clone(), &query, expected, move |answer| {
            let reply = match reader.read(answer)? {
                Ok(reply) => reply,
                Err(found) => return Ok(found),
            };
            Ok(openai::serves(reply.body, wanted.as_deref())?
                .or_hint("it was started with another model, or names it otherwise")
                .measuring([reply.time("models")]))
        })
        .needing(health)
        .retried(1, Duration::from_secs(3)),
    );

    if let Some(model) = service.model {
        checks.push(answer(&request, &chat, model, service.first, hints).needing(models));
    }
    checks
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
    service: &'static str,
    port: u16,
    credential: Option<String>,
    unreachable: String,
}

impl Hints {
    fn new(from: &End<'_>, peer: &End<'_>, service: &Service<'_>) -> Self {
        Self {
            from: from.host.to_string(),
            peer: peer.host.to_string(),
            service: service.name,
            port: service.port,
            credential: service.credential.map(key_file),
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
            (401 | 403, None) => format!(
                "`{peer}` asks for a key and none is declared: name it in `gateway.credential`"
            ),
            (404, _) => "something else answers there, or it serves another model".to_owned(),
            (429, _) => "it has too much to do: try again later".to_owned(),
            (502..=504, _) => format!(
                "it is up, and no model behind it: loading takes minutes; see the log of `{service}` on `{peer}`"
            ),
            _ => format!("see the log of `{service}` on `{peer}`"),
        }
    }
}

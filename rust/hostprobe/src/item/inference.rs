//! Requests to an OpenAI-compatible server over its Unix socket, as the trading engine makes them:
//! time to the first token and to the last.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::args::Args;
use crate::distribution::Distribution;
use crate::report::{Item, Trouble};
use crate::sys::process;

const ITEM: &str = "inference";
/// Longest answer kept, in bytes.
const CAP: usize = 4 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// One answered request.
#[derive(Debug)]
struct Answered {
    first: Duration,
    whole: Duration,
    text: String,
}

pub(crate) fn probe(args: &Args) -> Item {
    let (Some(socket), Some(model)) = (&args.socket, &args.model) else {
        return Item::skip(ITEM, "no `--socket` given");
    };
    match ask_all(socket, model, args) {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok((first, whole)) => Item::pass(
            ITEM,
            format!(
                "{} requests of {} tokens answered over `{}`",
                args.requests,
                args.tokens,
                socket.display()
            ),
        )
        .value("first_token_p50_us", first.micros(50))
        .value("first_token_p95_us", first.micros(95))
        .value("first_token_p99_us", first.micros(99))
        .value("answer_p50_us", whole.micros(50))
        .value("answer_p99_us", whole.micros(99)),
    }
}

fn ask_all(
    socket: &Path,
    model: &str,
    args: &Args,
) -> Result<(Distribution, Distribution), Trouble> {
    let key = match &args.key_file {
        None => None,
        Some(path) => Some(read_key(path)?),
    };
    let body = json!({
        "model": model,
        "messages": [{"role": "user", "content": "Answer with one word."}],
        "max_tokens": args.tokens,
        "temperature": 0,
        "stream": true,
    });
    let request = request(&body.to_string(), key.as_deref());
    let (mut firsts, mut wholes) = (Vec::new(), Vec::new());
    // The first one warms up.
    for number in 0..=args.requests {
        let answered = ask(socket, &request)?;
        if answered.text.is_empty() {
            return Err(Trouble::new(format!(
                "answer {number} of `{}` holds no text",
                socket.display()
            )));
        }
        if number > 0 {
            firsts.push(answered.first);
            wholes.push(answered.whole);
        }
    }
    Distribution::new(firsts)
        .zip(Distribution::new(wholes))
        .ok_or_else(|| Trouble::new("nothing was asked"))
}

fn read_key(path: &Path) -> Result<String, Trouble> {
    let text = fs::read_to_string(path).map_err(|error| {
        Trouble::new(format!("cannot read the key `{}`: {error}", path.display()))
    })?;
    let key = text.trim();
    if key.is_empty() || key.contains(|c: char| c.is_control() || c == ' ') {
        return Err(Trouble::new(format!("`{}` holds no key", path.display())));
    }
    Ok(key.to_owned())
}

fn request(body: &str, key: Option<&str>) -> Vec<u8> {
    let authorization = key.map_or(String::new(), |key| {
        format!("Authorization: Bearer {key}\r\n")
    });
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {authorization}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn ask(socket: &Path, request: &[u8]) -> Result<Answered, Trouble> {
    let start = Instant::now();
    let mut stream = UnixStream::connect(socket).map_err(|error| no_connection(socket, &error))?;
    let told = |error: io::Error| {
        Trouble::new(format!("`{}` stopped answering: {error}", socket.display()))
    };
    stream.set_read_timeout(Some(TIMEOUT)).map_err(told)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(told)?;
    stream.write_all(request).map_err(told)?;
    let mut bytes = Vec::new();
    let mut first = None;
    let mut chunk = [0; 16 << 10];
    loop {
        let read = stream.read(&mut chunk).map_err(told)?;
        bytes.extend_from_slice(&chunk[..read]);
        if first.is_none() && holds_event(&bytes) {
            first = Some(start.elapsed());
        }
        if read == 0 {
            break;
        }
        if bytes.len() > CAP || start.elapsed() > TIMEOUT {
            return Err(Trouble::new(format!(
                "the answer of `{}` does not end",
                socket.display()
            )));
        }
    }
    let whole = start.elapsed();
    let text = text_of(&bytes).map_err(|why| Trouble {
        message: format!("`{}` {}", socket.display(), why.message),
        hint: why.hint,
    })?;
    Ok(Answered {
        first: first.unwrap_or(whole),
        whole,
        text,
    })
}

/// Whether the first event that carries a token has begun to arrive.
fn holds_event(bytes: &[u8]) -> bool {
    bytes
        .windows(b"\"content\":".len())
        .any(|window| window == b"\"content\":")
}

fn no_connection(socket: &Path, error: &io::Error) -> Trouble {
    let trouble = Trouble::new(format!("cannot connect to `{}`: {error}", socket.display()));
    match error.kind() {
        io::ErrorKind::NotFound => trouble.hint("the server does not run, or listens elsewhere"),
        io::ErrorKind::ConnectionRefused => {
            trouble.hint("the socket is stale: whoever made it has ended")
        }
        io::ErrorKind::PermissionDenied => trouble.hint(format!(
            "user {} is not in the socket's group; membership counts from the next login",
            process::effective_user()
        )),
        _ => trouble,
    }
}

/// The text of an answer: server-sent events, in chunks or not, or one JSON document.
fn text_of(bytes: &[u8]) -> Result<String, Trouble> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => {
            return Err(Trouble::new("ended in the middle of its head"));
        }
        Err(error) => return Err(Trouble::new(format!("does not speak HTTP: {error}"))),
    };
    let status = response.code.unwrap_or_default();
    let chunked = response.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("transfer-encoding")
            && header.value.eq_ignore_ascii_case(b"chunked")
    });
    let body = if chunked {
        unchunked(&bytes[head..])?
    } else {
        bytes[head..].to_vec()
    };
    match status {
        200 => {}
        401 | 403 => {
            return Err(Trouble::new(format!("answered {status}"))
                .hint("the key is missing or wrong: `--key-file`"));
        }
        404 => {
            return Err(Trouble::new("answered 404").hint("it serves no model of that name"));
        }
        503 => return Err(Trouble::new("answered 503").hint("it is still loading its model")),
        status => return Err(Trouble::new(format!("answered {status}"))),
    }
    let body = String::from_utf8_lossy(&body);
    let mut events = body
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .filter(|event| *event != "[DONE]")
        .peekable();
    if events.peek().is_none() {
        return content(&body);
    }
    events.map(content).collect()
}

fn content(json: &str) -> Result<String, Trouble> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Trouble::new(format!("answered with broken JSON: {error}")))?;
    let choice = value.pointer("/choices/0");
    Ok(["/delta/content", "/message/content"]
        .iter()
        .find_map(|at| choice?.pointer(at)?.as_str())
        .unwrap_or_default()
        .to_owned())
}

/// Puts chunks together (RFC 9112, section 7.1).
fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, Trouble> {
    let broken = || Trouble::new("ended in the middle of a chunk");
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((used, size))) = httparse::parse_chunk_size(rest) else {
            return Err(broken());
        };
        if size == 0 {
            return Ok(body);
        }
        let size = usize::try_from(size).map_err(|_| broken())?;
        let end = used.checked_add(size).ok_or_else(broken)?;
        body.extend_from_slice(rest.get(used..end).ok_or_else(broken)?);
        rest = rest
            .get(end..)
            .and_then(|rest| rest.strip_prefix(b"\r\n"))
            .ok_or_else(broken)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> String {
        match text_of(bytes) {
            Ok(text) => format!("text {text:?}"),
            Err(trouble) => format!("{} | {}", trouble.message, trouble.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn answers_good_and_bad() {
        let event = |text: &str| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
        };
        let events = format!("{}{}data: [DONE]\n\n", event("Y"), event("es"));
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let cases = [
            format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{events}"),
            format!(
                "{chunked}{}{}0\r\n\r\n",
                chunk(&event("Y")),
                chunk(&event("es"))
            ),
            format!("{chunked}{}ff\r\nda", chunk(&event("Y"))),
            format!("{chunked}ffffffffffffffff\r\nda"),
            "HTTP/1.1 200 OK\r\n\r\n{\"choices\":[{\"message\":{\"content\":\"Yes\"}}]}".to_owned(),
            "HTTP/1.1 200 OK\r\n\r\n{\"choices\":[]}".to_owned(),
            "HTTP/1.1 200 OK\r\n\r\nnonsense".to_owned(),
            "HTTP/1.1 401 Unauthorized\r\n\r\n".to_owned(),
            "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
            "HTTP/1.1 503 Service Unavailable\r\n\r\n".to_owned(),
            "HTTP/1.1 500 Oops\r\n\r\n".to_owned(),
            "HTTP/1.1 20".to_owned(),
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            String::new(),
        ];
        let all: Vec<String> = cases.iter().map(|case| told(case.as_bytes())).collect();
        insta::assert_snapshot!(all.join("\n"));
    }
}

//! One request, timed.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Answer;
use super::place::Place;
use super::stream::{Events, Piece, Usage};
use crate::report::Trouble;

/// Most that an answer may be, in bytes, and longest that it may take.
const CAP: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an error's body that are kept.
const ERROR: usize = 4 << 10;

/// Whom to ask, and how.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) place: &'a Place,
    pub(super) model: &'a str,
    pub(super) key: Option<String>,
    /// Whether fields are sent that the original API lacks: `ignore_eos`, so that every answer has its length,
    /// and `cache_salt`, so that no prefix comes out of the cache.
    pub(super) extended: bool,
}

/// An answer, measured.
#[derive(Debug)]
pub(super) struct Answered {
    /// From before the connection was opened to the first piece of text.
    pub(super) first: Duration,
    /// From one token to the next; see [`shares`].
    pub(super) between: Vec<Duration>,
    /// The longest pause after the first text.
    pub(super) longest_wait: Option<Duration>,
    /// From the request to the end of the stream.
    pub(super) whole: Duration,
    pub(super) usage: Option<Usage>,
    pub(super) server_first_ms: Option<f64>,
    pub(super) server_between_ms: Option<f64>,
}

/// Why there was none.
#[derive(Debug)]
pub(super) struct Refused {
    /// The HTTP status; 0 where there was none.
    pub(super) status: u16,
    pub(super) trouble: Trouble,
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Self { status: 0, trouble }
    }
}

impl Client<'_> {
    /// Asks for `tokens` tokens. Trouble begins with the server's place.
    pub(super) fn ask(&self, prompt: &str, salt: &str, tokens: u32) -> Result<Answered, Refused> {
        self.try_ask(prompt, salt, tokens).map_err(|mut refused| {
            let message = super::short(&self.hidden(&refused.trouble.message));
            refused.trouble.message = format!("`{}` {message}", self.place);
            refused
        })
    }

    fn try_ask(&self, prompt: &str, salt: &str, tokens: u32) -> Result<Answered, Refused> {
        let request = self.request(prompt, salt, tokens);
        let start = Instant::now();
        let mut stream = self.place.connect(TIMEOUT)?;
        let told = |error: io::Error| Trouble::new(format!("stopped answering: {error}"));
        stream.write_all(&request).map_err(told)?;

        let mut heard = Received::default();
        let mut chunk = [0; 16 << 10];
        let mut total = 0;
        while !heard.is_done() {
            let read = stream.read(&mut chunk).map_err(told)?;
            let at = start.elapsed();
            if read == 0 {
                heard.answer.close()?;
                break;
            }
            total += read;
            if total > CAP || at > TIMEOUT {
                return Err(Trouble::new("sends an answer that does not end").into());
            }
            heard.take(&chunk[..read], at)?;
        }
        // Before it is cut short: half a key is one too many.
        heard.error = self
            .hidden(&String::from_utf8_lossy(&heard.error))
            .into_bytes();
        heard.answered(start.elapsed())
    }

    /// `text` without the key: a server may repeat what it was sent.
    fn hidden(&self, text: &str) -> String {
        match &self.key {
            // JSON may write a slash with a backslash before it.
            Some(key) => text
                .replace(key.as_str(), "(key)")
                .replace(&key.replace('/', "\\/"), "(key)"),
            None => text.to_owned(),
        }
    }

    fn request(&self, prompt: &str, salt: &str, tokens: u32) -> Vec<u8> {
        let mut body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if self.extended {
            body["ignore_eos"] = Value::Bool(true);
            body["cache_salt"] = Value::String(salt.to_owned());
        }
        let body = body.to_string();
        let authorization = self.key.as_ref().map_or(String::new(), |key| {
            format!("Authorization: Bearer {key}\r\n")
        });
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             {authorization}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// What has come so far.
#[derive(Debug, Default)]
struct Received {
    answer: Answer,
    events: Events,
    error: Vec<u8>,
    tokens: Vec<Duration>,
    finished: Option<Duration>,
    usage: Option<Usage>,
    server_first_ms: Option<f64>,
    server_between_ms: Option<f64>,
    done: bool,
}

impl Received {
    fn is_done(&self) -> bool {
        self.done || self.answer.is_done()
    }

    fn take(&mut self, bytes: &[u8], at: Duration) -> Result<(), Refused> {
        let mut body = Vec::new();
        self.answer.feed(bytes, &mut body)?;
        if self.answer.status() != 200 {
            let room = ERROR.saturating_sub(self.error.len());
            self.error.extend(body.into_iter().take(room));
            return Ok(());
        }
        for data in self.events.feed(&body)? {
            let piece = Piece::of(&data)?;
            if piece.token {
                self.tokens.push(at);
            }
            if piece.finished {
                self.finished.get_or_insert(at);
            }
            self.usage = piece.usage.or(self.usage);
            self.server_first_ms = piece.server_first_ms.or(self.server_first_ms);
            self.server_between_ms = piece.server_between_ms.or(self.server_between_ms);
            self.done |= piece.done;
        }
        Ok(())
    }

    fn answered(self, whole: Duration) -> Result<Answered, Refused> {
        let status = self.answer.status();
        if status != 200 {
            return Err(Refused {
                status,
                trouble: refused(status, &String::from_utf8_lossy(&self.error)),
            });
        }
        // A token may have no text: then its answer's end is what comes of it.
        let counted = self.usage.is_some_and(|usage| usage.completion_tokens > 0);
        let without_text = self.finished.filter(|_| counted);
        let Some(first) = self.tokens.first().copied().or(without_text) else {
            return Err(Trouble::new("answered without a token")
                .hint("it has to answer chats by a stream of events")
                .into());
        };
        Ok(Answered {
            first,
            between: shares(&self.tokens),
            longest_wait: longest_wait(&self.tokens),
            whole,
            usage: self.usage,
            server_first_ms: self.server_first_ms,
            server_between_ms: self.server_between_ms,
        })
    }
}

/// The times between tokens that came at `arrivals`. A busy server sends several at once: these share the
/// wait before them, or most would seem to take no time at all. Those that came along with the first have
/// no wait to share.
fn shares(arrivals: &[Duration]) -> Vec<Duration> {
    let mut shares = Vec::new();
    let mut before = None;
    for together in arrivals.chunk_by(|one, next| one == next) {
        let count = u32::try_from(together.len()).unwrap_or(u32::MAX);
        if let Some(before) = before {
            let share = together[0].saturating_sub(before) / count;
            shares.extend(together.iter().map(|_| share));
        }
        before = Some(together[0]);
    }
    shares
}

fn longest_wait(arrivals: &[Duration]) -> Option<Duration> {
    arrivals
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .max()
}

fn refused(status: u16, body: &str) -> Trouble {
    let trouble = Trouble::new(format!("answered {status}: {}", super::short(body)));
    match status {
        401 | 403 => trouble.hint("the key is missing or wrong"),
        404 => trouble.hint("it serves no model of that name"),
        503 => trouble.hint("it is still loading its model"),
        _ => trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_timed_by_its_pieces_and_an_error_told_by_its_status() {
        let ms = Duration::from_millis;
        let event = |text: &str| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
        };
        let mut heard = Received::default();
        for (at, piece) in [
            (5, "HTTP/1.1 200 OK\r\n\r\n: keepalive\n\n".to_owned()),
            (9, event("")),
            (20, event("a")),
            // Two in one piece.
            (30, event("b") + &event("c")),
            (
                45,
                event("d")
                    + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":4}}\n\n",
            ),
        ] {
            heard.take(piece.as_bytes(), ms(at)).unwrap();
            assert!(!heard.is_done());
        }
        heard.take(b"data: [DONE]\n\n", ms(50)).unwrap();
        assert!(heard.is_done());
        let answered = heard.answered(ms(50)).unwrap();
        assert_eq!((answered.first, answered.whole), (ms(20), ms(50)));
        // Two share the 10 ms before them.
        assert_eq!(answered.between, [ms(5), ms(5), ms(15)]);
        assert_eq!(answered.longest_wait, Some(ms(15)));
        assert_eq!(answered.usage.unwrap().completion_tokens, 4);

        // The mark of an end alone.
        let mut heard = Received::default();
        let end =
            "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}\n\n";
        let count =
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}\n\n";
        heard
            .take(format!("HTTP/1.1 200 OK\r\n\r\n{end}").as_bytes(), ms(8))
            .unwrap();
        heard.take(count.as_bytes(), ms(9)).unwrap();
        assert_eq!(heard.answered(ms(9)).unwrap().first, ms(8));

        let told: Vec<String> = [401, 404, 500, 503]
            .iter()
            .map(|status| {
                let mut heard = Received::default();
                let answer = format!(
                    "HTTP/1.1 {status} No\r\n\r\n{{\"error\":\n{{\"message\":\"why\u{1b}\"}}}}"
                );
                heard.take(answer.as_bytes(), ms(1)).unwrap();
                let refused = heard.answered(ms(1)).unwrap_err();
                assert_eq!(refused.status, *status);
                format!(
                    "{} | {}",
                    refused.trouble.message,
                    refused.trouble.hint.unwrap_or_default()
                )
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        answered 401: {"error": {"message":"why "}} | the key is missing or wrong
        answered 404: {"error": {"message":"why "}} | it serves no model of that name
        answered 500: {"error": {"message":"why "}} | 
        answered 503: {"error": {"message":"why "}} | it is still loading its model
        "#);
    }
}

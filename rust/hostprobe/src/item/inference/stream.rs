//! Server-sent events with the pieces of a chat completion.

use serde::Deserialize;

use crate::report::Trouble;

/// Longest event, in bytes.
const EVENT: usize = 1 << 20;

/// Feeds on a body and gives the data of each event once its blank line has come. Comments, which keep
/// the connection alive, and other fields are passed over.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: String,
}

impl Events {
    /// The data of the events that `bytes` completes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, Trouble> {
        let mut complete = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > EVENT {
                    return Err(Trouble::new("sends an event without end"));
                }
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    complete.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(complete)
    }
}

/// What one event says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    /// Whether it contains text: the first event of a stream has only a role, which is not a token.
    pub(super) token: bool,
    /// Whether the last token has come, be it one without text (the mark of an end).
    pub(super) finished: bool,
    /// Tokens of the prompt and of the answer, by the server's own count.
    pub(super) usage: Option<Usage>,
    /// Milliseconds to the first token by the server's own clock (vLLM, `--enable-per-request-metrics`).
    pub(super) server_first_ms: Option<f64>,
    /// Milliseconds from one token to the next by that clock, the mean of this answer.
    pub(super) server_between_ms: Option<f64>,
    /// The last event.
    pub(super) done: bool,
}

/// How many tokens there were.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Usage {
    /// Tokens of the prompt, the template of the chat included.
    pub(super) prompt_tokens: u64,
    /// Tokens of the answer.
    pub(super) completion_tokens: u64,
    /// How many of the prompt the prefix cache held.
    pub(super) prompt_tokens_details: Option<Cached>,
}

/// What the prefix cache held.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Cached {
    /// Tokens of the prompt that were not computed again.
    pub(super) cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    metrics: Option<Metrics>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

/// Servers that reason name its text in one way or the other.
#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    reasoning: Option<String>,
    reasoning_content: Option<String>,
}

#[derive(Deserialize)]
struct Metrics {
    time_to_first_token_ms: Option<f64>,
    mean_itl_ms: Option<f64>,
}

impl Piece {
    /// Reads the data of an event.
    pub(super) fn of(data: &str) -> Result<Self, Trouble> {
        if data.trim() == "[DONE]" {
            return Ok(Self {
                done: true,
                ..Self::default()
            });
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| {
            Trouble::new(format!("sent an event that is not of a chat: {error}"))
        })?;
        if let Some(error) = chunk.error {
            let words = error.pointer("/message").and_then(|it| it.as_str());
            let words = words.map_or_else(|| error.to_string(), str::to_owned);
            return Err(Trouble::new(format!("broke off: {words}")));
        }
        let metrics = chunk.metrics.as_ref();
        let has_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        Ok(Self {
            token: chunk
                .choices
                .first()
                .and_then(|choice| choice.delta.as_ref())
                .is_some_and(|delta| {
                    has_text(&delta.content)
                        || has_text(&delta.reasoning)
                        || has_text(&delta.reasoning_content)
                }),
            finished: chunk
                .choices
                .first()
                .is_some_and(|choice| choice.finish_reason.is_some()),
            usage: chunk.usage,
            server_first_ms: metrics.and_then(|it| it.time_to_first_token_ms),
            server_between_ms: metrics.and_then(|it| it.mean_itl_ms),
            done: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_were_cut() {
        let text = ": keepalive 1/2\n\ndata: one\n\ndata:two\r\ndata: lines\r\n\r\nevent: x\nid: 7\n\n\ndata: [DONE]\n\ndata: cut";
        for size in 1..text.len() {
            let mut events = Events::default();
            let all: Vec<String> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| events.feed(piece).unwrap())
                .collect();
            assert_eq!(all, ["one", "two\nlines", "[DONE]"], "by {size}");
        }
        assert!(Events::default().feed(&vec![b'x'; EVENT + 1]).is_err());
    }

    #[test]
    fn a_role_and_a_count_are_no_tokens() {
        let all: Vec<String> = [
            // vLLM's stream: a role, text, the count with the server's own clock.
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":27,"total_tokens":33,"completion_tokens":6},"metrics":{"time_to_first_token_ms":11.864,"queue_time_ms":0.04,"mean_itl_ms":5.9}}"#,
            // mlx_lm's: the role with each text.
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}]}"#,
            r#"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"length"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":27,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":26}}}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}"#,
            "[DONE]",
            r#"{"error":{"message":"EngineCore encountered an issue","code":500}}"#,
            "nonsense",
        ]
        .iter()
        .map(|data| match Piece::of(data) {
            Ok(piece) => format!("{piece:?}"),
            Err(trouble) => trouble.message,
        })
        .collect();
        insta::assert_snapshot!(all.join("\n"), @"
        Piece { token: false, finished: false, usage: None, server_first_ms: None, server_between_ms: None, done: false }
        Piece { token: true, finished: false, usage: None, server_first_ms: None, server_between_ms: None, done: false }
        Piece { token: false, finished: false, usage: Some(Usage { prompt_tokens: 27, completion_tokens: 6, prompt_tokens_details: None }), server_first_ms: Some(11.864), server_between_ms: Some(5.9), done: false }
        Piece { token: true, finished: false, usage: None, server_first_ms: None, server_between_ms: None, done: false }
        Piece { token: false, finished: true, usage: None, server_first_ms: None, server_between_ms: None, done: false }
        Piece { token: false, finished: false, usage: Some(Usage { prompt_tokens: 27, completion_tokens: 6, prompt_tokens_details: Some(Cached { cached_tokens: Some(26) }) }), server_first_ms: None, server_between_ms: None, done: false }
        Piece { token: true, finished: false, usage: None, server_first_ms: None, server_between_ms: None, done: false }
        Piece { token: false, finished: false, usage: None, server_first_ms: None, server_between_ms: None, done: true }
        broke off: EngineCore encountered an issue
        sent an event that is not of a chat: expected ident at line 1 column 2
        ");
    }
}

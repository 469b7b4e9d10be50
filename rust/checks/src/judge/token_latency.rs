//! How fast an inference server streams, by hostprobe's requests: one at a time, warm, and none out of the prefix cache.

use serde::Deserialize;

use crate::answer::{Answer, Found, Unreadable};
use crate::measurement::{Bound, Measurement};
use crate::reader::hostprobe::{INFERENCE, Item, TOLERANCE, not_measured, prompt_of_length, shown};

/// Statistics that are shown.
const SHOWN: [&str; 4] = ["p50", "p95", "p99", "max"];

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Most to the first token, in milliseconds, of 95 of a hundred answers.
    first_token_ms: u32,
    /// Most between two tokens, in milliseconds, in 95 of a hundred cases.
    between_tokens_ms: u32,
    /// Length of the prompts.
    prompt_tokens: u32,
    /// Length of the answers.
    output_tokens: u32,
}

pub(super) fn judge(options: &Options, answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let item = Item::of(answer, INFERENCE)?;
    let times = Times::of(&item, options);
    let measured = times.measured();
    if !item.passed() {
        return Ok(item.failure().measuring(measured));
    }
    let server = times.by_the_server();
    let first = times
        .first
        .ok_or_else(|| not_measured("time to the first token"))?;
    let Some(between) = times.between else {
        let evidence = format!("{}; all tokens of an answer came at once", item.message);
        let hint =
            "the server sends no stream, or its host is so busy that it cannot keep up with one";
        return Ok(Found::when(false, evidence)
            .or_hint(hint)
            .measuring(measured));
    };
    let (prompts, wrong) = as_declared(&item, options);
    let evidence = format!(
        "{prompts}; first token {}; between tokens {}; {server}",
        shown(&first, &SHOWN),
        shown(&between, &SHOWN)
    );
    let slow = [&first, &between]
        .into_iter()
        .find(|it| !it.holds())
        .map(|it| it.what.clone());
    let found = Found::when(slow.is_none() && wrong.is_none(), evidence).measuring(measured);
    Ok(match (wrong, slow) {
        (Some(wrong), _) => found.or_hint(format!("{wrong}: what was measured is something else than declared")),
        (None, Some(slow)) => found.or_hint(format!(
            "the {slow} is too long: does something else use the GPU, is it throttled, is the model larger than declared?"
        )),
        (None, None) => found,
    })
}

/// What was measured.
struct Times {
    first: Option<Measurement>,
    between: Option<Measurement>,
    /// Nothing is held against the server's own count: it says where time goes when ours is longer.
    server_first: Option<Measurement>,
    server_between: Option<Measurement>,
}

impl Times {
    fn of(item: &Item, options: &Options) -> Self {
        let limited = |key, what, most| {
            let measured = item.milliseconds(key, what)?;
            Some(measured.limit("p95", Bound::AtMost, f64::from(most)))
        };
        Self {
            first: limited("first_token", "time to first token", options.first_token_ms),
            between: limited(
                "between_tokens",
                "time between tokens",
                options.between_tokens_ms,
            ),
            server_first: item.milliseconds(
                "server_first_token",
                "time to first token, by the server's own clock",
            ),
            server_between: item.milliseconds(
                "server_between_tokens",
                "time between tokens, by the server's own clock, mean of each answer",
            ),
        }
    }

    fn measured(&self) -> Vec<Measurement> {
        let all = [
            &self.first,
            &self.between,
            &self.server_first,
            &self.server_between,
        ];
        all.into_iter().flatten().cloned().collect()
    }

    /// The server's own count, in words.
    fn by_the_server(&self) -> String {
        match self.server_first.as_ref().zip(self.server_between.as_ref()) {
            None => "the server tells no times of its own".to_owned(),
            Some((first, between)) => format!(
                "by the server's own clock {} and {}",
                shown(first, &SHOWN[..2]),
                shown(between, &SHOWN[..2])
            ),
        }
    }
}

/// How long the prompts were, and whether something else than declared was measured.
fn as_declared(item: &Item, options: &Options) -> (String, Option<String>) {
    let short = item
        .number("answer_tokens_min")
        .filter(|least| *least < f64::from(options.output_tokens))
        .map(|least| {
            format!(
                "answers of {least} tokens only, not {}",
                options.output_tokens
            )
        });
    let cached = item
        .number("cached_tokens_max")
        .filter(|most| *most > f64::from(options.prompt_tokens) * TOLERANCE)
        .map(|most| format!("{most} tokens of a prompt came out of the cache"));
    match prompt_of_length(item, options.prompt_tokens) {
        Ok(prompts) => (prompts, cached.or(short)),
        Err(wrong) => (wrong.clone(), Some(wrong)),
    }
}

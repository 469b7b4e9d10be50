//! How fast the inference server is, asked on its own host over its socket: one request at a time, warm, and
//! none out of the prefix cache. The definition is in the expectation, since "latency" has many.

use deployctl_core::inventory::vllm::Vllm;

use super::CONCERN;
use crate::answer::{Answer, Found, Unreadable};
use crate::inference::{ITEM, Requests, TOLERANCE, not_measured, prompt_of_length};
use crate::measurement::Bound;
use crate::reader::hostprobe::{Item, shown};
use crate::{Check, Shipment};

/// Statistics that are shown.
const SHOWN: [&str; 4] = ["p50", "p95", "p99", "max"];

pub(super) fn check(facts: &Vllm, unit: &str) -> Check {
    let latency = &facts.latency;
    let each = u64::from(latency.ttft_ms_p95)
        + u64::from(latency.output_tokens) * u64::from(latency.itl_ms_p95);
    let query = Requests {
        vllm: facts,
        unit,
        socket: facts.socket.as_str(),
        tokens: latency.output_tokens,
        each_ms: each,
        prefix: "",
    }
    .query("vllm/latency", "");
    let expected = format!(
        "p95 of the time to the first token at most {} ms with a prompt of {} tokens, p95 between tokens at most {} ms; \
         one request at a time, warm, no prefix out of the cache",
        latency.ttft_ms_p95, latency.prompt_tokens, latency.itl_ms_p95
    );
    let facts = facts.clone();
    Check::new(CONCERN, "latency", &query, expected, move |answer| {
        judge(answer, &facts)
    })
    .reading_failures()
    .loading()
    .needing("vllm/health")
    .shipping(Shipment::Hostprobe)
}

fn judge(answer: &Answer<'_>, facts: &Vllm) -> Result<Found, Unreadable> {
    let item = Item::of(answer, ITEM)?;
    let latency = &facts.latency;
    let first = item
        .milliseconds("first_token", "time to first token")
        .map(|it| it.limit("p95", Bound::AtMost, f64::from(latency.ttft_ms_p95)));
    let between = item
        .milliseconds("between_tokens", "time between tokens")
        .map(|it| it.limit("p95", Bound::AtMost, f64::from(latency.itl_ms_p95)));
    // Nothing is held against the server's own count: it says where time goes when ours is longer.
    let server = item.milliseconds(
        "server_first_token",
        "time to first token, by the server's own clock",
    );
    let server_between = item.milliseconds(
        "server_between_tokens",
        "time between tokens, by the server's own clock, mean of each answer",
    );
    let measured: Vec<_> = [&first, &between, &server, &server_between]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    if !item.passed() {
        return Ok(item.failure().measuring(measured));
    }
    let first = first.ok_or_else(|| not_measured("time to the first token"))?;
    let Some(between) = between else {
        let evidence = format!("{}; all tokens of an answer came at once", item.message);
        let hint =
            "the server sends no stream, or its host is so busy that it cannot keep up with one";
        return Ok(Found::when(false, evidence)
            .or_hint(hint)
            .measuring(measured));
    };
    let server = match server.iter().zip(&server_between).next() {
        None => "the server tells no times of its own".to_owned(),
        Some((first, between)) => format!(
            "by the server's own clock {} and {}",
            shown(first, &SHOWN[..2]),
            shown(between, &SHOWN[..2])
        ),
    };
    let short = item
        .number("answer_tokens_min")
        .filter(|least| *least < f64::from(latency.output_tokens))
        .map(|least| {
            format!(
                "answers of {least} tokens only, not {}",
                latency.output_tokens
            )
        });
    let cached = item
        .number("cached_tokens_max")
        .filter(|most| *most > f64::from(latency.prompt_tokens) * TOLERANCE)
        .map(|most| format!("{most} tokens of a prompt came out of the cache"));
    let (prompts, wrong) = match prompt_of_length(&item, latency.prompt_tokens) {
        Ok(prompts) => (prompts, cached.or(short)),
        Err(wrong) => (wrong.clone(), Some(wrong)),
    };
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

//! Requests to an inference server over its Unix socket, by `hostprobe`.

use std::fmt::Write as _;

use deployctl_core::inventory::vllm::Vllm;
use deployctl_core::query::{Query, quote};

use super::answer::Unreadable;
use super::reader::hostprobe::Item;

/// What hostprobe calls it.
pub(super) const ITEM: &str = "inference";
/// A prompt may be longer or shorter than declared by this share: words have no fixed number of tokens. As much of
/// it may come out of the prefix cache: the chat's template begins alike.
pub(super) const TOLERANCE: f64 = 0.25;
/// Bytes of an answer: hostprobe keeps a thousand samples of a kind, on lines of their own.
const CAP: usize = 512 * 1024;

/// How requests are made.
pub(super) struct Requests<'a> {
    /// The server.
    pub(super) vllm: &'a Vllm,
    /// Its unit, whose credential is the key.
    pub(super) unit: &'a str,
    /// Its socket, as the asking user sees it.
    pub(super) socket: &'a str,
    /// Tokens of each answer.
    pub(super) tokens: u32,
    /// Most that one request may take where all is well, in milliseconds.
    pub(super) each_ms: u64,
    /// The command that runs hostprobe as another user: `runuser -u trading --`.
    pub(super) prefix: &'a str,
}

impl Requests<'_> {
    /// The question, with what `before` prints ahead of the report.
    ///
    /// The key is what systemd handed to the service. This shell, which is root's, opens it, and hostprobe
    /// reads it on standard input: another user need not be able to open it, and it is in no argument list.
    pub(super) fn query(&self, id: &str, before: &str) -> Query {
        let within = self.within_seconds();
        let mut command = String::new();
        if !before.is_empty() {
            let _ = writeln!(command, "{before}");
        }
        let _ = write!(
            command,
            "key=/dev/null\nfor f in /run/credentials/{}/*; do [ -r \"$f\" ] && key=$f; done\n\
             set -- --only inference --socket {} --model {} --requests {} --tokens {} --prompt-tokens {} --within-s {within}\n\
             [ \"$key\" = /dev/null ] || set -- \"$@\" --key-file -\n\
             {}{}\"$shipped\" \"$@\" <\"$key\"",
            self.unit,
            quote(self.socket),
            quote(self.vllm.model.served_name.as_str()),
            self.vllm.latency.requests,
            self.tokens,
            self.vllm.latency.prompt_tokens,
            self.prefix,
            if self.prefix.is_empty() { "" } else { " " },
        );
        Query::new(id, command)
            .with_deadline(std::time::Duration::from_secs(within + 75))
            .with_cap(CAP)
    }

    /// Enough for requests that take four times as long as they may: the numbers then show that the server is slow.
    fn within_seconds(&self) -> u64 {
        let requests = u64::from(self.vllm.latency.requests) + 3;
        (requests * self.each_ms * 4 / 1000).clamp(30, 1200)
    }
}

/// Whether the prompts had the declared length by the server's own count; what was wrong where not.
pub(super) fn prompt_of_length(item: &Item, declared: u32) -> Result<String, String> {
    let ends = item
        .number("prompt_tokens_min")
        .zip(item.number("prompt_tokens_max"));
    let Some((min, max)) = ends else {
        return Err("the server does not say how many tokens a prompt has".to_owned());
    };
    let shown = if min < max {
        format!("{min} to {max}")
    } else {
        format!("{min}")
    };
    let wanted = f64::from(declared);
    let off = (min - wanted).abs().max((max - wanted).abs()) / wanted;
    if off > TOLERANCE {
        return Err(format!("prompts had {shown} tokens, not about {declared}"));
    }
    Ok(format!("prompts of {shown} tokens"))
}

/// That something declared was not measured at all.
pub(super) fn not_measured(what: &str) -> Unreadable {
    Unreadable(format!("nothing of the {what} in the report of hostprobe"))
}

//! What `hostprobe` says of requests to an inference server.

use super::answer::Unreadable;
use super::reader::hostprobe::Item;

/// What hostprobe calls it.
pub(super) const ITEM: &str = "inference";
/// A prompt may be longer or shorter than declared by this share: words have no fixed number of tokens. As much of
/// it may come out of the prefix cache: the chat's template begins alike.
pub(super) const TOLERANCE: f64 = 0.25;

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

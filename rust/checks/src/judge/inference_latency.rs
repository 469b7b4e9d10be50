//! The latency that a strategy sees: answers of one token over the inference server's socket, asked
//! as the engine's user with the limits and groups of a session of that user.

use serde::Deserialize;

use crate::answer::{Answer, Found, Unreadable, value};
use crate::measurement::Bound;
use crate::reader::hostprobe::{INFERENCE, Item, not_measured, prompt_of_length, shown};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Who asks.
    user: String,
    /// The group whose alone the socket is.
    group: String,
    /// Most of 99 of a hundred answers, in milliseconds.
    p99_ms: u32,
    /// Length of the prompt.
    prompt_tokens: u32,
    /// What to do where only the answers are too slow.
    #[serde(default)]
    slow_hint: Option<String>,
}

pub(super) fn judge(options: &Options, answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let (user, group) = (options.user.as_str(), options.group.as_str());
    let pairs = answer.pairs('=')?;
    let (socket, groups) = (value(&pairs, "found")?, value(&pairs, "groups")?);
    if groups.is_empty() {
        return Ok(
            Found::when(false, format!("there is no user {user}")).or_hint(crate::MADE_BY_APPLY)
        );
    }
    let item = Item::of(answer, INFERENCE)?;
    let whole = item
        .milliseconds("answer", "answer of one token, as the engine's user")
        .map(|it| it.limit("p99", Bound::AtMost, f64::from(options.p99_ms)));
    let member = groups.split_whitespace().any(|name| name == group);
    if !item.passed() {
        let evidence = format!("{}; {socket}, {user} is in {groups}", item.message);
        let hint = if socket != "nothing" && !member {
            Some(format!(
                "{user} is not in group {group}: apply; who is logged in counts as a member from the next login on"
            ))
        } else {
            item.hint.clone()
        };
        let found = Found::when(false, evidence).measuring(whole);
        return Ok(match hint {
            Some(hint) => found.or_hint(hint),
            None => found,
        });
    }
    let whole = whole.ok_or_else(|| not_measured("time to an answer"))?;
    let errors = item
        .number("errors")
        .ok_or_else(|| not_measured("errors"))?;
    let (kind, mode, owner) = parse_stat(socket)?;
    let closed = kind == "socket" && mode & 0o067 == 0o060 && owner == group;
    let prompts = prompt_of_length(&item, options.prompt_tokens);
    let hint = match &prompts {
        _ if !closed => format!("the socket should be mode 0660 of group {group}"),
        Err(wrong) => format!("{wrong}: what was measured is something else than declared"),
        Ok(_) => {
            let told = options.slow_hint.as_deref();
            told.unwrap_or("does something else use the GPU or the CPUs?")
                .to_owned()
        }
    };
    let holds = closed && errors == 0.0 && prompts.is_ok() && whole.holds();
    let words = prompts.unwrap_or_else(|wrong| wrong);
    let evidence = format!(
        "{words}; {}; {socket}",
        shown(&whole, &["p50", "p95", "p99", "max"])
    );
    Ok(Found::when(holds, evidence)
        .or_hint(hint)
        .measuring([whole]))
}

/// `socket, mode 660, group inference`.
fn parse_stat(text: &str) -> Result<(&str, u32, &str), Unreadable> {
    let parts = text.split_once(", mode ").and_then(|(kind, rest)| {
        let (mode, group) = rest.split_once(", group ")?;
        Some((kind, u32::from_str_radix(mode, 8).ok()?, group))
    });
    parts.ok_or_else(|| Unreadable(format!("`{text}` is no answer of stat")))
}

//! The latency that a strategy sees: answers of one token over the inference server's socket, asked
//! as the engine's user with the limits and groups of a session of that user.

use deployctl_core::inventory::trading::Trading;
use deployctl_core::inventory::vllm::Vllm;
use deployctl_core::query::quote;

use super::CONCERN;
use crate::answer::{Answer, Found, Unreadable, value};
use crate::inference::{ITEM, Requests, not_measured, prompt_of_length};
use crate::measurement::Bound;
use crate::reader::hostprobe::{Item, shown};
use crate::{Check, Declared, Shipment};

/// The check, where this host serves the model itself.
pub(super) fn latency(facts: &Trading, declared: &Declared<'_>) -> Option<Check> {
    let vllm = declared.host.vllm.as_ref()?;
    let socket = facts.inference_socket.as_ref()?.as_str();
    let user = facts.user.as_str();
    let latency = &vllm.latency;
    let query = Requests {
        vllm,
        unit: declared
            .service("vllm")
            .map_or("vllm.service", |(unit, _)| unit.as_str()),
        socket,
        tokens: 1,
        each_ms: u64::from(latency.e2e_ms_p99),
        prefix: &format!("runuser -u {} --", quote(user)),
    }
    .query(
        "trading/inference-latency",
        &format!(
            "stat -c 'found=%F, mode %a, group %G' {} 2>/dev/null || echo found=nothing\n\
             printf 'groups=%s\\n' \"$(id -Gn {} 2>/dev/null)\"",
            quote(socket),
            quote(user)
        ),
    );
    let expected = format!(
        "p99 of a whole answer of one token at most {} ms with a prompt of {} tokens, none failed; \
         asked as {user} over {socket}, which is group {}'s alone",
        latency.e2e_ms_p99, latency.prompt_tokens, vllm.group
    );
    let (vllm, user) = (vllm.clone(), user.to_owned());
    Some(
        Check::new(
            CONCERN,
            "inference-latency",
            &query,
            expected,
            move |answer| judge(answer, &vllm, &user),
        )
        .reading_failures()
        .loading()
        .needing("vllm/health")
        .shipping(Shipment::Hostprobe),
    )
}

fn judge(answer: &Answer<'_>, vllm: &Vllm, user: &str) -> Result<Found, Unreadable> {
    let pairs = answer.pairs('=')?;
    let (socket, groups) = (value(&pairs, "found")?, value(&pairs, "groups")?);
    if groups.is_empty() {
        return Ok(
            Found::when(false, format!("there is no user {user}")).or_hint(crate::MADE_BY_APPLY)
        );
    }
    let item = Item::of(answer, ITEM)?;
    let whole = item
        .milliseconds("answer", "answer of one token, as the engine's user")
        .map(|it| it.limit("p99", Bound::AtMost, f64::from(vllm.latency.e2e_ms_p99)));
    let group = vllm.group.as_str();
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
    let (kind, mode, owner) = crate::concern::vllm::parse_stat(socket)?;
    let closed = kind == "socket" && mode & 0o067 == 0o060 && owner == group;
    let prompts = prompt_of_length(&item, vllm.latency.prompt_tokens);
    let hint = match &prompts {
        _ if !closed => format!("the socket should be mode 0660 of group {group}"),
        Err(wrong) => format!("{wrong}: what was measured is something else than declared"),
        Ok(_) => "does something else use the GPU or the engine's CPUs? `vllm/latency` says what root sees".to_owned(),
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

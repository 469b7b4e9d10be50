//! The inference server: its socket, its health, the model it serves.

use deployctl_core::inventory::vllm::Vllm;
use deployctl_core::query::{Query, quote};

use crate::answer::Found;
use crate::judge::parse_stat;
use crate::reader::http::{self, CURL, STATUS};
use crate::reader::openai;
use crate::{Check, Declared};

mod latency;
mod process;

pub(super) const CONCERN: &str = "vllm";

pub(super) fn checks(facts: &Vllm, declared: &Declared<'_>) -> Vec<Check> {
    let unit = declared
        .service(CONCERN)
        .map_or("vllm.service", |(unit, _)| unit.as_str());
    vec![
        socket(facts),
        health(facts),
        model(facts, unit),
        process::check(unit, declared),
        latency::check(facts, unit),
    ]
}

fn socket(facts: &Vllm) -> Check {
    let path = quote(facts.socket.as_str());
    let query = Query::new(
        "vllm/socket",
        format!("stat -c 'found=%F, mode %a, group %G' {path} 2>/dev/null || echo found=nothing"),
    );
    let group = facts.group.to_string();
    let expected = format!("{} is a socket for group {group} alone", facts.socket);
    Check::new(CONCERN, "socket", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        let found = crate::answer::value(&pairs, "found")?;
        if found == "nothing" {
            return Ok(Found::when(false, "there is no socket").or_hint("is the server up yet?"));
        }
        let (kind, mode, owner) = parse_stat(found)?;
        let usable = mode & 0o067 == 0o060;
        Ok(Found::when(
            kind == "socket" && usable && owner == group,
            found,
        ))
    })
}

fn health(facts: &Vllm) -> Check {
    let query = Query::new(
        "vllm/health",
        format!(
            "{CURL} -m 4 -o /dev/null -w 'status %{{http_code}}\\n' --unix-socket {} http://localhost/health",
            quote(facts.socket.as_str())
        ),
    );
    Check::new(CONCERN, "health", &query, "GET /health over the socket gives 200", |answer| {
        http::succeeds(answer, |_| {
            "status 0 is no connection: loading takes minutes, and a crash leaves its socket behind"
        })
    })
    .reading_failures()
}

/// The key is what systemd handed to the service.
fn model(facts: &Vllm, unit: &str) -> Check {
    let query = Query::new(
        "vllm/models",
        format!(
            "key=\nfor f in /run/credentials/{unit}/*; do [ -r \"$f\" ] && IFS= read -r key <\"$f\"; done\n{}",
            http::with_key(&format!(
                "{CURL} -m 4 -K - -w {STATUS} --unix-socket {} http://localhost{}",
                quote(facts.socket.as_str()),
                openai::MODELS
            ))
        ),
    );
    let wanted = facts.model.served_name.to_string();
    let expected = format!("it serves {wanted}");
    Check::new(CONCERN, "model", &query, expected, move |answer| {
        let http = http::parse(answer)?;
        if http.status != 200 {
            return Ok(Found::when(false, http.shown(answer)).or_hint(
                "401 is another key than the unit's credential; status 0 is no connection",
            ));
        }
        openai::serves(http.body, Some(&wanted))
    })
    .reading_failures()
}

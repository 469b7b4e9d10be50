//! The endpoint for other hosts, asked on its own host: where it listens, what it serves, whom it lets in.

use std::collections::BTreeSet;

use deployctl_core::inventory::gateway::Gateway;
use deployctl_core::query::{Query, quote};

use crate::answer::{Found, Unreadable};
use crate::http::{self, CURL, STATUS};
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "gateway";

pub(super) fn checks(facts: &Gateway, declared: &Declared<'_>) -> Vec<Check> {
    let authority = http::authority(facts.address.as_str(), facts.port.number());
    let mut checks = vec![
        listening(&authority, facts.port.number()),
        health(&authority),
        models(facts, &authority, declared),
    ];
    if facts.credential.is_some() {
        checks.push(closed(&authority));
    }
    checks
}

/// On that address alone: on all of them it would be on the way to the internet, too.
fn listening(authority: &str, port: u16) -> Check {
    let query = Query::new(
        "gateway/listening",
        format!("echo listening; ss -H -ltn 'sport = :{port}'"),
    );
    let wanted = authority.to_owned();
    let expected = format!("it listens on {wanted} and nowhere else");
    Check::new(CONCERN, "listening", &query, expected, move |answer| {
        let mut lines = answer.lines()?;
        if lines.next() != Some("listening") {
            return Err(Unreadable::new("no list of sockets in the answer"));
        }
        let found: BTreeSet<&str> = lines
            .map(
                |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                    ["LISTEN", _, _, local, ..] => Ok(local),
                    _ => Err(Unreadable(format!("`{line}` is no line of ss"))),
                },
            )
            .collect::<Result<_, _>>()?;
        if found.is_empty() {
            return Ok(Found::when(false, "nothing listens on that port").or_hint(
                "its unit; an address that is not there yet when it starts keeps it from binding",
            ));
        }
        let holds = found.len() == 1 && found.contains(wanted.as_str());
        let shown: Vec<&str> = found.into_iter().collect();
        Ok(Found::when(holds, format!("on {}", shown.join(", ")))
            .or_hint("bind it to the declared address alone"))
    })
}

fn health(authority: &str) -> Check {
    let query = Query::new(
        "gateway/health",
        format!("{CURL} -m 5 -o /dev/null -w {STATUS} http://{authority}/health"),
    );
    let expected = format!("GET http://{authority}/health gives 200");
    Check::new(CONCERN, "health", &query, expected, |answer| {
        let http = http::parse(answer)?;
        Ok(
            Found::when(http.status == 200, http.shown(answer)).or_hint(match http.status {
                0 => "nothing listens there: its unit, its address",
                502..=504 => "it is up, and no server behind it is: vllm.service",
                401 | 403 => "health is asked without a key: let /health through",
                _ => "something else listens there",
            }),
        )
    })
    .reading_failures()
}

fn models(facts: &Gateway, authority: &str, declared: &Declared<'_>) -> Check {
    let url = format!("http://{authority}/v1/models");
    let command = match &facts.credential {
        Some(credential) => format!(
            "f={}\nkey=\n[ -r \"$f\" ] && IFS= read -r key <\"$f\"\n[ -n \"$key\" ] || {{ echo 'no key'; exit 0; }}\n{}",
            quote(&format!("/etc/deployctl/secrets/{credential}")),
            http::with_key(&format!("{CURL} -m 5 -K - -w {STATUS} {url}"))
        ),
        None => format!("{CURL} -m 5 -w {STATUS} {url}"),
    };
    let query = Query::new("gateway/models", command);
    let wanted = declared
        .host
        .vllm
        .as_ref()
        .map(|vllm| vllm.model.served_name.to_string());
    let expected = match &wanted {
        Some(name) => format!("it serves {name}"),
        None => "it serves a model".to_owned(),
    };
    Check::new(CONCERN, "models", &query, expected, move |answer| {
        if answer.text()?.trim() == "no key" {
            return Ok(Found::when(false, "the key is not on this host")
                .or_hint("the gateway reads it from /etc/deployctl/secrets, too: put it there"));
        }
        let http = http::parse(answer)?;
        if http.status != 200 {
            let hint = match http.status {
                0 => "nothing listens there: its unit, its address",
                401 | 403 => "it wants another key than the one on this host",
                502..=504 => "it is up, and no server behind it is: vllm.service",
                _ => "/v1/models must be on its list of paths",
            };
            return Ok(Found::when(false, http.shown(answer)).or_hint(hint));
        }
        let names = http.models()?;
        let holds = match &wanted {
            Some(wanted) => names.contains(wanted),
            None => !names.is_empty(),
        };
        Ok(Found::when(holds, format!("serves {}", names.join(", ")))
            .or_hint("no server behind it serves that name"))
    })
    .reading_failures()
}

/// Whoever shows no key gets nothing.
fn closed(authority: &str) -> Check {
    let query = Query::new(
        "gateway/closed",
        format!("{CURL} -m 5 -o /dev/null -w {STATUS} http://{authority}/v1/models"),
    );
    let expected = "without a key it gives 401 or 403";
    Check::new(CONCERN, "closed", &query, expected, |answer| {
        let http = http::parse(answer)?;
        let holds = matches!(http.status, 401 | 403);
        Ok(
            Found::when(holds, http.shown(answer)).or_hint(if http.status == 200 {
                "it answers anybody on that network"
            } else {
                "it does not come as far as asking for one"
            }),
        )
    })
    .reading_failures()
}

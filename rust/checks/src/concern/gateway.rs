//! The endpoint for other hosts, asked on its own host: where it listens, what it serves, and that it requires a key.

use deployctl_core::inventory::gateway::Gateway;
use deployctl_core::name::authority;
use deployctl_core::query::Query;

use crate::answer::{Found, Unreadable};
use crate::reader::http::{self, CURL, STATUS};
use crate::reader::{openai, socket};
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "gateway";

pub(super) fn checks(facts: &Gateway, declared: &Declared<'_>) -> Vec<Check> {
    let authority = authority(facts.address.as_str(), facts.port.number());
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
        let mut found = socket::ss(lines)?;
        if found.is_empty() {
            return Ok(Found::when(false, "nothing listens on that port").or_hint(
                "its unit; an address that is not there yet when it starts keeps it from binding",
            ));
        }
        found.sort_unstable();
        found.dedup();
        let evidence = format!("on {}", found.join(", "));
        Ok(Found::when(socket::on_alone(&found, &wanted), evidence)
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
        http::succeeds(answer, |status| match status {
            0 => "nothing listens there: its unit, its address",
            502..=504 => "it is up, and no server behind it is: vllm.service",
            401 | 403 => "health is asked without a key: let /health through",
            _ => "something else listens there",
        })
    })
    .reading_failures()
}

fn models(facts: &Gateway, authority: &str, declared: &Declared<'_>) -> Check {
    let url = format!("http://{authority}{}", openai::MODELS);
    let command = match &facts.credential {
        Some(credential) => http::with_key_of(
            credential.as_ref(),
            &format!("{CURL} -m 5 -K - -w {STATUS} {url}"),
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
        if http::without_key(answer)? {
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
        Ok(openai::serves(http.body, wanted.as_deref())?
            .or_hint("no server behind it serves that name"))
    })
    .reading_failures()
}

/// A request without a key is rejected.
fn closed(authority: &str) -> Check {
    let query = Query::new(
        "gateway/closed",
        format!(
            "{CURL} -m 5 -o /dev/null -w {STATUS} http://{authority}{}",
            openai::MODELS
        ),
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

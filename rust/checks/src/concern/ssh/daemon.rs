//! The sshd that runs: whether it has loaded its files, and whether one will run after the next boot.

use deployctl_core::observed::{WayIn, parse_way_in, way_in_query};

use super::CONCERN;
use crate::Check;
use crate::answer::{Answer, Found, Holds, Unreadable};

pub(super) fn checks() -> Vec<Check> {
    let query = way_in_query();
    vec![
        Check::new(
            CONCERN,
            "loaded",
            &query,
            "the running sshd has loaded its files as they are",
            |answer| Ok(loaded(&parse(answer)?)),
        )
        .gate_if(true),
        Check::new(
            CONCERN,
            "boot",
            &query,
            "an sshd starts at the next boot",
            |answer| Ok(boot(&parse(answer)?)),
        )
        .gate_if(true),
    ]
}

fn parse(answer: &Answer<'_>) -> Result<WayIn, Unreadable> {
    let way_in = parse_way_in(answer.text()?.as_bytes());
    if way_in.units.is_empty() || way_in.newest.is_none() {
        return Err(Unreadable::new(
            "no unit of sshd, or no file of its, in the answer",
        ));
    }
    Ok(way_in)
}

fn loaded(way_in: &WayIn) -> Found {
    let Some((service, unit)) = way_in.service() else {
        return match way_in.socket() {
            Some(socket) if way_in.outdated(".socket").is_some() => Found::when(
                false,
                format!("the files of {socket} changed since systemd loaded them"),
            )
            .or_hint(format!(
                "apply restarts it; on the host: systemctl daemon-reload && systemctl restart {socket}"
            )),
            Some(socket) => Found::when(
                true,
                format!("`{socket}` starts it for the next connection"),
            ),
            None => Found::when(false, "no unit of sshd runs"),
        };
    };
    if let Some(unit) = way_in
        .outdated(".service")
        .or_else(|| way_in.outdated(".socket"))
    {
        return Found::when(
            false,
            format!("the files of {unit} changed since systemd loaded them"),
        )
        .or_hint(format!(
            "apply restarts it; on the host: systemctl daemon-reload && systemctl restart {unit}"
        ));
    }
    if let Some((file, changed, since)) = way_in.not_started_with() {
        return Found::when(
            false,
            format!("{file} changed at {changed} UTC, and sshd was started at {since}"),
        )
        .or_hint(format!(
            "apply restarts it; on the host: systemctl restart {service}"
        ));
    }
    match way_in.not_loaded() {
        None => Found::when(true, format!("loaded at {} UTC", unit.since)),
        Some((file, changed, since)) => Found::when(
            false,
            format!("{file} changed at {changed} UTC, and sshd loaded it at {since}"),
        )
        .or_hint(format!(
            "apply reloads it; on the host: systemctl reload {service}"
        )),
    }
}

fn boot(way_in: &WayIn) -> Found {
    let states: Vec<String> = way_in
        .units
        .iter()
        .map(|(name, unit)| {
            format!(
                "{name} {}",
                if unit.file.is_empty() {
                    "-"
                } else {
                    &unit.file
                }
            )
        })
        .collect();
    let evidence = states.join(", ");
    match way_in.starts_at_boot() {
        Some(starts) => {
            let unit = way_in
                .service()
                .map(|(name, _)| name)
                .or_else(|| way_in.socket());
            Found::when(starts, evidence).or_hint(format!(
                "apply enables it; on the host: systemctl enable {}",
                unit.unwrap_or("ssh.service")
            ))
        }
        None => Found {
            evidence,
            holds: Holds::PassedOver(
                "whether a unit starts sshd at boot cannot be told".to_owned(),
            ),
            measured: Vec::new(),
        },
    }
}

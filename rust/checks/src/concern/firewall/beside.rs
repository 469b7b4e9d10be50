//! Tables of other programs. A packet must pass every chain at its hook, so what our table accepts may be dropped
//! by the next: by ufw's, firewalld's, or one of the host's own.

use deployctl_core::query::Query;

use super::ruleset::{self, PortRange, Reachability, Table};
use super::{Accept, CONCERN};
use crate::Check;
use crate::answer::{Answer, Found, Holds, Unreadable};

/// What the other tables do to new connections that `accepts` allows in or out.
pub(super) fn check(accepts: Vec<Accept>) -> Check {
    let mut query = Query::new("firewall/ruleset", "nft -j list ruleset");
    query.cap = 4 * 1024 * 1024;
    let expected = "no other table closes what ours lets through";
    Check::new(CONCERN, "other-tables", &query, expected, move |answer| {
        judge(answer, &accepts)
    })
}

fn judge(answer: &Answer<'_>, accepts: &[Accept]) -> Result<Found, Unreadable> {
    let tables = ruleset::others(answer)?;
    let (mut closed_ports, mut unknown, mut hint) = (Vec::new(), Vec::new(), "");
    for (name, table) in &tables {
        for (packet, reachability, closed) in accepts.iter().flat_map(|accept| ports(table, accept))
        {
            match reachability {
                Reachability::Open => {}
                Reachability::Closed => {
                    closed_ports.push(format!("{packet}: no rule in table {name}, where {closed}"));
                    hint = remedy(name, table);
                }
                Reachability::Unknown => unknown.push(format!("{packet} by table {name}")),
            }
        }
    }
    if !closed_ports.is_empty() {
        return Ok(Found::when(false, closed_ports.join("; ")).or_hint(hint));
    }
    if !unknown.is_empty() {
        let reason = format!("nft does not show what decides on {}", unknown.join(", "));
        return Ok(Found {
            evidence: String::new(),
            holds: Holds::PassedOver(reason),
            measured: Vec::new(),
        });
    }
    let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
    let evidence = match names[..] {
        [] => "there is no other".to_owned(),
        _ => format!("none of {}", names.join(", ")),
    };
    Ok(Found::when(true, evidence))
}

/// Every port of `accept`, what `table` does to it, and what drops the rest there; nothing where that table drops nothing.
fn ports(table: &Table, accept: &Accept) -> Vec<(String, Reachability, String)> {
    let Some(closed) = table.closed(accept.hook) else {
        return Vec::new();
    };
    let of_range = |range: &PortRange| {
        let reached = |port| table.reachability(accept.hook, accept.protocol, port);
        let closed = &closed;
        let parts = ruleset::parts(*range, reached).into_iter();
        parts.map(move |(part, reachability)| {
            let packet = format!("{} {}", accept.protocol, ruleset::show(part));
            (packet, reachability, closed.clone())
        })
    };
    accept.ports.iter().flat_map(of_range).collect()
}

fn remedy(name: &str, table: &Table) -> &'static str {
    if table.has_chain_named("ufw") {
        "ufw is active beside our table: open it there as well (`ufw allow`), or `ufw disable`"
    } else if name.ends_with(" firewalld") {
        "firewalld is active beside our table: open it there as well (`firewall-cmd`), or disable firewalld.service"
    } else {
        "open it in that table as well, or take the table out of what loads it"
    }
}

#[cfg(test)]
mod tests {
    use super::super::ruleset::Hook;
    use super::*;
    use deployctl_core::query::Section;

    /// A table `inet other` whose chains are `input`, at the hook, and `more`.
    fn judged(policy: &str, input: &str, more: &str) -> Result<Found, Unreadable> {
        let rule = |chain: &str, exprs: &str| {
            let rules = exprs.split('|').filter(|expr| !expr.is_empty());
            let rules = rules.map(|expr| {
                format!(
                    r#",{{"rule":{{"family":"inet","table":"other","chain":"{chain}","expr":[{expr}]}}}}"#
                )
            });
            rules.collect::<String>()
        };
        let text = format!(
            r#"{{"nftables":[
            {{"chain":{{"family":"inet","table":"deployctl","name":"input","hook":"input","policy":"drop"}}}},
            {{"chain":{{"family":"inet","table":"other","name":"input","hook":"input","policy":"{policy}"}}}},
            {{"chain":{{"family":"inet","table":"other","name":"more"}}}}{}{}]}}"#,
            rule("input", input),
            rule("more", more)
        );
        let section = Section {
            status: Some(0),
            truncated: false,
            stdout: text.into_bytes(),
            stderr: Vec::new(),
        };
        let accept = Accept {
            name: "web".to_owned(),
            hook: Hook::Input,
            protocol: "tcp",
            ports: [(443, 443)].into(),
            peers: [].into(),
            interfaces: [].into(),
        };
        judge(&Answer::new(0, &section), &[accept])
    }

    const WEB: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":443}},{"accept":null}"#;
    const KNOWN: &str = r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established"]}},{"accept":null}"#;
    const LOOPBACK: &str =
        r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}"#;
    const CARD: &str =
        r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth0"}},{"accept":null}"#;
    const MORE: &str = r#"{"jump":{"target":"more"}}"#;
    const END: &str = r#"{"reject":{"type":"icmpx","expr":"admin-prohibited"}}"#;
    const LEGACY_END: &str = r#"{"xt":{"type":"target","name":"REJECT"}}"#;
    const SEVERAL: &str = r#"{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"tcp"}},{"xt":{"type":"match","name":"multiport"}},{"accept":null}"#;
    const MAP: &str = r#"{"vmap":{"key":{"payload":{"protocol":"tcp","field":"dport"}},"data":{"set":[[443,{"accept":null}]]}}}"#;

    #[test]
    fn what_another_table_does_is_told_only_where_it_is_known() {
        let word =
            |policy: &str, input: &[&str], more: &str| match judged(policy, &input.join("|"), more)
                .unwrap()
                .holds
            {
                Holds::Yes => "open",
                Holds::No(_) => "closed_ports",
                _ => "unknown",
            };
        for (expected, policy, input, more) in [
            ("open", "accept", &[][..], ""),
            ("open", "accept", &[KNOWN, LOOPBACK], ""),
            ("closed_ports", "drop", &[], ""),
            ("closed_ports", "drop", &[KNOWN, LOOPBACK], ""),
            // Nothing leads to that chain.
            ("closed_ports", "drop", &[KNOWN], WEB),
            ("open", "drop", &[KNOWN, MORE], WEB),
            ("open", "drop", &[CARD], ""),
            ("closed_ports", "accept", &[KNOWN, END], ""),
            ("closed_ports", "accept", &[LEGACY_END], ""),
            ("closed_ports", "accept", &[MORE], END),
            ("open", "accept", &[MORE, END], WEB),
            ("unknown", "drop", &[SEVERAL], ""),
            ("unknown", "drop", &[MAP], ""),
            ("open", "drop", &[MAP, WEB], ""),
        ] {
            assert_eq!(
                word(policy, input, more),
                expected,
                "{policy} {input:?} {more}"
            );
        }
    }

    #[test]
    fn parts_of_a_range_are_told_together() {
        let parts = |range, shut: &[u16]| {
            let parts = ruleset::parts(range, |port| shut.contains(&port));
            let parts = parts.into_iter().filter(|(_, is_shut)| *is_shut);
            let shown = parts.map(|(part, _)| ruleset::show(part));
            shown.collect::<Vec<_>>().join(",")
        };
        assert_eq!(parts((6379, 6478), &[]), "");
        assert_eq!(parts((22, 22), &[22]), "22");
        assert_eq!(
            parts((6379, 6384), &[6379, 6380, 6382, 6384]),
            "6379-6380,6382,6384"
        );
        assert_eq!(parts((65534, 65535), &[65534, 65535]), "65534-65535");
    }
}

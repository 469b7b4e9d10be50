//! Our nftables table as the kernel has it.

use std::collections::BTreeSet;

use deployctl_core::inventory::firewall::{
    Egress, Firewall, Ports, Protocol, Service, Verdict as Policy,
};

use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

mod beside;
mod ruleset;

use deployctl_core::query::Query;
use ruleset::{Hook, PortRange, Rule, Table, Verdict};

pub(super) const CONCERN: &str = "firewall";

pub(super) fn checks(facts: &Firewall, declared: &Declared<'_>) -> Vec<Check> {
    let mut query = Query::new("firewall/table", "nft -j list table inet deployctl");
    query.cap = 1024 * 1024;
    let ssh_port = declared.host.ssh.as_ref().map(|ssh| ssh.port);
    // Only the login port decides confirm; other ports do not justify a rollback.
    let way_in = |service: &Service| {
        service.protocol == Protocol::Tcp
            && ssh_port
                .is_some_and(|port| service.ports.iter().any(|it| it.contains(port.number())))
    };
    let gate = facts.services.iter().any(way_in);
    let mut checks = vec![
        loaded(declared, &query).gate_if(gate),
        policy("input", Hook::Input, facts.input, &query),
        policy("output", Hook::Output, facts.output, &query),
    ];
    for service in &facts.services {
        let accept = Accept::service(service);
        checks.push(accepted("service", &accept, &query).gate_if(way_in(service)));
    }
    let egress: Vec<Accept> = match facts.output {
        Policy::Drop => facts.egress.iter().map(Accept::egress).collect(),
        Policy::Accept => Vec::new(),
    };
    checks.extend(
        egress
            .iter()
            .map(|accept| accepted("egress", accept, &query)),
    );
    let open: Vec<Accept> = facts
        .services
        .iter()
        .map(Accept::service)
        .chain(egress)
        .collect();
    if !open.is_empty() {
        checks.push(beside::check(open));
    }
    if facts.input == Policy::Drop {
        checks.push(nothing_else(
            facts.services.iter().map(Accept::service).collect(),
            &query,
        ));
    }
    checks
}

/// What one declared service or egress lets through.
#[derive(Clone)]
struct Accept {
    name: String,
    hook: Hook,
    protocol: &'static str,
    ports: BTreeSet<PortRange>,
    /// Networks at the other end; empty means all.
    peers: BTreeSet<String>,
    /// Interfaces where it comes in; empty means all.
    interfaces: BTreeSet<String>,
}

impl Accept {
    fn service(service: &Service) -> Self {
        Self {
            name: service.name.to_string(),
            hook: Hook::Input,
            protocol: protocol(service.protocol),
            ports: service.ports.iter().map(Ports::ends).collect(),
            peers: service
                .from
                .iter()
                .map(|net| ruleset::network(net.as_str()))
                .collect(),
            interfaces: service.interfaces.iter().map(ToString::to_string).collect(),
        }
    }

    fn egress(egress: &Egress) -> Self {
        Self {
            name: egress.name.to_string(),
            hook: Hook::Output,
            protocol: protocol(egress.protocol),
            ports: egress.ports.iter().map(Ports::ends).collect(),
            peers: egress
                .to
                .iter()
                .map(|net| ruleset::network(net.as_str()))
                .collect(),
            interfaces: BTreeSet::new(),
        }
    }

    fn show(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(|it| ruleset::show(*it)).collect();
        let ports = ports.join(",");
        let mut text = format!("our table lets {} {ports} through", self.protocol);
        for (word, names) in [("on", &self.interfaces), ("for", &self.peers)] {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                text = format!("{text} {word} {}", names.join(","));
            }
        }
        text
    }

    /// Every single packet kind of this declaration, but for the port.
    fn kinds(&self) -> Vec<(PortRange, Option<&str>, Option<&str>)> {
        let mut kinds = Vec::new();
        for ports in &self.ports {
            for peer in each(&self.peers) {
                for interface in each(&self.interfaces) {
                    kinds.push((*ports, peer, interface));
                }
            }
        }
        kinds
    }

    fn names(&self, port: u16) -> bool {
        self.ports
            .iter()
            .any(|&(first, last)| (first..=last).contains(&port))
    }

    /// Whether `rule` lets through no more than this declaration.
    fn covers(&self, rule: &Rule) -> bool {
        let within = |found: &Option<BTreeSet<String>>, declared: &BTreeSet<String>| {
            declared.is_empty()
                || found
                    .as_ref()
                    .is_some_and(|found| found.is_subset(declared))
        };
        rule.protocol.as_deref() == Some(self.protocol)
            && rule.ports.as_ref().is_some_and(|ports| {
                ports
                    .iter()
                    .all(|&(first, last)| (first..=last).all(|port| self.names(port)))
            })
            && within(&rule.peers, &self.peers)
            && within(&rule.interfaces, &self.interfaces)
    }
}

/// `None` once for the empty set, every member otherwise.
fn each(set: &BTreeSet<String>) -> Vec<Option<&str>> {
    if set.is_empty() {
        vec![None]
    } else {
        set.iter().map(|member| Some(member.as_str())).collect()
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// Our table is there. Without it nothing is known of its chains and rules, and that is one failure.
fn loaded(declared: &Declared<'_>, query: &Query) -> Check {
    let unit = if declared.is_nixos() {
        "nftables.service".to_owned()
    } else {
        declared
            .service(CONCERN)
            .map_or_else(String::new, |(unit, _)| unit.to_string())
    };
    Check::new(
        CONCERN,
        "table",
        query,
        "table inet deployctl is loaded",
        move |answer: &Answer<'_>| {
            if answer.status == 0 {
                let table = ruleset::parse(answer)?;
                let chains = table.chain_names().collect::<Vec<_>>().join(", ");
                return Ok(Found::when(true, format!("with {chains}")));
            }
            if !answer.everything().contains("No such file or directory") {
                return Err(unreadable(answer));
            }
            Ok(Found::when(false, ABSENT).or_hint(format!(
                "never applied, or another tool flushed the ruleset: apply loads it again; on the host: systemctl restart {unit}"
            )))
        },
    )
    .reading_failures()
}

const ABSENT: &str = "there is no table inet deployctl";

fn unreadable(answer: &Answer<'_>) -> Unreadable {
    Unreadable(format!("nft ended with status {}", answer.status))
}

/// A check over the table; an absent table is a failure, not an error.
fn check(
    what: &str,
    query: &Query,
    expected: String,
    judge: impl Fn(&Table) -> Result<Found, Unreadable> + Send + Sync + 'static,
) -> Check {
    Check::new(
        CONCERN,
        what,
        query,
        expected,
        move |answer: &Answer<'_>| match answer.status {
            0 => judge(&ruleset::parse(answer)?),
            _ if answer.everything().contains("No such file or directory") => {
                Ok(Found::when(false, ABSENT))
            }
            _ => Err(unreadable(answer)),
        },
    )
    .reading_failures()
    .needing("firewall/table")
}

fn policy(what: &str, hook: Hook, wanted: Policy, query: &Query) -> Check {
    let word = match wanted {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
    };
    let expected = format!("what no {what} rule matches: {word}");
    let what_here = what.to_owned();
    check(what, query, expected, move |table| {
        let policies: Vec<&str> = table.policies(hook).collect();
        Ok(match policies[..] {
            // No chain at that hook lets everything through.
            [] => Found::when(word == "accept", format!("no chain for {what_here}")),
            _ => Found::when(
                policies.iter().all(|found| *found == word),
                policies.join(", "),
            ),
        })
    })
}

/// Every kind of packet that `accept` declares meets a rule that lets it through, and none before it
/// that does not.
fn accepted(group: &str, accept: &Accept, query: &Query) -> Check {
    let accept = accept.clone();
    check(
        &format!("{group}/{}", accept.name),
        query,
        accept.show(),
        move |table| {
            let is_shut = |port: u16, peer: Option<&str>, interface: Option<&str>| {
                let mut rules = table.rules(accept.hook);
                let first = rules.find(|rule| rule.matches(accept.protocol, port, peer, interface));
                first.is_none_or(|rule| rule.verdict != Verdict::Accept)
            };
            let mut shut: Vec<String> = Vec::new();
            for (ports, peer, interface) in accept.kinds() {
                let from = peer.map(|peer| format!(" for {peer}")).unwrap_or_default();
                let on = interface
                    .map(|name| format!(" on {name}"))
                    .unwrap_or_default();
                let parts = ruleset::parts(ports, |port| is_shut(port, peer, interface));
                let parts = parts.into_iter().filter(|(_, is_shut)| *is_shut);
                shut.extend(parts.map(|(part, _)| {
                    format!("{} {}{on}{from}", accept.protocol, ruleset::show(part))
                }));
            }
            let evidence = if shut.is_empty() {
                "it does".to_owned()
            } else {
                format!("shut: {}", shut.join(", "))
            };
            Ok(Found::when(shut.is_empty(), evidence))
        },
    )
}

/// No rule opens an undeclared port, or all ports.
fn nothing_else(services: Vec<Accept>, query: &Query) -> Check {
    let expected = "no other port is open".to_owned();
    check("nothing-else", query, expected, move |table| {
        let open: Vec<String> = table
            .rules(Hook::Input)
            .filter(|rule| rule.verdict == Verdict::Accept && rule.opens())
            .filter(|rule| !services.iter().any(|service| service.covers(rule)))
            .map(Rule::show)
            .collect();
        let evidence = if open.is_empty() {
            "none".to_owned()
        } else {
            format!("open beyond what is declared: {}", open.join("; "))
        };
        Ok(Found::when(open.is_empty(), evidence))
    })
}

//! `nft -j list` reduced to the rules for new connections.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Answer, Unreadable};

/// Where a packet is when a chain looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    Input,
    Output,
}

/// Chains with their policies, and their rules in order.
pub(super) struct Table {
    chains: BTreeMap<String, Chain>,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Chain {
    name: String,
    hook: Option<String>,
    policy: Option<String>,
}

/// What happens to a packet that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    /// Goes on, to the next rule or another chain.
    Other,
}

/// What a table does to new connections of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reachability {
    /// A rule accepts them, at least from some peers.
    Open,
    /// No rule does.
    Closed,
    /// A rule decides, but nft does not show all its conditions.
    Unknown,
}

/// One rule: `None` is no condition of that kind.
#[derive(Debug)]
pub(super) struct Rule {
    chain: String,
    pub(super) protocol: Option<String>,
    pub(super) ports: Option<Vec<PortRange>>,
    pub(super) peers: Option<BTreeSet<String>>,
    pub(super) interfaces: Option<BTreeSet<String>>,
    /// Whether it has conditions of other kinds: connection state, limits, ICMP types.
    narrowed: bool,
    /// Whether some of its conditions are not shown, so that it may be about any port.
    unknown: bool,
    /// The chain where it goes on.
    next: Option<String>,
    pub(super) verdict: Verdict,
}

impl Table {
    /// The policies of all chains at `hook`.
    pub(super) fn policies(&self, hook: Hook) -> impl Iterator<Item = &str> {
        self.base_chains(hook)
            .map(|chain| chain.policy.as_deref().unwrap_or("accept"))
    }

    /// The rules of the chains at `hook`, in order.
    pub(super) fn rules(&self, hook: Hook) -> impl Iterator<Item = &Rule> {
        self.rules
            .iter()
            .filter(move |rule| self.base_chains(hook).any(|chain| chain.name == rule.chain))
    }

    /// What drops packets that no rule of the chains at `hook` accepts, for people; `None` if nothing does.
    pub(super) fn closed(&self, hook: Hook) -> Option<String> {
        let policy = self
            .base_chains(hook)
            .find(|chain| chain.policy.as_deref() == Some("drop"));
        if let Some(chain) = policy {
            return Some(format!("chain {} drops by policy", chain.name));
        }
        self.reached(hook)
            .find(|rule| rule.verdict == Verdict::Drop && rule.is_unconditional())
            .map(|rule| format!("chain {} drops everything else", rule.chain))
    }

    /// What the chains at `hook`, and those that they lead to, do to new connections to `port`.
    pub(super) fn reachability(&self, hook: Hook, protocol: &str, port: u16) -> Reachability {
        let mut reachability = Reachability::Closed;
        for rule in self.reached(hook) {
            if rule.accepts(protocol, port) {
                return Reachability::Open;
            }
            let other = rule.protocol.as_deref().is_some_and(|of| of != protocol);
            if rule.unknown && !other && rule.verdict != Verdict::Drop {
                reachability = Reachability::Unknown;
            }
        }
        reachability
    }

    /// The chains' names, in order.
    pub(super) fn chain_names(&self) -> impl Iterator<Item = &str> {
        self.chains.keys().map(String::as_str)
    }

    /// Whether a chain's name begins like that.
    pub(super) fn has_chain_named(&self, start: &str) -> bool {
        self.chains.keys().any(|name| name.starts_with(start))
    }

    /// The rules of the chains at `hook` and of all chains that they jump to, under any condition.
    fn reached(&self, hook: Hook) -> impl Iterator<Item = &Rule> {
        let mut open: Vec<&str> = self.base_chains(hook).map(|c| c.name.as_str()).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                let rules = self.rules.iter().filter(|rule| rule.chain == name);
                open.extend(rules.filter_map(|rule| rule.next.as_deref()));
            }
        }
        self.rules
            .iter()
            .filter(move |rule| seen.contains(rule.chain.as_str()))
    }

    fn base_chains(&self, hook: Hook) -> impl Iterator<Item = &Chain> {
        let name = match hook {
            Hook::Input => "input",
            Hook::Output => "output",
        };
        self.chains
            .values()
            .filter(move |chain| chain.hook.as_deref() == Some(name))
    }
}

impl Rule {
    /// Whether the rule decides on a new packet of that kind. A condition that the packet's kind leaves
    /// open (`None`) counts as met only where the rule does not ask.
    pub(super) fn matches(
        &self,
        protocol: &str,
        port: u16,
        peer: Option<&str>,
        interface: Option<&str>,
    ) -> bool {
        let met = |condition: &Option<BTreeSet<String>>, value: Option<&str>| match condition {
            None => true,
            Some(set) => value.is_some_and(|value| set.contains(value)),
        };
        self.verdict != Verdict::Other
            && !self.narrowed
            && !self.unknown
            && self
                .protocol
                .as_deref()
                .is_none_or(|found| found == protocol)
            && self.ports.as_ref().is_none_or(|ports| {
                ports
                    .iter()
                    .any(|&(first, last)| (first..=last).contains(&port))
            })
            && met(&self.peers, peer)
            && met(&self.interfaces, interface)
    }

    /// Whether it accepts new connections to `port` from some peers; a rule with further conditions counts only if it
    /// names the port.
    fn accepts(&self, protocol: &str, port: u16) -> bool {
        let named = self.ports.as_ref().map(|ports| {
            ports
                .iter()
                .any(|&(first, last)| (first..=last).contains(&port))
        });
        self.verdict == Verdict::Accept
            && !self.unknown
            && self.protocol.as_deref().is_none_or(|of| of == protocol)
            && named.unwrap_or_else(|| self.opens())
    }

    fn is_unconditional(&self) -> bool {
        self.protocol.is_none()
            && self.ports.is_none()
            && self.peers.is_none()
            && self.interfaces.is_none()
            && !self.narrowed
            && !self.unknown
    }

    /// Whether it lets new connections in from outside: by port, by peer or altogether. Loopback,
    /// connection states and ICMP do not.
    pub(super) fn opens(&self) -> bool {
        let loopback = self
            .interfaces
            .as_ref()
            .is_some_and(|set| set.iter().all(|name| name == "lo"));
        !self.narrowed && !loopback
    }

    /// For people.
    pub(super) fn show(&self) -> String {
        let set = |set: &Option<BTreeSet<String>>| {
            set.as_ref()
                .map(|set| set.iter().map(String::as_str).collect::<Vec<_>>().join(","))
        };
        let ports = self.ports.as_ref().map(|ports| {
            let ports = ports.iter().map(|it| show(*it));
            ports.collect::<Vec<_>>().join(",")
        });
        let words = [
            self.protocol.clone(),
            ports,
            set(&self.interfaces).map(|names| format!("on {names}")),
            set(&self.peers).map(|names| format!("for {names}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() {
            "everything".to_owned()
        } else {
            words.join(" ")
        }
    }
}

/// The first and the last one of ports.
pub(super) type PortRange = (u16, u16);

/// For people.
pub(super) fn show((first, last): PortRange) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// The parts of a range whose ports are all alike by `of`, in order.
pub(super) fn parts<T: PartialEq>(
    (first, last): PortRange,
    of: impl Fn(u16) -> T,
) -> Vec<(PortRange, T)> {
    let mut parts: Vec<(PortRange, T)> = Vec::new();
    for port in first..=last {
        let found = of(port);
        match parts.last_mut() {
            Some((part, alike)) if *alike == found => part.1 = port,
            _ => parts.push(((port, port), found)),
        }
    }
    parts
}

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Value>,
}

/// Reads the table; an error where it holds no chain at all.
pub(super) fn parse(answer: &Answer<'_>) -> Result<Table, Unreadable> {
    let document: Document = answer.json()?;
    let table = read_table(&document.nftables.iter().collect::<Vec<_>>())?;
    if table.chains.is_empty() {
        return Err(Unreadable::new("no chain in the table"));
    }
    Ok(table)
}

/// The tables beside ours that see IP packets, by their family and name. An error where nft says nothing at all.
pub(super) fn others(answer: &Answer<'_>) -> Result<Vec<(String, Table)>, Unreadable> {
    let document: Document = answer.json()?;
    if document.nftables.is_empty() {
        return Err(Unreadable::new("not even the version of nft in the answer"));
    }
    let mut tables: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for object in &document.nftables {
        let Some(part) = object.as_object().and_then(|object| object.values().next()) else {
            continue;
        };
        let (family, name) = (part["family"].as_str(), part["table"].as_str());
        if let (Some(family @ ("ip" | "ip6" | "inet")), Some(name)) = (family, name)
            && (family, name) != ("inet", "deployctl")
        {
            tables.entry((family, name)).or_default().push(object);
        }
    }
    let read = |((family, name), objects): ((&str, &str), Vec<&Value>)| {
        Ok((format!("{family} {name}"), read_table(&objects)?))
    };
    tables.into_iter().map(read).collect()
}

fn read_table(objects: &[&Value]) -> Result<Table, Unreadable> {
    let mut table = Table {
        chains: BTreeMap::new(),
        rules: Vec::new(),
    };
    let mut sets: BTreeMap<String, Value> = BTreeMap::new();
    for object in objects {
        if let Some(set) = object.get("set") {
            if let (Some(name), Some(elements)) = (set["name"].as_str(), set.get("elem")) {
                sets.insert(format!("@{name}"), elements.clone());
            }
        } else if let Some(chain) = object.get("chain") {
            let chain = Chain::deserialize(chain)
                .map_err(|e| Unreadable(format!("a chain that cannot be read: {e}")))?;
            table.chains.insert(chain.name.clone(), chain);
        }
    }
    for object in objects {
        if let Some(rule) = object.get("rule") {
            table.rules.push(read_rule(rule, &sets)?);
        }
    }
    Ok(table)
}

fn read_rule(json: &Value, sets: &BTreeMap<String, Value>) -> Result<Rule, Unreadable> {
    let chain = json["chain"]
        .as_str()
        .ok_or_else(|| Unreadable::new("a rule without a chain"))?;
    let mut rule = Rule {
        chain: chain.to_owned(),
        protocol: None,
        ports: None,
        peers: None,
        interfaces: None,
        narrowed: false,
        unknown: false,
        next: None,
        verdict: Verdict::Other,
    };
    for part in json["expr"].as_array().into_iter().flatten() {
        let Some((kind, value)) = part.as_object().and_then(|part| part.iter().next()) else {
            return Err(Unreadable::new("a rule that cannot be read"));
        };
        match kind.as_str() {
            "accept" => rule.verdict = Verdict::Accept,
            "drop" | "reject" => rule.verdict = Verdict::Drop,
            "jump" | "goto" => rule.next = value["target"].as_str().map(str::to_owned),
            "counter" | "log" | "return" | "comment" => {}
            "xt" => read_extension(value, &mut rule),
            // A map from ports to verdicts.
            "vmap" => rule.unknown = true,
            "match" => read_match(value, sets, &mut rule),
            _ => rule.narrowed = true,
        }
    }
    Ok(rule)
}

/// An extension of iptables: nft shows only its name.
fn read_extension(json: &Value, rule: &mut Rule) {
    match json["name"].as_str() {
        Some("REJECT") => rule.verdict = Verdict::Drop,
        Some("LOG" | "comment") => {}
        // None of them is about ports.
        Some(
            "addrtype" | "conntrack" | "hl" | "icmp" | "icmp6" | "limit" | "pkttype" | "rt"
            | "state" | "ttl",
        ) => rule.narrowed = true,
        _ => rule.unknown = true,
    }
}

fn read_match(json: &Value, sets: &BTreeMap<String, Value>, rule: &mut Rule) {
    let equal = matches!(json["op"].as_str(), Some("==" | "in"));
    let (left, right) = (&json["left"], members(&json["right"], sets));
    let payload = &left["payload"];
    let meta = left["meta"]["key"].as_str();
    let field = (payload["protocol"].as_str(), payload["field"].as_str());
    match (meta, field) {
        (Some("iifname" | "oifname" | "iif" | "oif"), _) if equal => {
            rule.interfaces = Some(texts(&right));
        }
        (Some("l4proto"), _) if equal => match right[..] {
            [Value::String(one)] => rule.protocol = Some(one.clone()),
            // Without /etc/protocols nft knows numbers alone.
            [Value::Number(one)] if one.as_u64() == Some(6) => {
                rule.protocol = Some("tcp".to_owned());
            }
            [Value::Number(one)] if one.as_u64() == Some(17) => {
                rule.protocol = Some("udp".to_owned());
            }
            // Both, or ICMP and others beside: said again by the ports that follow, if any.
            _ => rule.narrowed = true,
        },
        (None, (Some(protocol @ ("tcp" | "udp" | "th")), Some("dport"))) if equal => {
            if protocol != "th" {
                rule.protocol = Some(protocol.to_owned());
            }
            rule.ports = right.iter().map(|port| range(port)).collect();
            // A set that is filled elsewhere.
            rule.unknown |= rule.ports.is_none();
        }
        (None, (Some("ip" | "ip6"), Some("saddr" | "daddr"))) if equal => {
            rule.peers = Some(networks(&right));
        }
        _ => rule.narrowed = true,
    }
}

/// The members of a value, an anonymous set or a named one.
fn members<'a>(right: &'a Value, sets: &'a BTreeMap<String, Value>) -> Vec<&'a Value> {
    let named = right.as_str().and_then(|name| sets.get(name));
    let set = named.or_else(|| right.get("set")).unwrap_or(right);
    match set {
        Value::Array(members) => members.iter().collect(),
        one => vec![one],
    }
}

fn texts(members: &[&Value]) -> BTreeSet<String> {
    members
        .iter()
        .filter_map(|member| member.as_str())
        .map(str::to_owned)
        .collect()
}

fn networks(members: &[&Value]) -> BTreeSet<String> {
    let show = |member: &&Value| {
        if let Some(address) = member.as_str() {
            return Some(network(address));
        }
        let prefix = member.get("prefix")?;
        Some(network(&format!(
            "{}/{}",
            prefix["addr"].as_str()?,
            prefix["len"].as_u64()?
        )))
    };
    members.iter().filter_map(show).collect()
}

/// A network in one spelling: an address alone is a network of one, bits of the host are cut off.
pub(super) fn network(text: &str) -> String {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return ipnet::IpNet::from(address).to_string();
    }
    text.parse::<ipnet::IpNet>()
        .map_or_else(|_| text.to_owned(), |net| net.trunc().to_string())
}

fn range(port: &Value) -> Option<(u16, u16)> {
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
    if let Some([first, last]) = port
        .get("range")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        return Some((number(first)?, number(last)?));
    }
    number(port).map(|port| (port, port))
}

//! Whether a new connection to the SSH port would pass the rendered nftables rules.

use super::{files_below, refuse};
use crate::plan::{Finding, Target};
use crate::rendered::Rendered;

/// What the rules say of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Passage {
    /// No rule accepts it.
    Closed,
    /// A rule accepts it from some interfaces or addresses.
    Limited,
    /// A rule accepts it from everywhere.
    Open,
}

/// Judges every rendered rule set whose input chain drops by default.
pub(super) fn findings(target: &Target, rendered: &Rendered) -> Vec<Finding> {
    let port = target.port;
    files_below(rendered, "/etc/nftables")
        .filter(|(_, text)| drops_input(text))
        .filter_map(|(path, text)| match passage(text, port) {
            Passage::Open => None,
            Passage::Limited => Some(Finding::warn(
                "lockout",
                format!("`{path}` accepts port {port} from some places only; whether ours is one is not known"),
                Some("confirm goes over a new connection: without it everything is rolled back".to_owned()),
            )),
            Passage::Closed => Some(refuse(
                format!("`{path}` would drop new connections to port {port}, the one we come in by"),
                "declare a firewall service for it, or change `connection.port`",
            )),
        })
        .collect()
}

/// Whether a chain at hook input has policy drop, or ends in one.
fn drops_input(text: &str) -> bool {
    let mut in_input = false;
    for line in text.lines().map(without_comment) {
        if line.contains("hook input") {
            in_input = true;
        }
        if in_input {
            if line.contains("policy drop")
                || matches!(line.trim(), "drop" | "counter drop" | "reject")
            {
                return true;
            }
            if line.trim() == "}" {
                in_input = false;
            }
        }
    }
    false
}

/// The best that any rule grants. Chains that the input chain jumps to are not told apart from others.
fn passage(text: &str, port: u16) -> Passage {
    text.lines()
        .map(without_comment)
        .filter(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.contains(&"accept")
                && !line.contains("ct state")
                && !line.contains("ct mark")
                && words
                    .windows(2)
                    .position(|pair| pair == ["tcp", "dport"])
                    .is_some_and(|at| admits(&words[at + 2..], port))
        })
        .map(|line| {
            let limited = ["saddr", "iif", "iifname", "limit rate", "meter"]
                .iter()
                .any(|word| line.contains(word));
            if limited {
                Passage::Limited
            } else {
                Passage::Open
            }
        })
        .max()
        .unwrap_or(Passage::Closed)
}

/// Whether `22`, `{ 22, 80 }`, `20-30`, `ssh` or a named set (which is not looked into) admits `port`.
fn admits(words: &[&str], port: u16) -> bool {
    let set = words.first().is_some_and(|word| word.starts_with('{'));
    let text = words.join(" ");
    let values = if set {
        text.trim_start_matches('{')
            .split('}')
            .next()
            .unwrap_or_default()
    } else {
        words.first().copied().unwrap_or_default()
    };
    values.split([',', ' ']).any(|value| {
        if value.starts_with('@') {
            return true;
        }
        let (low, high) = value.split_once('-').unwrap_or((value, value));
        let number = |text: &str| match text {
            "ssh" => Some(22),
            text => text.parse::<u16>().ok(),
        };
        matches!((number(low), number(high)), (Some(low), Some(high)) if (low..=high).contains(&port))
    })
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_admits_the_port_by_number_range_set_or_name() {
        let cases = [
            ("tcp dport 22 accept", Passage::Open),
            ("tcp dport ssh accept", Passage::Open),
            ("tcp dport { 22, 80 } accept comment \"x\"", Passage::Open),
            ("tcp dport {80,22} accept", Passage::Open),
            ("tcp dport { 2000-3000 } accept", Passage::Closed),
            ("tcp dport 20-30 accept", Passage::Open),
            ("tcp dport @ways_in accept", Passage::Open),
            ("tcp dport 2222 accept", Passage::Closed),
            ("udp dport 22 accept", Passage::Closed),
            ("tcp dport 22 drop", Passage::Closed),
            ("# tcp dport 22 accept", Passage::Closed),
            ("ct state established tcp dport 22 accept", Passage::Closed),
            (
                "iifname { \"lan\" } tcp dport { 22 } accept",
                Passage::Limited,
            ),
            (
                "ip saddr 10.0.0.0/8 tcp dport 22 accept\ntcp dport 22 accept",
                Passage::Open,
            ),
        ];
        for (rules, expected) in cases {
            assert_eq!(passage(rules, 22), expected, "{rules}");
        }
    }
}

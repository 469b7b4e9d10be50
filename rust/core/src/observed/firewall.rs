//! The nftables table of ours as the kernel has it, beside what the host's own nft makes of our files.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ObserveScope;
use crate::query::{printable_line, quote};
use crate::rendered::{Entry, FollowUp};

/// The nftables table that is ours: family and name. It is replaced atomically; no other table is touched.
pub const FIREWALL_TABLE: (&str, &str) = ("inet", "deployctl");

/// What is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFirewall {
    /// Our table as loaded; `None` where there is none.
    pub live: Option<String>,
    /// Our table as it would be loaded from the files on the host: why not, where nft could not say.
    pub declared: Result<String, String>,
    /// Other chains that decide on incoming or outgoing packets, too.
    pub others: BTreeSet<OtherFilter>,
}

/// A filter beside ours: a packet has to pass both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OtherFilter {
    /// Family and name of its table, `ip filter`.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// `input` or `output`.
    pub hook: String,
    /// Who made it, where its name tells: `ufw`, `firewalld`.
    pub owner: Option<String>,
}

/// What asks, where a declared file loads a table; nothing where none does.
///
/// Parts begin with a line `= NAME STATUS`, which no line of nft's begins with. The files are loaded in a
/// network namespace that ends with the question, so they are listed by the same nft in the same spelling.
pub(super) fn ask(scope: &ObserveScope<'_>) -> String {
    let files = scope
        .rendered
        .entries
        .iter()
        .filter(|(_, managed)| managed.follow_ups.contains(&FollowUp::Firewall))
        .filter(|(_, managed)| matches!(managed.entry, Entry::File { .. }));
    let mut arguments = String::new();
    for (path, _) in files {
        let _ = write!(arguments, " {path}");
    }
    if arguments.is_empty() {
        return String::new();
    }
    let table = format!("{} {}", FIREWALL_TABLE.0, FIREWALL_TABLE.1);
    // Most hosts have one file, and a process less.
    let read = match arguments.trim().split_once(' ') {
        None => format!("nft -f{arguments}"),
        Some(_) => format!("cat --{arguments} | nft -f -"),
    };
    let load = format!("{read} && exec nft -s list table {table}");
    format!(
        r#"command -v nft >/dev/null 2>&1 || exit 0
t=$(nft -s list table {table} 2>&1)
echo '= live' $?
printf '%s\n' "$t"
t=$(unshare -n sh -c {load} 2>&1)
echo '= declared' $?
printf '%s\n' "$t"
echo '= chains' 0
nft list chains
if [ -r /proc/net/ip_tables_names ]; then
  echo '= older' 0
  while IFS= read -r t; do echo "$t"; done </proc/net/ip_tables_names
fi
exit 0
"#,
        load = quote(&load),
    )
}

/// Reads the section; `Ok(None)` where the host has no nft, an error where nft did not say what is loaded.
pub(super) fn parse(section: &[u8]) -> Result<Option<ObservedFirewall>, String> {
    let text = String::from_utf8_lossy(section);
    let Some(live) = part(&text, "live") else {
        return Ok(None);
    };
    let live = match live {
        (0, text) => Some(settled(&text)),
        (_, text) if text.contains("No such file or directory") => None,
        (status, text) => return Err(said(status, &text)),
    };
    let declared = match part(&text, "declared") {
        Some((0, text)) => Ok(settled(&text)),
        Some((status, text)) => Err(said(status, &text)),
        None => Err("it did not say".to_owned()),
    };
    let mut others = chains(&part(&text, "chains").unwrap_or_default().1);
    let older = part(&text, "older").unwrap_or_default().1;
    if older.lines().any(|name| name == "filter") {
        others.insert(OtherFilter {
            table: "filter".to_owned(),
            chain: "INPUT".to_owned(),
            hook: "input".to_owned(),
            owner: Some("iptables-legacy".to_owned()),
        });
    }
    Ok(Some(ObservedFirewall {
        live,
        declared,
        others,
    }))
}

fn said(status: i32, text: &str) -> String {
    format!(
        "nft ended with status {status}: {}",
        printable_line(text.trim().as_bytes(), 200)
    )
}

/// Status and lines of the part `name`.
fn part(text: &str, name: &str) -> Option<(i32, String)> {
    let mut lines = text.lines();
    let status = lines.find_map(|line| {
        line.strip_prefix("= ")?
            .strip_prefix(name)?
            .trim()
            .parse()
            .ok()
    })?;
    let body = lines
        .take_while(|line| !line.starts_with("= "))
        .fold(String::new(), |text, line| text + line + "\n");
    Some((status, body))
}

/// A table's listing without what packets change: the elements of sets that rules fill, or that run out.
fn settled(listing: &str) -> String {
    let mut text = String::new();
    let (mut moving, mut in_elements) = (false, false);
    for line in listing.lines().filter(|line| !line.trim().is_empty()) {
        let words = line.trim();
        if in_elements {
            in_elements = !words.ends_with('}');
            continue;
        }
        if words.ends_with('{') {
            moving = false;
        } else if let Some(flags) = words.strip_prefix("flags ") {
            moving = flags
                .split(',')
                .any(|flag| matches!(flag.trim(), "dynamic" | "timeout"));
        } else if moving && words.starts_with("elements = {") {
            in_elements = !words.ends_with('}');
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Base chains of other tables that drop what they do not let through, and those of firewalld, which
/// rejects by a last rule.
fn chains(listing: &str) -> BTreeSet<OtherFilter> {
    let ours = format!("{} {}", FIREWALL_TABLE.0, FIREWALL_TABLE.1);
    let (mut table, mut chain) = (String::new(), String::new());
    let mut of_ufw = BTreeSet::new();
    let mut found = BTreeSet::new();
    for line in listing.lines().map(str::trim) {
        let opened = line.strip_suffix(" {");
        if let Some(name) = opened.and_then(|line| line.strip_prefix("table ")) {
            name.clone_into(&mut table);
        } else if let Some(name) = opened.and_then(|line| line.strip_prefix("chain ")) {
            name.clone_into(&mut chain);
            if name.starts_with("ufw-") || name.starts_with("ufw6-") {
                of_ufw.insert(table.clone());
            }
        } else if table != ours && line.starts_with("type filter hook ") {
            let hook = line.split_whitespace().nth(3).unwrap_or_default();
            let firewalld = table.ends_with(" firewalld");
            let shuts = line.contains("policy drop") || (firewalld && chain.starts_with("filter_"));
            if shuts && matches!(hook, "input" | "output") {
                found.insert(OtherFilter {
                    table: printable_line(table.as_bytes(), 80),
                    chain: printable_line(chain.as_bytes(), 80),
                    hook: hook.to_owned(),
                    owner: firewalld.then(|| "firewalld".to_owned()),
                });
            }
        }
    }
    let named = |mut other: OtherFilter| {
        if of_ufw.contains(&other.table) {
            other.owner = Some("ufw".to_owned());
        }
        other
    };
    found.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "table inet deployctl {\n\tset seen {\n\t\ttype ipv4_addr\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\t\telements = { 10.0.0.1 expires 59s,\n\t\t\t     10.0.0.2 expires 3s }\n\t}\n\n\tset fixed {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1, 10.0.0.2 }\n\t}\n\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tiif \"lo\" accept\n\t\ttcp dport { 22, 80 } accept comment \"elements = {\"\n\t}\n}\n";

    fn answer(live: (i32, &str), declared: (i32, &str), chains: &str) -> String {
        format!(
            "= live {}\n{}\n= declared {}\n{}\n= chains 0\n{chains}",
            live.0, live.1, declared.0, declared.1
        )
    }

    #[test]
    fn what_packets_change_is_left_out() {
        insta::assert_snapshot!(settled(LISTED), @r#"
        table inet deployctl {
        	set seen {
        		type ipv4_addr
        		size 65535
        		flags dynamic,timeout
        		timeout 1m
        	}
        	set fixed {
        		type ipv4_addr
        		elements = { 10.0.0.1, 10.0.0.2 }
        	}
        	chain input {
        		type filter hook input priority filter; policy drop;
        		iif "lo" accept
        		tcp dport { 22, 80 } accept comment "elements = {"
        	}
        }
        "#);
    }

    #[test]
    fn a_table_is_there_or_not_or_unknown() {
        let missing = "Error: No such file or directory\nlist table inet deployctl";
        let of = |text: String| parse(text.as_bytes());
        assert_eq!(of(String::new()), Ok(None));
        let gone = of(answer((1, missing), (0, LISTED), "")).unwrap().unwrap();
        assert_eq!((gone.live, gone.declared.is_ok()), (None, true));
        let refused = of(answer((1, "Operation not permitted"), (0, LISTED), ""));
        assert!(refused.unwrap_err().contains("Operation not permitted"));
        let shut = of(answer((0, LISTED), (1, "unshare failed"), ""))
            .unwrap()
            .unwrap();
        assert_eq!(
            shut.declared,
            Err("nft ended with status 1: unshare failed".to_owned())
        );
    }

    #[test]
    fn filters_beside_ours_are_named() {
        let chains = "table inet deployctl {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n\
            table ip filter {\n\tchain ufw-before-input {\n\t}\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n\tchain OUTPUT {\n\t\ttype filter hook output priority filter; policy accept;\n\t}\n}\n\
            table inet firewalld {\n\tchain filter_INPUT {\n\t\ttype filter hook input priority filter + 10; policy accept;\n\t}\n\tchain nat_OUTPUT {\n\t\ttype nat hook output priority -90; policy accept;\n\t}\n}\n\
            table inet mine {\n\tchain out {\n\t\ttype filter hook output priority filter; policy drop;\n\t}\n}\n\
            = older 0\nnat\nfilter\n";
        let observed = parse(answer((0, LISTED), (0, LISTED), chains).as_bytes());
        let told: Vec<_> = observed
            .unwrap()
            .unwrap()
            .others
            .into_iter()
            .map(|other| format!("{other:?}"))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        OtherFilter { table: "filter", chain: "INPUT", hook: "input", owner: Some("iptables-legacy") }
        OtherFilter { table: "inet firewalld", chain: "filter_INPUT", hook: "input", owner: Some("firewalld") }
        OtherFilter { table: "inet mine", chain: "out", hook: "output", owner: None }
        OtherFilter { table: "ip filter", chain: "INPUT", hook: "input", owner: Some("ufw") }
        "#);
    }
}

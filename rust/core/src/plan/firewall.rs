//! Whether the nftables table that runs is the one that the files declare.

use std::collections::BTreeSet;

use similar::{ChangeTag, TextDiff};

use super::{Finding, LiveChange, PackageAction, Plan};
use crate::observed::FIREWALL_TABLE;
use crate::observed::{Observed, ObservedFirewall, OtherFilter};
use crate::rendered::{Entry, FollowUp, Rendered};

/// Lines of a table that are shown.
const LINES: usize = 12;

/// What has to be loaded again though no file changes, and what else decides on packets.
pub(super) fn changes(
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
) -> (Option<LiveChange>, Vec<Finding>) {
    let declared = rendered
        .entries
        .values()
        .any(|managed| managed.follow_ups.contains(&FollowUp::Firewall));
    if !declared
        || ["firewall", "places"]
            .iter()
            .any(|id| observed.unanswered.contains_key(*id))
    {
        return (None, Vec::new());
    }
    let mut findings = Vec::new();
    // Then it is loaded anyway.
    let loads = plan.follow_ups.contains(&FollowUp::Firewall);
    let change = match &observed.firewall {
        _ if loads => None,
        Some(firewall) => {
            findings.extend(uncompared(firewall));
            difference(firewall)
        }
        None if plan
            .packages
            .iter()
            .any(|change| change.action == PackageAction::Install) =>
        {
            Some(again(
                "is not known: `nft` is not installed".to_owned(),
                Vec::new(),
            ))
        }
        None => {
            findings.push(Finding::warn(
                "firewall",
                format!(
                    "`nft` is not on `{}`: whether {} is loaded is not known",
                    rendered.host,
                    table()
                ),
                Some("declare the package that brings it: `nftables`".to_owned()),
            ));
            None
        }
    };
    let others = observed.firewall.iter().flat_map(|found| &found.others);
    findings.extend(others.map(beside));
    findings.extend(absent_interfaces(rendered, observed));
    (change, findings)
}

fn table() -> String {
    format!("table {} {}", FIREWALL_TABLE.0, FIREWALL_TABLE.1)
}

fn again(found: String, lines: Vec<String>) -> LiveChange {
    LiveChange {
        subject: table(),
        found,
        lines,
        follow_up: Some(FollowUp::Firewall),
    }
}

fn difference(firewall: &ObservedFirewall) -> Option<LiveChange> {
    let Some(live) = &firewall.live else {
        return Some(again("is not loaded".to_owned(), Vec::new()));
    };
    let declared = firewall.declared.as_ref().ok()?;
    if live == declared {
        return None;
    }
    let diff = TextDiff::from_lines(live.as_str(), declared.as_str());
    let changed: Vec<String> = diff
        .iter_all_changes()
        .filter_map(|change| {
            let sign = match change.tag() {
                ChangeTag::Equal => return None,
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            Some(format!("{sign} {}", change.value().trim()))
        })
        .collect();
    let mut lines: Vec<_> = changed.iter().take(LINES).cloned().collect();
    if changed.len() > LINES {
        lines.push(format!("… {} more lines", changed.len() - LINES));
    }
    Some(again("is not as its files say".to_owned(), lines))
}

/// It is loaded; whether it was altered since is not known.
fn uncompared(firewall: &ObservedFirewall) -> Option<Finding> {
    let cause = firewall.declared.as_ref().err()?;
    firewall.live.as_ref()?;
    Some(Finding::note(
        "firewall",
        format!(
            "{} is loaded; whether it is as declared is not known: {cause}",
            table()
        ),
        Some("`nft list table inet deployctl` on the host shows it".to_owned()),
    ))
}

/// Rules by name of an interface (`iifname "lan0"`) are loaded whether it is there or not.
fn absent_interfaces(rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    // A host without an answer was not asked.
    if observed.interfaces.is_empty() {
        return Vec::new();
    }
    let texts = rendered.entries.values().filter_map(|managed| {
        let firewall = managed.follow_ups.contains(&FollowUp::Firewall);
        match &managed.entry {
            Entry::File { content, .. } if firewall => Some(content.as_str()),
            _ => None,
        }
    });
    let named: BTreeSet<&str> = texts.flat_map(str::lines).flat_map(interfaces).collect();
    named
        .into_iter()
        .filter(|name| !name.ends_with('*') && !observed.interfaces.contains(*name))
        .map(|name| {
            Finding::note(
                "firewall",
                format!(
                    "the firewall's rules for the interface `{name}` match nothing: it is not there"
                ),
                None,
            )
        })
        .collect()
}

/// The quoted names behind `iifname` or `oifname`: one, or a set of them.
fn interfaces(line: &str) -> Vec<&str> {
    let Some((_, rest)) = ["iifname ", "oifname "]
        .iter()
        .find_map(|word| line.split_once(word))
    else {
        return Vec::new();
    };
    let rest = rest.trim_start();
    let names = match rest.strip_prefix('{') {
        Some(set) => set.split('}').next().unwrap_or_default(),
        None => rest
            .match_indices('"')
            .nth(1)
            .map_or("", |(end, _)| &rest[..end]),
    };
    names.split('"').skip(1).step_by(2).collect()
}

fn beside(other: &OtherFilter) -> Finding {
    let (direction, consequence) = match other.hook.as_str() {
        "output" => ("outgoing", "what ours lets out goes out"),
        _ => ("incoming", "what the facts open is open"),
    };
    let owner = other.owner.as_deref().unwrap_or("another table");
    Finding::warn(
        "firewall",
        format!(
            "{owner} filters {direction} packets, too (`table {}`, chain `{}`): {consequence} only where it lets it through as well",
            other.table, other.chain
        ),
        Some("let it through there as well, or take that filter off the host".to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::interfaces;

    #[test]
    fn interfaces_are_read_out_of_rules() {
        for (line, names) in [
            (
                r#"iifname { "lan0", "lan1" } tcp dport { 22 } accept comment "ssh""#,
                &["lan0", "lan1"][..],
            ),
            (
                r#"iifname "lan0" tcp dport 22 accept comment "ssh""#,
                &["lan0"],
            ),
            (r#"oifname "veth*" accept"#, &["veth*"]),
            (r#"tcp dport 22 accept comment "ssh""#, &[]),
            ("iif lo accept", &[]),
            (r#"iifname "lan0"#, &[]),
        ] {
            assert_eq!(interfaces(line), names, "{line}");
        }
    }
}

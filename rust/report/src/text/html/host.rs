//! A card for each host and link: a tile for each concern, which opens to show its checks.

use deployctl_checks::gate::Tally;
use deployctl_checks::{CheckResult, CheckStatus};
use deployctl_core::inventory::Inventory;
use deployctl_core::inventory::host::{Architecture, Host, OsId};
use serde::Serialize;

use super::number::{number, unit_of};
use super::place::{Mark, Place};
use super::{cut, numbers, shown};

/// A host or link with all that was asked of it.
#[derive(Serialize)]
pub(super) struct Card {
    anchor: String,
    name: String,
    /// `host` or `link`.
    kind: &'static str,
    mark: Mark,
    /// What it is for.
    description: String,
    /// Operating system, architecture, hardware; or subnet and MTU.
    facts: Vec<String>,
    /// `31 passed, 2 failed`, or how it ended.
    told: String,
    concerns: Vec<Concern>,
}

/// A tile.
#[derive(Serialize)]
struct Concern {
    name: String,
    mark: Mark,
    passed: usize,
    of: usize,
    checks: Vec<Row>,
}

/// One check in full.
#[derive(Serialize)]
struct Row {
    anchor: String,
    mark: Mark,
    word: &'static str,
    check: String,
    gate: bool,
    expected: String,
    found: String,
    why: Option<String>,
    hint: Option<String>,
    attempts: u8,
    numbers: Vec<String>,
}

/// Cards in the report's order.
pub(super) fn cards(inventory: &Inventory, places: &[Place<'_>]) -> Vec<Card> {
    places.iter().map(|place| card(inventory, place)).collect()
}

fn card(inventory: &Inventory, place: &Place<'_>) -> Card {
    let (kind, description, facts) = match place.host {
        Some(report) => match inventory.host(&report.host) {
            Some(host) => ("host", cut(host.description.as_str(), 120), facts(host)),
            None => ("host", String::new(), Vec::new()),
        },
        None => ("link", String::new(), of_link(inventory, place.name)),
    };
    let told = match (&place.end, place.left_out()) {
        (Some(end), _) => end.phrase.to_owned(),
        (None, Some(reason)) => format!("left out: {}", shown(reason)),
        (None, None) => Tally::of(place.checks).to_string(),
    };
    Card {
        anchor: place.anchor.clone(),
        name: shown(place.name),
        kind,
        mark: place.mark(),
        description,
        facts,
        told,
        concerns: concerns(inventory, place),
    }
}

/// `Ubuntu 24.04`, `macOS 26`.
pub(super) fn system(host: &Host) -> String {
    let name = match host.os.id {
        OsId::Ubuntu => "Ubuntu",
        OsId::Debian => "Debian",
        OsId::Nixos => "NixOS",
        OsId::Macos => "macOS",
    };
    format!("{name} {}", host.os.version.as_str())
}

fn facts(host: &Host) -> Vec<String> {
    let architecture = match host.architecture {
        Architecture::X86_64 => "x86-64",
        Architecture::Aarch64 => "arm64",
    };
    let mut facts = vec![system(host), architecture.to_owned()];
    if let Some(hardware) = &host.hardware {
        facts.push(cut(hardware.cpu.model.as_str(), 60));
        facts.push(format!("{}\u{a0}GiB", hardware.memory_gib));
        facts.extend(hardware.gpu.as_ref().map(|gpu| cut(gpu.as_str(), 60)));
    }
    facts
}

fn of_link(inventory: &Inventory, name: &str) -> Vec<String> {
    let links = &inventory.cluster().links;
    let Some((_, link)) = links.iter().find(|(label, _)| label.as_str() == name) else {
        return Vec::new();
    };
    let mut facts = vec![link.subnet.as_str().to_owned(), format!("MTU {}", link.mtu)];
    facts.extend(link.endpoints.iter().map(|(host, end)| {
        format!(
            "{host} {} ({})",
            end.address.as_str(),
            end.interface.as_str()
        )
    }));
    facts
}

/// Checks by concern, concerns in the order of the inventory; those of a link by what they ask.
fn concerns(inventory: &Inventory, place: &Place<'_>) -> Vec<Concern> {
    let mut names: Vec<&str> = Vec::new();
    for check in place.checks {
        let name = concern(place, check);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| inventory.concerns().position(name));
    names
        .into_iter()
        .map(|name| {
            let of_it = || {
                let all = place.checks.iter().enumerate();
                all.filter(|(_, check)| concern(place, check) == name)
            };
            Concern {
                name: shown(name),
                mark: of_it()
                    .map(|(_, c)| Mark::of(c))
                    .max()
                    .unwrap_or(Mark::Skip),
                passed: of_it().filter(|(_, c)| Mark::of(c) == Mark::Pass).count(),
                of: of_it().count(),
                checks: of_it()
                    .map(|(index, check)| row(place, index, check))
                    .collect(),
            }
        })
        .collect()
}

/// What a check's tile is called: its concern, or, on a link, what of `LINK/WHAT/FROM-to-PEER` it asks.
fn concern<'a>(place: &Place<'_>, check: &'a CheckResult) -> &'a str {
    if place.host.is_some() {
        return check.concern.as_str();
    }
    numbers::of_link(&check.check).0
}

fn row(place: &Place<'_>, index: usize, check: &CheckResult) -> Row {
    let (why, hint) = match &check.status {
        CheckStatus::Error { reason }
        | CheckStatus::Stale { reason }
        | CheckStatus::Skip { reason } => (Some(reason), None),
        CheckStatus::Fail { hint } => (None, hint.as_deref()),
        CheckStatus::Pass => (None, None),
    };
    let numbers = check.measurements.iter().map(|m| {
        let all: Vec<_> = m
            .statistics
            .iter()
            .map(|s| format!("{}\u{a0}{}", cut(&s.name, 24), number(s.value)))
            .collect();
        unit_of(
            &format!("{}: {}", cut(&m.what, 60), all.join(", ")),
            &cut(&m.unit, 16),
        )
    });
    Row {
        anchor: place.anchor_of(index),
        mark: Mark::of(check),
        word: check.status.word(),
        check: shown(&check.check),
        gate: check.gate,
        expected: shown(&check.expected),
        found: shown(&check.evidence),
        why: why.map(|why| shown(why)),
        hint: hint.map(shown),
        attempts: check.attempts,
        numbers: numbers.collect(),
    }
}

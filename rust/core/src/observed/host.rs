//! Reads the section of lines `key value`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Identity, OsRelease, PendingApply};
use crate::query::printable_line;

/// Longest value kept, in characters.
const VALUE_CAP: usize = 4096;

/// What the section says.
#[derive(Debug, Default)]
pub(super) struct HostFacts {
    pub(super) uid: Option<u32>,
    pub(super) identity: Option<Identity>,
    pub(super) os: Option<OsRelease>,
    pub(super) words: BTreeMap<String, String>,
    pub(super) read_only: BTreeSet<String>,
    pub(super) interfaces: BTreeSet<String>,
    pub(super) free_kib: BTreeMap<String, u64>,
    pub(super) pending: Option<PendingApply>,
}

/// Reads lines `key value`; unknown ones are left alone.
pub(super) fn parse(section: &[u8]) -> HostFacts {
    let mut facts = HostFacts::default();
    let mut os_lines = String::new();
    let (mut disks, mut free) = (Vec::new(), Vec::new());
    let mut lease = BTreeMap::new();
    let (mut open, mut left) = (Vec::new(), BTreeMap::new());
    for line in String::from_utf8_lossy(section).lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = printable_line(value.as_bytes(), VALUE_CAP);
        match key {
            "uid" => facts.uid = value.parse().ok(),
            "os" => {
                os_lines.push_str(&value);
                os_lines.push('\n');
            }
            "disk" => disks.push(value),
            "free" => free.push(value.parse().ok()),
            "interface" => {
                facts.interfaces.insert(value);
            }
            "read-only" => {
                facts.read_only.insert(value);
            }
            "lease" => {
                if let Some((key, value)) = value.split_once(' ') {
                    lease.insert(key.to_owned(), value.to_owned());
                }
            }
            "open" => {
                if let Some((apply, phase)) = value.split_once(' ') {
                    open.push((apply.to_owned(), phase.to_owned()));
                }
            }
            "left" => {
                if let Some((apply, seconds)) = value.split_once(' ') {
                    left.insert(apply.to_owned(), seconds.parse().ok());
                }
            }
            _ => {
                facts.words.insert(key.to_owned(), value);
            }
        }
    }
    // df leaves out what it cannot look at; then the rows cannot be told apart.
    if disks.len() == free.len() {
        facts.free_kib = disks
            .into_iter()
            .zip(free)
            .filter_map(|(disk, free)| Some((disk, free?)))
            .collect();
    }
    facts.os = if os_lines.is_empty() {
        facts.words.get("uname").map(|name| OsRelease {
            id: name.to_lowercase(),
            version: String::new(),
        })
    } else {
        Some(parse_os_release(&os_lines))
    };
    facts.identity = facts.words.get("machine").map(|machine| Identity {
        machine_id_sha256: machine.clone(),
        hostname: facts.words.get("hostname").cloned().unwrap_or_default(),
    });
    facts.pending = pending(
        &lease,
        &open,
        facts.words.get("overdue").map(String::as_str),
    );
    if let Some(pending) = &mut facts.pending {
        pending.left_seconds = left.get(&pending.apply).copied().flatten();
    }
    facts
}

/// The open apply: the one that has the lease, else one that was left in the middle. An apply that
/// was only staged or validated has changed nothing and blocks no other once its lease is gone.
fn pending(
    lease: &BTreeMap<String, String>,
    open: &[(String, String)],
    late: Option<&str>,
) -> Option<PendingApply> {
    let holder = lease.get("holder").cloned().unwrap_or_default();
    let leased = lease.get("apply").and_then(|id| {
        open.iter()
            .find(|(apply, _)| apply == id)
            .map(|(apply, phase)| (apply.clone(), phase.clone(), holder))
    });
    let is_late = |apply: &str| late.is_some_and(|late| late == apply);
    leased
        .map(|(apply, phase, holder)| (is_late(&apply), apply, phase, holder))
        .or_else(|| {
            open.iter()
                .find(|(_, phase)| phase != "staged" && phase != "validated")
                .map(|(apply, phase)| (false, apply.clone(), phase.clone(), String::new()))
        })
        .map(|(overdue, apply, phase, holder)| PendingApply {
            apply,
            phase,
            holder,
            overdue,
            left_seconds: None,
        })
}

/// Reads `ID` and `VERSION_ID` out of os-release(5): shell assignments, perhaps quoted.
pub fn parse_os_release(text: &str) -> OsRelease {
    let value = |wanted: &str| {
        text.lines()
            .filter_map(|line| line.trim().split_once('='))
            .rfind(|(key, _)| *key == wanted)
            .map(|(_, value)| {
                let value = value.trim();
                let inner = ['"', '\'']
                    .iter()
                    .find_map(|&q| value.strip_prefix(q)?.strip_suffix(q));
                printable_line(inner.unwrap_or(value).as_bytes(), 64)
            })
            .unwrap_or_default()
    };
    OsRelease {
        id: value("ID"),
        version: value("VERSION_ID"),
    }
}

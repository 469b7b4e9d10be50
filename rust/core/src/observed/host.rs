//! Reads the section of lines `key value`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Identity, OsRelease, PendingApply};
use crate::name::ManagedPath;
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
    pub(super) at_boot: BTreeMap<ManagedPath, String>,
}

/// Reads lines `key value`; unknown ones are left alone.
pub(super) fn parse(section: &[u8]) -> HostFacts {
    let mut facts = HostFacts::default();
    let mut os_lines = String::new();
    let (mut disks, mut free) = (Vec::new(), Vec::new());
    let mut applies = Applies::default();
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
            "at-boot" => facts.at_boot.extend(at_boot(&value)),
            "read-only" => {
                facts.read_only.insert(value);
            }
            "lease" | "open" | "left" => applies.read(key, &value),
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
    let overdue = facts.words.get("overdue");
    facts.pending = applies.pending(overdue.map(String::as_str));
    facts
}

/// `KIND SHA256 MODE OWNER GROUP PATH [TARGET]`, as the host writes states down; the path is taken out.
fn at_boot(line: &str) -> Option<(ManagedPath, String)> {
    let words: Vec<&str> = line.splitn(7, ' ').collect();
    let path = ManagedPath::new(*words.get(5)?).ok()?;
    let state: Vec<&str> = words[..5].iter().chain(&words[6..]).copied().collect();
    Some((path, state.join(" ")))
}

/// What the host says of applies.
#[derive(Debug, Default)]
struct Applies {
    lease: BTreeMap<String, String>,
    /// Each with its phase.
    open: Vec<(String, String)>,
    /// Seconds that each has left.
    left: BTreeMap<String, Option<u32>>,
}

impl Applies {
    fn read(&mut self, key: &str, value: &str) {
        let Some((first, rest)) = value.split_once(' ') else {
            return;
        };
        match key {
            "lease" => drop(self.lease.insert(first.to_owned(), rest.to_owned())),
            "open" => self.open.push((first.to_owned(), rest.to_owned())),
            _ => drop(self.left.insert(first.to_owned(), rest.parse().ok())),
        }
    }

    /// The open apply: the one that has the lease, else one that was left in the middle. An apply that
    /// was only staged or validated has changed nothing and blocks no other once its lease is gone.
    fn pending(&self, overdue: Option<&str>) -> Option<PendingApply> {
        let of = |(apply, phase): &(String, String)| PendingApply {
            apply: apply.clone(),
            phase: phase.clone(),
            holder: String::new(),
            overdue: false,
            left_seconds: self.left.get(apply).copied().flatten(),
        };
        let has_lease = |(apply, _): &&(String, String)| self.lease.get("apply") == Some(apply);
        if let Some(leased) = self.open.iter().find(has_lease) {
            return Some(PendingApply {
                holder: self.lease.get("holder").cloned().unwrap_or_default(),
                overdue: overdue == Some(leased.0.as_str()),
                ..of(leased)
            });
        }
        let in_the_middle =
            |(_, phase): &&(String, String)| phase != "staged" && phase != "validated";
        self.open.iter().find(in_the_middle).map(of)
    }
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

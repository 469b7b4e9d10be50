//! What was accepted of hosts: read before they are asked, compared with what they said, and written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deployctl_checks::accepted::{
    self, Accepted, Change, Difference, LINK_PREFIX, Redaction, RunResults,
};
use deployctl_core::inventory::Inventory;
use deployctl_core::name::HostName;
use deployctl_engine::snapshots::{self, SnapshotError};
use deployctl_engine::verify::Coverage;
use deployctl_report::{Outcome, Report};

use crate::failure::Failure;
use crate::ui::{Tone, Ui};

/// The files of all hosts.
pub(super) struct Snapshots {
    top: PathBuf,
    redaction: Redaction,
    files: BTreeMap<HostName, Accepted>,
}

impl Snapshots {
    /// Reads them all. One that cannot be understood is an error where it is to be written or to decide the
    /// exit code, and else a warning: what runs now is more important.
    pub(super) fn read(
        ui: Ui,
        top: PathBuf,
        inventory: &Inventory,
        needed: bool,
    ) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        for host in inventory.hosts().keys() {
            match snapshots::read(&top, host) {
                Ok(file) => {
                    files.insert(host.clone(), file);
                }
                Err(error) if needed => return Err(failure(&error)),
                Err(error) => ui.say(&format!(
                    "{}: {}",
                    Tone::Warn.of("warning"),
                    failure(&error).text()
                )),
            }
        }
        Ok(Self {
            top,
            redaction: Redaction::new(inventory),
            files,
        })
    }

    /// What `report` says otherwise, host by host.
    pub(super) fn differences(&self, report: &Report, coverage: &Coverage) -> Vec<Difference> {
        let mut found: BTreeMap<&HostName, RunResults> = BTreeMap::new();
        for host in &report.hosts {
            if host.outcome == Outcome::Verified {
                let found = found.entry(&host.host).or_default();
                found.declared = coverage.declared.get(&host.host).cloned();
                found.add("", &host.checks, &self.redaction);
            }
        }
        for result in report.links.iter().flat_map(|link| &link.checks) {
            if let Some(asker) = coverage.askers.get(&result.check) {
                let found = found.entry(asker).or_default();
                found.add(LINK_PREFIX, std::slice::from_ref(result), &self.redaction);
            }
        }
        found
            .into_iter()
            .filter_map(|(host, found)| {
                let accepted = self.files.get(host)?;
                let changes = accepted::diff(accepted, &found);
                (!changes.is_empty()).then(|| Difference {
                    host: host.clone(),
                    file: snapshots::path(host),
                    known: !accepted.is_empty(),
                    changes,
                })
            })
            .collect()
    }

    /// Whether something of `difference` is still not as accepted.
    pub(super) fn still(&self, difference: &Difference) -> bool {
        let file = self.files.get(&difference.host);
        file.is_none_or(|file| difference.changes.iter().any(|change| !file.has(change)))
    }

    /// Takes those changes of a host that `take` says yes to, writes its file, and returns how many are
    /// taken.
    pub(super) fn accept(
        &mut self,
        difference: &Difference,
        take: impl Fn(&Change) -> bool,
    ) -> Result<usize, Failure> {
        // Read it again: the checks took minutes, and another person may have accepted something since.
        let mut next =
            snapshots::read(&self.top, &difference.host).map_err(|error| failure(&error))?;
        let taken = next.take(&difference.changes, take);
        if taken > 0 {
            snapshots::write(&self.top, &difference.host, &next)
                .map_err(|error| failure(&error))?;
            self.files.insert(difference.host.clone(), next);
        }
        Ok(taken)
    }
}

fn failure(error: &SnapshotError) -> Failure {
    Failure::of(deployctl_report::Verdict::Usage, error).hint_if_any(error.hint())
}

/// Tells what `--accept` did with every host of `report`.
pub(super) fn accept_all(
    ui: Ui,
    snapshots: &mut Snapshots,
    report: &Report,
    differences: &[Difference],
) -> Result<(), Failure> {
    for difference in differences {
        let taken = snapshots.accept(difference, |_| true)?;
        let left = difference.changes.len() - taken;
        if taken > 0 {
            ui.say(&format!(
                "{}: {} accepted into {}",
                difference.host,
                checks(taken),
                difference.file
            ));
        }
        if left > 0 {
            ui.say(&format!(
                "{}: {} not accepted, since nothing could be read: {}",
                difference.host,
                checks(left),
                unreadable(difference).join(", ")
            ));
        }
    }
    for host in &report.hosts {
        if host.outcome != Outcome::Verified {
            ui.say(&format!(
                "{}: nothing accepted, since it was not asked",
                host.host
            ));
        } else if !differences.iter().any(|one| one.host == host.host) {
            ui.say(&format!("{}: all is as accepted", host.host));
        }
    }
    Ok(())
}

fn unreadable(difference: &Difference) -> Vec<&str> {
    difference
        .changes
        .iter()
        .filter(|change| !change.can_be_accepted())
        .map(|change| change.check.as_str())
        .collect()
}

fn checks(number: usize) -> String {
    match number {
        1 => "1 check".to_owned(),
        number => format!("{number} checks"),
    }
}

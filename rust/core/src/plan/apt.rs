//! What would be in the way of installing packages.

use super::{Finding, PackageAction, Plan};
use crate::observed::{Observed, ObservedApt};

/// Findings where the plan installs something.
pub(super) fn findings(observed: &Observed, plan: &Plan) -> Vec<Finding> {
    let installs = plan
        .packages
        .iter()
        .any(|change| change.action == PackageAction::Install);
    let Some(apt) = observed.apt.as_ref().filter(|_| installs) else {
        return Vec::new();
    };
    // What dpkg is about to finish looks like what it left.
    let at_work = apt
        .locks
        .keys()
        .any(|file| file.starts_with("/var/lib/dpkg/"));
    let left = if at_work { None } else { unfinished(apt) };
    let mut findings: Vec<_> = left.into_iter().collect();
    findings.extend(apt.locks.iter().map(|(file, holder)| {
        let command = if holder.command.is_empty() {
            String::new()
        } else {
            format!(" (`{}`)", holder.command)
        };
        Finding::note(
            "package",
            format!("process {}{command} holds `{file}`", holder.pid),
            Some(
                "apt or dpkg is at work there; an apply waits for it, at most 5 minutes".to_owned(),
            ),
        )
    }));
    findings
}

/// Packages that dpkg left in the middle. apt goes on with them by itself unless dpkg was killed.
fn unfinished(apt: &ObservedApt) -> Option<Finding> {
    let names: Vec<_> = apt
        .unfinished
        .iter()
        .take(3)
        .map(|(name, state)| format!("`{name}` is {state}"))
        .collect();
    let mut told = names.join(", ");
    if apt.unfinished.len() > names.len() {
        told = format!("{told} and {} more", apt.unfinished.len() - names.len());
    }
    let hint = "`dpkg --configure -a` on the host, then plan again".to_owned();
    if apt.interrupted {
        let told = if told.is_empty() {
            told
        } else {
            format!(": {told}")
        };
        return Some(Finding::refuse(
            "package",
            format!(
                "dpkg was interrupted on the host{told}; apt installs nothing before that is put right"
            ),
            hint,
        ));
    }
    (!told.is_empty()).then(|| {
        Finding::warn(
            "package",
            format!("{told}: apt tries to finish that along with what is installed"),
            Some(hint),
        )
    })
}

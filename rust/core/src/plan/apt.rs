//! What would be in the way of installing packages.

use super::{Finding, PackageAction, Plan};
use crate::observed::{Observed, ObservedApt, Unfinished};

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
    let mut findings = if at_work {
        Vec::new()
    } else {
        unfinished(apt, plan)
    };
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

/// Packages that dpkg left in the middle. apt goes on with them by itself unless dpkg was killed; `install_packages` has it
/// reinstall those that need that.
fn unfinished(apt: &ObservedApt, plan: &Plan) -> Vec<Finding> {
    if apt.interrupted {
        let told = if apt.unfinished.is_empty() {
            String::new()
        } else {
            format!(": {}", named(apt.unfinished.iter()))
        };
        return vec![Finding::refuse(
            "package",
            format!(
                "dpkg was interrupted on the host{told}; apt installs nothing before that is put right"
            ),
            "`dpkg --configure -a` on the host, then plan again",
        )];
    }
    let of = |next: Next| {
        let packages: Vec<_> = apt
            .unfinished
            .iter()
            .filter(|(name, package)| Next::of(name, package, plan) == Some(next))
            .collect();
        (!packages.is_empty()).then(|| next.finding(&packages))
    };
    [Next::Finishes, Next::Reinstalls, Next::Removes]
        .into_iter()
        .filter_map(of)
        .collect()
}

/// What an apply has apt do with an unfinished package, along with what it installs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Finishes,
    Reinstalls,
    /// Seen with apt 2.6 and 3.0 where dpkg does not say that it is to be reinstalled; an apply refuses a removal.
    Removes,
}

impl Next {
    /// `None` where apt removes it as the plan says.
    fn of(name: &str, package: &Unfinished, plan: &Plan) -> Option<Self> {
        if package.reinstall {
            return Some(Self::Reinstalls);
        }
        if package.state != "half-installed" {
            return Some(Self::Finishes);
        }
        let mut installs = plan
            .packages
            .iter()
            .filter(|change| change.action == PackageAction::Install);
        let mut replaced = installs.clone().flat_map(|change| &change.replaces);
        if installs.any(|change| change.name.as_str().split(':').next() == Some(name)) {
            Some(Self::Reinstalls)
        } else if replaced.any(|package| package.as_str() == name) {
            None
        } else {
            Some(Self::Removes)
        }
    }

    fn finding(self, packages: &[(&String, &Unfinished)]) -> Finding {
        let told = named(packages.iter().copied());
        let names: Vec<_> = packages.iter().map(|(name, _)| name.as_str()).collect();
        let reinstall = format!("`apt-get install --reinstall {}`", names.join(" "));
        let (next, hint) = match self {
            Self::Finishes => (
                "apt tries to finish that along with what is installed",
                "`dpkg --configure -a` on the host, then plan again".to_owned(),
            ),
            Self::Reinstalls => (
                "dpkg did not finish with that, so an apply has apt reinstall it",
                format!("or by hand: {reinstall} on the host, then plan again"),
            ),
            Self::Removes => (
                "apt would remove that along with what is installed, which an apply refuses",
                format!(
                    "{reinstall} on the host, or `apt-get purge` with the same names; then plan again"
                ),
            ),
        };
        Finding::warn("package", format!("{told}: {next}"), Some(hint))
    }
}

/// The first three, with their states.
fn named<'a>(packages: impl ExactSizeIterator<Item = (&'a String, &'a Unfinished)>) -> String {
    let more = packages.len().saturating_sub(3);
    let names: Vec<_> = packages
        .take(3)
        .map(|(name, package)| format!("`{name}` is {}", package.state))
        .collect();
    let names = names.join(", ");
    if more == 0 {
        names
    } else {
        format!("{names} and {more} more")
    }
}

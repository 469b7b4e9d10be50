//! Which units change. Only what has a reason restarts, and every change tells its reason.

use std::collections::BTreeSet;

use super::target::KernelDrivers;
use super::{Finding, PackageAction, PackageChange, PathChange, Plan, UnitAction, UnitChange};
use crate::name::{ManagedPath, UnitName};
use crate::observed::{Observed, ObservedUnit, SSH_UNITS};
use crate::precedence::units::{is_read_for, template};
use crate::rendered::{OnChange, Rendered, UnitWant};

/// Changes to units, early ones first and then in order of name, and findings about units that cannot be as declared.
pub(super) fn changes(
    plan: &Plan,
    drivers: &KernelDrivers,
    rendered: &Rendered,
    observed: &Observed,
) -> (Vec<UnitChange>, Vec<Finding>) {
    let (paths, packages) = (&plan.paths, &plan.packages);
    // A driver's services wait for the reboot that its module needs.
    let replaced = packages.iter().filter(|it| !drivers.has(it));
    let replaced: Vec<_> = replaced.collect();
    let mut changes = Vec::new();
    let mut findings = Vec::new();
    if observed.unanswered.contains_key("units") {
        return (changes, findings);
    }
    let (early, others): (Vec<_>, Vec<_>) = rendered.units.iter().partition(|(_, want)| want.early);
    for (unit, want) in early.into_iter().chain(others) {
        if unit.is_template() {
            findings.push(template_declared(unit));
            continue;
        }
        let Some(state) = observed.units.get(unit) else {
            continue;
        };
        findings.extend(alias(unit, state, rendered));
        let refused = unloadable(unit, want, state, paths)
            .or_else(|| impossible(unit, want, state, rendered, packages));
        if let Some(finding) = refused {
            findings.push(finding);
            continue;
        }
        let (change, note) = change(unit, want, state, observed, paths, &replaced);
        findings.extend(not_loaded(unit, state, change.as_ref()));
        changes.extend(change);
        findings.extend(note);
    }
    for (unit, want) in observed.manifest.iter().flat_map(|m| &m.units) {
        let state = observed.units.get(unit);
        let declared = state
            .and_then(|state| state.alias_of.as_ref())
            .is_some_and(|name| rendered.units.contains_key(name));
        if !rendered.units.contains_key(unit) && !declared {
            let comes_back = paths.iter().any(|change| own_file(unit, &change.path));
            let gone = state.is_some_and(|state| state.load == "not-found") && !comes_back;
            let reason = if gone {
                "no longer declared, and not on the host any more"
            } else {
                "no longer declared"
            };
            changes.push(UnitChange {
                unit: unit.clone(),
                concern: None,
                actions: vec![UnitAction::Original],
                reason: reason.to_owned(),
                start_timeout_seconds: want.start_timeout_seconds,
            });
        }
    }
    changes.sort_by(|a, b| a.unit.cmp(&b.unit));
    (changes, findings)
}

fn change(
    unit: &UnitName,
    want: &UnitWant,
    state: &ObservedUnit,
    observed: &Observed,
    paths: &[PathChange],
    packages: &[&PackageChange],
) -> (Option<UnitChange>, Option<Finding>) {
    let boot = at_boot(want, state).map(|(action, reason)| (action, reason.to_owned()));
    let changed = changed_for(unit, want, observed, paths);
    let (now, note) = match (want.running, state.is_active()) {
        (Some(true), false) if state.passed_over && changed.is_empty() => {
            (None, Some(passed_over(unit)))
        }
        (Some(true), false) => (Some((UnitAction::Start, why_started(state))), None),
        (Some(false), true) => (Some((UnitAction::Stop, "is running".to_owned())), None),
        (Some(false) | None, false) => (None, None),
        (Some(true) | None, true) if changed.is_empty() => (for_upgrade(want, packages), None),
        (Some(true) | None, true) => {
            let reason = format!("{} changed", some_of(&changed));
            let read = || changed.iter().any(|path| is_read(unit, path, observed));
            match on_change(want.on_change, read) {
                Some(action) => (Some((action, reason)), None),
                None => (None, Some(not_restarted(unit, &reason))),
            }
        }
    };
    let (actions, reasons): (Vec<_>, Vec<_>) = boot.into_iter().chain(now).unzip();
    let change = (!actions.is_empty()).then(|| UnitChange {
        unit: unit.clone(),
        concern: Some(want.concern.clone()),
        actions,
        reason: reasons.join(", "),
        start_timeout_seconds: want.start_timeout_seconds,
    });
    (change, note)
}

fn why_started(state: &ObservedUnit) -> String {
    match state.active.as_str() {
        "failed" => "has failed".to_owned(),
        _ if state.load == "not-found" => "is new".to_owned(),
        other => format!("is {other}"),
    }
}

fn for_upgrade(want: &UnitWant, packages: &[&PackageChange]) -> Option<(UnitAction, String)> {
    let package = upgraded(want, packages).filter(|_| want.on_change == OnChange::Restart)?;
    Some((
        UnitAction::Restart,
        format!("package `{package}` is upgraded"),
    ))
}

/// What a unit that runs does about its changed files, with `read` whether systemd itself reads one of them.
fn on_change(declared: OnChange, read: impl Fn() -> bool) -> Option<UnitAction> {
    match declared {
        // Nothing reloads what systemd itself reads: it counts at the next start.
        OnChange::Reload if !read() => Some(UnitAction::Reload),
        OnChange::Restart | OnChange::Reload => Some(UnitAction::Restart),
        OnChange::Nothing => None,
    }
}

/// What has to change for the unit's start at boot, and why.
fn at_boot(want: &UnitWant, state: &ObservedUnit) -> Option<(UnitAction, &'static str)> {
    match (want.enabled, state.file.as_str()) {
        (Some(true), "disabled" | "enabled-runtime" | "linked" | "linked-runtime" | "") => {
            Some((UnitAction::Enable, "does not start at boot"))
        }
        (Some(false), "enabled") => Some((UnitAction::Disable, "starts at boot")),
        (Some(false), "enabled-runtime") => {
            Some((UnitAction::Disable, "is enabled until the next boot"))
        }
        _ => None,
    }
}

fn passed_over(unit: &UnitName) -> Finding {
    Finding::note(
        "unit",
        format!("`{unit}` is passed over: a start condition of the unit is not met"),
        Some(format!(
            "`systemctl status {unit}` on the host tells which; once it is met, an apply starts the unit"
        )),
    )
}

/// Files that were changed without a word to systemd, where this plan does not start the unit anew.
fn not_loaded(
    unit: &UnitName,
    state: &ObservedUnit,
    change: Option<&UnitChange>,
) -> Option<Finding> {
    let starts = |action: &UnitAction| matches!(action, UnitAction::Start | UnitAction::Restart);
    let anew = change.is_some_and(|change| change.actions.iter().any(starts));
    // sshd is started anew in any case.
    if !state.needs_reload || anew || SSH_UNITS.contains(&unit.as_str()) {
        return None;
    }
    let (by, hint) = if state.is_active() {
        (
            "it runs by the former ones",
            format!(
                "`systemctl daemon-reload` on the host, then `systemctl restart {unit}` when that suits"
            ),
        )
    } else {
        (
            "a start goes by the former ones",
            "`systemctl daemon-reload` on the host".to_owned(),
        )
    };
    Some(Finding::warn(
        "unit",
        format!("the files of `{unit}` changed since systemd loaded them: {by}"),
        Some(hint),
    ))
}

fn not_restarted(unit: &UnitName, reason: &str) -> Finding {
    Finding::note(
        "restart",
        format!("`{unit}` keeps running as it is, though {reason}"),
        Some(format!(
            "restart it when that suits: `systemctl restart {unit}`"
        )),
    )
}

/// The changed paths that the unit reads: those it watches, those it watched when they were last
/// committed, and those that systemd reads for it.
pub(super) fn changed_for<'a>(
    unit: &UnitName,
    want: &UnitWant,
    observed: &Observed,
    paths: &'a [PathChange],
) -> BTreeSet<&'a ManagedPath> {
    let before = observed
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.units.get(unit))
        .map(|want| &want.watch);
    paths
        .iter()
        .map(|change| &change.path)
        .filter(|path| {
            want.watch.contains(*path)
                || before.is_some_and(|watch| watch.contains(*path))
                || is_read(unit, path, observed)
        })
        .collect()
}

/// Whether systemd reads the file at `path` for `unit`, by any name that the unit goes by.
fn is_read(unit: &UnitName, path: &ManagedPath, observed: &Observed) -> bool {
    let alias_of = |name| observed.units.get(name)?.alias_of.as_ref();
    let own = alias_of(unit).unwrap_or(unit);
    let others = observed.units.keys();
    let mut names = others
        .filter(|name| alias_of(name) == Some(own))
        .chain([unit, own]);
    names.any(|name| is_read_for(path.as_str(), name.as_str()))
}

/// Whether `path` is the unit's own file or one of its drop-ins below `/etc/systemd/system`.
fn own_file(unit: &UnitName, path: &ManagedPath) -> bool {
    let Some(rest) = path.as_str().strip_prefix("/etc/systemd/system/") else {
        return false;
    };
    let name = rest.split('/').next().unwrap_or(rest);
    let name = if rest.contains('/') {
        name.strip_suffix(".d").unwrap_or_default()
    } else {
        name
    };
    name == unit.as_str() || Some(name) == template(unit.as_str()).as_deref()
}

/// A package of the same concern that gets upgraded: services are held back during installation, so
/// the running one is still the old.
fn upgraded<'a>(want: &UnitWant, packages: &[&'a PackageChange]) -> Option<&'a str> {
    packages
        .iter()
        .find(|change| {
            change.action == PackageAction::Install
                && change.before.is_some()
                && change.concerns().any(|concern| *concern == want.concern)
        })
        .map(|change| change.name.as_str())
}

/// Units run as instances of a template.
fn template_declared(unit: &UnitName) -> Finding {
    let instance = unit.as_str().replacen("@.", "@NAME.", 1);
    Finding::refuse(
        "unit",
        format!("`{unit}` is a template, and only instances of a template run"),
        format!("declare an instance of it: `{instance}`"),
    )
}

/// A unit may be declared by one of its aliases, but not by two names.
fn alias(unit: &UnitName, state: &ObservedUnit, rendered: &Rendered) -> Option<Finding> {
    let name = state.alias_of.as_ref()?;
    Some(if rendered.units.contains_key(name) {
        Finding::refuse(
            "unit",
            format!("`{unit}` and `{name}` are one unit, and both are declared"),
            format!("declare `{name}` alone"),
        )
    } else {
        Finding::note(
            "unit",
            format!("`{unit}` is another name of `{name}`"),
            None,
        )
    })
}

/// systemd cannot read the unit's files, and this plan changes none of them.
fn unloadable(
    unit: &UnitName,
    want: &UnitWant,
    state: &ObservedUnit,
    paths: &[PathChange],
) -> Option<Finding> {
    let on = want.running == Some(true) || want.enabled == Some(true);
    let broken = matches!(state.load.as_str(), "bad-setting" | "error");
    let mended = paths.iter().any(|change| own_file(unit, &change.path));
    (on && broken && !mended).then(|| {
        Finding::refuse(
            "unit",
            format!("systemd cannot load `{unit}` ({})", state.load),
            format!("`systemd-analyze verify {unit}` on the host says what is wrong with its file"),
        )
    })
}

/// Why the unit cannot become what is declared.
fn impossible(
    unit: &UnitName,
    want: &UnitWant,
    state: &ObservedUnit,
    rendered: &Rendered,
    packages: &[PackageChange],
) -> Option<Finding> {
    if want.running != Some(true) && want.enabled != Some(true) {
        return None;
    }
    let ours = rendered.entries.keys().any(|path| own_file(unit, path));
    if (state.load == "masked" || state.file.starts_with("masked")) && !ours {
        return Some(Finding::refuse(
            "unit",
            format!("`{unit}` is masked on the host, and declared to run"),
            format!(
                "`systemctl unmask {unit}` on the host, or declare it neither enabled nor running"
            ),
        ));
    }
    let installs = packages
        .iter()
        .any(|change| change.action == PackageAction::Install);
    if state.load == "not-found" && !ours && !installs {
        return Some(Finding::refuse(
            "unit",
            format!("there is no `{unit}` on the host, and nothing declared provides it"),
            "declare the package or the file that holds it".to_owned(),
        ));
    }
    None
}

/// The first two of several paths, in words.
fn some_of(paths: &BTreeSet<&ManagedPath>) -> String {
    let shown: Vec<_> = paths
        .iter()
        .take(2)
        .map(|path| format!("`{path}`"))
        .collect();
    match paths.len() - shown.len() {
        0 => shown.join(" and "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

//! The daemon that we come in by: what it has loaded, what it will load, and whether it comes back at boot.
//!
//! A confirm proves the daemon that runs. So every file that sshd reads is loaded within the window, whoever
//! declares it, and what was changed behind its back as well: else the next reload or boot would be the first to
//! try it.

use std::collections::BTreeSet;

use super::target::Target;
use super::{Finding, Plan, UnitAction, UnitChange, lockout};
use crate::name::UnitName;
use crate::observed::{Observed, SSH_UNITS, SshUnit, WayIn};
use crate::precedence::ConfigFiles;
use crate::precedence::sshd::{Login, evaluate};
use crate::precedence::units::is_read_for;
use crate::rendered::Rendered;

/// Longest time that sshd may take to load its files, in seconds.
const SECONDS: u32 = 60;

/// Adds to `plan` what sshd needs, removes what would end it, and returns what is wrong with it.
pub(super) fn settle(
    plan: &mut Plan,
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(left_over(plan, target, observed));
    load(plan, rendered, observed);
    findings.extend(boot(plan, rendered, observed));
    findings
}

/// The port at which an apply makes sshd listen, beside the one that we come in by. `None` where a gateway on the way
/// calls ports otherwise: what leads to a new one there is not known.
pub fn new_port(target: &Target, observed: &Observed) -> Option<u16> {
    let (port, way_in) = (target.ssh_port?, &observed.way_in);
    let listens = way_in.listeners.iter().any(|other| other.port == port);
    (port != target.port && way_in.port(target.port) == target.port && !listens).then_some(port)
}

/// If another sshd holds the port, a start of the unit fails, and systemd removes `/run/sshd` with it: then nobody can
/// log in.
fn left_over(plan: &mut Plan, target: &Target, observed: &Observed) -> Option<Finding> {
    let starts = |change: &UnitChange| {
        SSH_UNITS.contains(&change.unit.as_str())
            && change
                .actions
                .iter()
                .any(|action| matches!(action, UnitAction::Start | UnitAction::Restart))
    };
    let unit = plan.units.iter().find(|change| {
        starts(change)
            && !observed
                .way_in
                .units
                .get(change.unit.as_str())
                .is_some_and(SshUnit::is_active)
    })?;
    let unit = unit.unit.clone();
    let port = observed.way_in.port(target.port);
    // systemd itself listens for a socket unit, and hands the port over.
    let other = observed
        .way_in
        .listeners
        .iter()
        .find(|listener| listener.port == port && listener.pid != 1)?;
    plan.units.retain(|change| change.unit != unit);
    let whose = match &other.unit {
        Some(of) if of != unit.as_str() => format!("in `{of}`"),
        Some(_) => format!("left over by `{unit}`, which systemd takes for stopped"),
        None => "of no unit".to_owned(),
    };
    let mend = match &other.unit {
        Some(of) if of != unit.as_str() => {
            format!("`systemctl stop {of} && systemctl start {unit}`")
        }
        _ => format!("`kill {}; systemctl start {unit}`", other.pid),
    };
    Some(Finding::refuse(
        "lockout",
        format!(
            "port {port} is served by `{}` (process {}, {whose}), not by `{unit}`: to start that would fail and could end every way in",
            other.program, other.pid
        ),
        format!("on the host's console, where no login is needed: {mend}"),
    ))
}

/// Reloads the running daemon where a file that it reads changes now, or has changed since it loaded it. Where it
/// reads a file of its start alone, it is restarted.
fn load(plan: &mut Plan, rendered: &Rendered, observed: &Observed) {
    let way_in = &observed.way_in;
    if let Some((service, _)) = way_in.service()
        && let Ok(unit) = UnitName::new(service)
        && let Some((action, reason)) = load_of_service(plan, rendered, observed)
    {
        also(plan, unit, action, &reason);
    }
    // A socket that is changed listens as it did until it is started anew; the sshd behind it has its files anew.
    if let Some(Ok(unit)) = way_in.socket().map(UnitName::new) {
        let changed = plan.paths.iter().map(|change| change.path.as_str());
        let reason = changed
            .clone()
            .find(|path| is_read_for_ssh(path, ".socket"))
            .map(|path| format!("`{path}` changed"))
            .or_else(|| outdated(way_in, ".socket"));
        if let Some(reason) = reason {
            also(plan, unit, UnitAction::Restart, &reason);
        }
    }
}

/// What makes the running service have its files as they will be, and why.
fn load_of_service(
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
) -> Option<(UnitAction, String)> {
    let way_in = &observed.way_in;
    let reads = |files: &ConfigFiles| evaluate(files, &Login::default());
    let before = reads(&observed.config);
    let after = reads(&observed.config.with(rendered, lockout::gone(plan)));
    let (mut reload, mut restart) = (BTreeSet::new(), BTreeSet::new());
    for change in &plan.paths {
        let path = change.path.as_str();
        if path == "/etc/default/ssh" || is_read_for_ssh(path, ".service") {
            restart.insert(path);
        } else if loaded_by_sshd(path) || before.reads(path) || after.reads(path) {
            reload.insert(path);
        }
    }
    // systemd holds the port of a socket unit, so that an sshd which reloads cannot listen there again, and ends.
    let load = match way_in.socket() {
        Some(_) => UnitAction::Restart,
        None => UnitAction::Reload,
    };
    let changed = |path: &&str| format!("`{path}` changed");
    let behind = |(file, changed, since): (&str, &str, &str), what: &str| {
        format!(
            "`{file}` changed at {} UTC, after it was {what} at {}",
            seconds(changed),
            seconds(since)
        )
    };
    if let Some(path) = restart.first() {
        Some((UnitAction::Restart, changed(path)))
    } else if let Some(reason) = outdated(way_in, ".service") {
        Some((UnitAction::Restart, reason))
    } else if let Some(found) = way_in.not_started_with() {
        Some((UnitAction::Restart, behind(found, "started")))
    } else if let Some(path) = reload.first() {
        Some((load, changed(path)))
    } else {
        way_in
            .not_loaded()
            .map(|found| (load, behind(found, "loaded")))
    }
}

/// Whether systemd reads the file at `path` for sshd's unit of this kind, by whichever name: an alias that is made
/// later has its drop-ins then.
fn is_read_for_ssh(path: &str, kind: &str) -> bool {
    SSH_UNITS
        .iter()
        .any(|unit| unit.ends_with(kind) && is_read_for(path, unit))
}

/// Why the unit of this kind that answers has to be started anew, where its files changed behind systemd's back.
fn outdated(way_in: &WayIn, kind: &str) -> Option<String> {
    let unit = way_in.outdated(kind)?;
    Some(format!(
        "the files of `{unit}` changed since systemd loaded them"
    ))
}

/// Adds `action` to the changes of `unit`, unless one of them does as much.
fn also(plan: &mut Plan, unit: UnitName, action: UnitAction, reason: &str) {
    let Some(change) = plan.units.iter_mut().find(|change| change.unit == unit) else {
        add(plan, unit, action, reason.to_owned());
        return;
    };
    let loads = |action: &UnitAction| {
        !matches!(
            action,
            UnitAction::Enable | UnitAction::Disable | UnitAction::Reload
        )
    };
    if change.actions.iter().any(loads) {
        return;
    }
    change
        .actions
        .retain(|action| *action != UnitAction::Reload);
    change.actions.push(action);
    if !change.reason.contains(reason) {
        change.reason = format!("{}, {reason}", change.reason);
    }
}

/// Whether the daemon takes the file at its start alone. Keys are read at every login, and so is what PAM reads.
fn loaded_by_sshd(path: &str) -> bool {
    let Some(below) = path.strip_prefix("/etc/ssh/") else {
        return false;
    };
    let client = ["ssh_config", "ssh_known_hosts", "authorized_", "moduli"];
    below != "authorized_keys.d" && !client.iter().any(|name| below.starts_with(name))
}

/// One of the units has to start at boot: the one that runs, where ssh is declared at all.
fn boot(plan: &mut Plan, rendered: &Rendered, observed: &Observed) -> Option<Finding> {
    let way_in = &observed.way_in;
    let declared = |wanted: Option<bool>| {
        rendered
            .units
            .iter()
            .any(|(name, want)| SSH_UNITS.contains(&name.as_str()) && want.enabled == wanted)
    };
    if way_in.starts_at_boot() != Some(false) || declared(Some(true)) {
        return None;
    }
    let running = way_in
        .service()
        .map(|(name, _)| name)
        .or_else(|| way_in.socket());
    let unit = running.and_then(|name| Some((UnitName::new(name).ok()?, &way_in.units[name])));
    let Some((unit, state)) = unit.filter(|_| declared(None)) else {
        let states: Vec<String> = way_in
            .units
            .iter()
            .filter(|(_, unit)| !unit.file.is_empty())
            .map(|(name, unit)| format!("`{name}` is {}", unit.file))
            .collect();
        return Some(Finding::warn(
            "boot",
            format!("no sshd starts at the next boot: {}", states.join(", ")),
            Some(format!(
                "on the host: `systemctl enable {}`",
                running.unwrap_or("ssh.service")
            )),
        ));
    };
    if state.file.starts_with("masked") {
        return Some(Finding::refuse(
            "boot",
            format!(
                "no sshd starts at the next boot: `{unit}` is {}",
                state.file
            ),
            format!("on the host: `systemctl unmask {unit} && systemctl enable {unit}`"),
        ));
    }
    let reason = "no sshd starts at the next boot".to_owned();
    match plan.units.iter_mut().find(|change| change.unit == unit) {
        Some(change) => {
            change.actions.insert(0, UnitAction::Enable);
            change.reason = format!("{reason}, {}", change.reason);
        }
        None => add(plan, unit, UnitAction::Enable, reason),
    }
    None
}

fn add(plan: &mut Plan, unit: UnitName, action: UnitAction, reason: String) {
    plan.units.push(UnitChange {
        unit,
        concern: None,
        actions: vec![action],
        reason,
        start_timeout_seconds: SECONDS,
    });
    plan.units.sort_by(|a, b| a.unit.cmp(&b.unit));
}

/// `2026-11-26 14:41:20` of `2026-11-26 14:41:20.123456`.
fn seconds(stamp: &str) -> &str {
    stamp.split('.').next().unwrap_or(stamp)
}

//! systemd units, for every concern that declares some.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use deployctl_core::name::UnitName;
use deployctl_core::observed::starts_at_boot;
use deployctl_core::query::{Query, quote};
use deployctl_core::rendered::{OnChange, UnitWant};

use super::answer::{Answer, Found, Holds, Unreadable};
use crate::{Check, Declared};

/// Checks of the rendered units.
pub(super) fn checks(declared: &Declared<'_>) -> Vec<Check> {
    of(&declared.rendered.units, declared)
}

/// Checks of services that facts declare on a host whose units are not rendered.
pub(super) fn checks_of_facts(declared: &Declared<'_>) -> Vec<Check> {
    if declared.is_nixos() {
        of(&nixos(declared), declared)
    } else {
        Vec::new()
    }
}

/// One check per declared unit: it runs, or does not, and starts at boot, or does not, as declared.
/// Each decides confirm, but for one that had failed before and that the plan does not touch.
fn of(units: &BTreeMap<UnitName, UnitWant>, declared: &Declared<'_>) -> Vec<Check> {
    let query = query(units.keys());
    units
        .iter()
        .filter(|(_, want)| want.running.is_some() || want.enabled.is_some())
        .map(|(unit, want)| {
            let (running, enabled) = (want.running, want.enabled);
            let mut expected = Vec::new();
            match running {
                Some(true) => expected.push("runs"),
                Some(false) => expected.push("does not run"),
                None => {}
            }
            match enabled {
                Some(true) => expected.push("starts at boot"),
                Some(false) => expected.push("does not start at boot"),
                None => {}
            }
            let name = unit.as_str().to_owned();
            let file = format!("/etc/systemd/system/{unit}");
            let ours = declared
                .rendered
                .entries
                .keys()
                .any(|path| path.as_str() == file);
            Check::new(
                want.concern.as_str(),
                &format!("unit/{unit}"),
                &query,
                format!("{unit} {}", expected.join(" and ")),
                move |answer| judge(answer, &name, running, enabled, ours),
            )
            .retried_while(&[STARTING, BOOTING], 10, Duration::from_secs(3))
            .gate_if(!declared.failed_before.contains(unit))
        })
        .collect()
}

/// In the evidence of what passes by itself.
const STARTING: &str = "activating";
const BOOTING: &str = "still booting";

/// The services that concerns configure by `NixOS` modules, by their names there. Which of them start at
/// boot is part of the system itself.
fn nixos(declared: &Declared<'_>) -> BTreeMap<UnitName, UnitWant> {
    let host = declared.host;
    let concerns = declared.concerns.iter().filter(|it| it.is_declared(host));
    concerns
        .flat_map(|concern| {
            concern
                .manifest
                .units
                .iter()
                .map(move |unit| (concern, unit))
        })
        .filter(|(concern, unit)| {
            let facts = &host.facts[concern.name.as_str()];
            unit.platform == host.platform
                && unit.when.as_ref().is_none_or(|fact| facts[fact] == true)
        })
        .flat_map(|(concern, unit)| {
            let names = unit.names(&host.facts[concern.name.as_str()]);
            names.into_iter().map(move |name| (concern, name))
        })
        .map(|(concern, name)| {
            let want = UnitWant {
                concern: concern.name.clone(),
                enabled: None,
                running: Some(true),
                on_change: OnChange::Restart,
                watch: BTreeSet::new(),
                start_timeout_seconds: 0,
                early: false,
            };
            (name, want)
        })
        .collect()
}

fn query<'a>(units: impl Iterator<Item = &'a UnitName>) -> Query {
    let units: Vec<String> = units.map(|unit| quote(unit.as_str())).collect();
    Query::new(
        "units",
        // Before the units, so that theirs is the status of the whole.
        format!(
            "case $(systemctl is-system-running 2>/dev/null) in initializing | starting) printf 'booting\\n\\n' ;; esac\nsystemctl show -p Names -p LoadState -p ActiveState -p SubState -p UnitFileState -p ConditionResult -p ConditionTimestampMonotonic -- {}",
            units.join(" ")
        ),
    )
}

fn judge(
    answer: &Answer<'_>,
    unit: &str,
    running: Option<bool>,
    enabled: Option<bool>,
    ours: bool,
) -> Result<Found, Unreadable> {
    let state = parse(answer, unit)?;
    let booting = answer.text()?.starts_with("booting\n");
    let get = |key: &str| super::answer::value(&state, key);
    let (load, active, sub) = (get("LoadState")?, get("ActiveState")?, get("SubState")?);
    let file = state.get("UnitFileState").copied().unwrap_or_default();
    let file = if file.is_empty() {
        "no unit file state"
    } else {
        file
    };
    let evidence = format!("{load}, {active} ({sub}), {file}");
    let off = running != Some(true) && enabled != Some(true);
    if load == "not-found" {
        // What should neither run nor start, and is not there, does neither; but a file of ours should be there.
        let holds = off && !ours && active == "inactive";
        return Ok(Found::when(holds, evidence).or_hint(not_there(unit, ours)));
    }
    // A oneshot that ended well stays `active (exited)` only with RemainAfterExit=; `activating` is
    // no success yet.
    let runs = active == "active" || active == "reloading";
    let starts = starts_at_boot(file);
    // Skipped by its own condition: its purpose has separate checks, which say what is missing.
    let passed_over = state.get("ConditionResult") == Some(&"no")
        && state
            .get("ConditionTimestampMonotonic")
            .is_some_and(|since| *since != "0");
    let startable = enabled.is_none_or(|wanted| starts.is_none_or(|starts| starts == wanted));
    if running == Some(true) && active == "inactive" && passed_over && startable && load == "loaded"
    {
        let reason = "its start condition was not met: it is passed over".to_owned();
        return Ok(Found {
            evidence,
            holds: Holds::PassedOver(reason),
            measured: Vec::new(),
        });
    }
    // A masked unit cannot start, which is right for one that should not run.
    let usable = load == "loaded" || (load == "masked" && off);
    let holds = usable && running.is_none_or(|wanted| wanted == runs) && startable;
    if booting && !holds {
        let hint =
            "what it starts may yet come: `systemctl is-system-running --wait`, then ask again";
        return Ok(Found::when(false, format!("{evidence}; the host is {BOOTING}")).or_hint(hint));
    }
    let hint = if active == STARTING {
        format!("it has not ended its start: ask again, or on the host: systemctl status {unit}")
    } else {
        format!("on the host: systemctl status {unit}; journalctl -u {unit} -b")
    };
    Ok(Found::when(holds, evidence).or_hint(hint))
}

fn not_there(unit: &str, ours: bool) -> String {
    if ours {
        format!("`{unit}` is not there: apply writes it")
    } else {
        format!("`{unit}` is not there: install what brings it, or take it out of the facts")
    }
}

/// The block of `unit`: systemctl separates them by empty lines, and names every alias.
pub(super) fn parse<'a>(
    answer: &Answer<'a>,
    unit: &str,
) -> Result<BTreeMap<&'a str, &'a str>, Unreadable> {
    for block in answer.text()?.split("\n\n") {
        let block: BTreeMap<&str, &str> = block
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let names = block.get("Names").copied().unwrap_or_default();
        if names.split_whitespace().any(|name| name == unit) {
            return Ok(block);
        }
    }
    Err(Unreadable(format!("no block for `{unit}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployctl_core::query::Section;

    fn judged(shown: &str, running: Option<bool>, enabled: Option<bool>) -> Found {
        let section = Section {
            status: Some(0),
            stdout: format!("Names=x.service\n{shown}").into_bytes(),
            stderr: Vec::new(),
            truncated: false,
        };
        judge(
            &Answer::new(0, &section),
            "x.service",
            running,
            enabled,
            false,
        )
        .unwrap()
    }

    /// The plan sees nothing to change in each of these either.
    #[test]
    fn a_unit_that_cannot_run_is_as_it_should_be_where_it_should_not() {
        let masked =
            "LoadState=masked\nActiveState=inactive\nSubState=dead\nUnitFileState=masked\n";
        let masked_until_boot =
            "LoadState=masked\nActiveState=inactive\nSubState=dead\nUnitFileState=masked-runtime\n";
        let gone = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n";
        let masked_alive =
            "LoadState=masked\nActiveState=active\nSubState=running\nUnitFileState=masked\n";
        for (shown, running, enabled, holds) in [
            (masked, Some(false), Some(false), true),
            (masked, Some(false), None, true),
            (masked_until_boot, Some(false), Some(false), true),
            (gone, Some(false), Some(false), true),
            (gone, None, Some(false), true),
            (masked, Some(true), Some(true), false),
            (masked, None, Some(true), false),
            (gone, Some(true), None, false),
            (masked_alive, Some(false), Some(false), false),
        ] {
            let found = judged(shown, running, enabled);
            assert_eq!(
                found.holds == Holds::Yes,
                holds,
                "{shown} {running:?} {enabled:?}"
            );
        }
    }
}

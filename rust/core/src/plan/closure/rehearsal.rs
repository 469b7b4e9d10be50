//! What the new system says about its activation before it happens.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Finding, SystemAction};
use crate::closure::{Closure, WantedSystem};
use crate::query::printable_line;

/// How switch-to-configuration begins its lines, and what they announce.
const PHRASES: [(&str, SystemAction); 7] = [
    ("would stop the following units: ", SystemAction::Stop),
    (
        "would stop the following units as well: ",
        SystemAction::Stop,
    ),
    (
        "would NOT stop the following changed units: ",
        SystemAction::Keep,
    ),
    (
        "would NOT restart the following changed units: ",
        SystemAction::Keep,
    ),
    ("would reload the following units: ", SystemAction::Reload),
    ("would restart the following units: ", SystemAction::Restart),
    ("would start the following units: ", SystemAction::Start),
];
/// Units kept of one line.
const UNITS_CAP: usize = 2000;
/// Answers at the SSH port, on `NixOS`.
const SSH_UNITS: [&str; 2] = ["sshd.service", "sshd.socket"];

type Units = BTreeMap<SystemAction, BTreeSet<String>>;

/// Inhibitors that both systems have and that differ: NixOS refuses to switch then, and so do we.
pub(super) fn inhibitors(wanted: &Closure, there: &WantedSystem) -> Vec<Finding> {
    there
        .inhibitors_now
        .iter()
        .filter_map(|(name, now)| {
            let then = there.inhibitors.get(name).filter(|then| *then != now)?;
            Some(Finding::refuse(
                "inhibitor",
                format!("`{name}` goes from `{now}` to `{then}`, which must not change while the system runs"),
                by_boot(wanted),
            ))
        })
        .collect()
}

/// Returns the units by what happens to them, and what prevents the switch.
pub(super) fn read(wanted: &Closure, there: &WantedSystem) -> (Units, Vec<Finding>) {
    let Some((status, said)) = &there.dry_activate else {
        return (Units::new(), Vec::new());
    };
    let units = parse(said);
    let mut findings = Vec::new();
    match status {
        0 => {}
        100 => findings.push(Finding::refuse(
            "init",
            format!(
                "the init of `{}` does not fit the one that runs: it can only be booted into",
                wanted.toplevel
            ),
            by_boot(wanted),
        )),
        status => findings.push(Finding::refuse(
            "dry-activate",
            format!(
                "a rehearsal of the switch ended with status {status}: {}",
                last_line(said)
            ),
            format!(
                "the switch would end alike; on the host: `{}/bin/switch-to-configuration dry-activate`",
                wanted.toplevel
            ),
        )),
    }
    let of = |action| units.get(&action).into_iter().flatten();
    for unit in of(SystemAction::Keep) {
        findings.push(Finding::note(
            "restart",
            format!("`{unit}` keeps running as it is, though it changed"),
            Some(format!(
                "restart it when that suits: `systemctl restart {unit}`"
            )),
        ));
    }
    let answers = |unit: &str| SSH_UNITS.contains(&unit);
    let back = of(SystemAction::Start)
        .chain(of(SystemAction::Restart))
        .any(|unit| answers(unit));
    for unit in of(SystemAction::Stop).filter(|unit| answers(unit) && !back) {
        findings.push(Finding::refuse(
            "lockout",
            format!("`{unit}` would be stopped, and nothing that answers in its place is started"),
            "keep `services.openssh.enable`",
        ));
    }
    (units, findings)
}

/// Units of the known lines; all other output is for people.
fn parse(said: &str) -> Units {
    let mut units = Units::new();
    for line in said.lines() {
        let Some((list, action)) = PHRASES
            .iter()
            .find_map(|(phrase, action)| Some((line.strip_prefix(phrase)?, *action)))
        else {
            continue;
        };
        units.entry(action).or_default().extend(
            list.split(", ")
                .take(UNITS_CAP)
                .map(|unit| printable_line(unit.trim().as_bytes(), 255))
                .filter(|unit| !unit.is_empty()),
        );
    }
    units
}

/// The check that failed, or else the last line.
fn last_line(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines()
        .find(|line| line.starts_with("Pre-switch check '"))
        .or_else(|| lines().next_back())
        .unwrap_or("it said nothing");
    printable_line(line.as_bytes(), 200)
}

/// The way that NixOS itself names.
fn by_boot(wanted: &Closure) -> String {
    format!(
        "make it the next boot's and reboot, on the host: `nix-env --profile /nix/var/nix/profiles/system --set {0} && {0}/bin/switch-to-configuration boot`",
        wanted.toplevel
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_switch_to_configuration_are_read() {
        let units = parse(
            "Checking switch inhibitors... done\n\
             would stop the following units: a.service, b.timer\n\
             would NOT stop the following changed units: trading.service\n\
             would activate the configuration...\n\
             would restart systemd\n\
             would reload the following units: dbus.service\n\
             would restart the following units: c.service, dev-disk-by\\x2dlabel-x.swap\n\
             would start the following units: a.service\n\
             would stop swap device: /dev/sda2\n",
        );
        insta::assert_json_snapshot!(units, @r#"
        {
          "stop": [
            "a.service",
            "b.timer"
          ],
          "keep": [
            "trading.service"
          ],
          "reload": [
            "dbus.service"
          ],
          "restart": [
            "c.service",
            "dev-disk-by\\x2dlabel-x.swap"
          ],
          "start": [
            "a.service"
          ]
        }
        "#);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(would (NOT )?(stop|restart) the following (changed )?units: |[a-z, \\n\u{1b}]){0,40}") {
            for unit in parse(&text).values().flatten() {
                let clean = !unit.chars().any(char::is_control);
                prop_assert!(clean);
            }
            let _ = last_line(&text);
        }
    }
}

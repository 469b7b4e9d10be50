//! Units that are gone, masked, called otherwise, or fail: each in one machine's life.

use anyhow::Result;
use deployctl_core::activation::{Phase, status::ApplyStatus};
use deployctl_core::plan::UnitAction::{self, Disable, Enable, Original, Restart, Start, Stop};
use deployctl_e2e::{Machine, MachineSpec, World};

use crate::draft::{Draft, ask, confirm, failure, log};
use crate::service;

/// An apply of one file beside what happens to `units`.
fn with(machine: &Machine, id: &str, units: &[(&str, &[UnitAction])]) -> Result<ApplyStatus> {
    let mut draft = Draft::new(machine)?.file("/etc/motd", id, &[])?;
    for (unit, actions) in units {
        draft = draft.unit(unit, actions)?;
    }
    draft.apply(id)
}

fn states(machine: &Machine, units: &str) -> Result<String> {
    machine.ok(&format!(
        "systemctl is-active {units}; systemctl is-enabled {units}; :"
    ))
}

#[test]
fn units_that_are_gone_masked_or_called_otherwise() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let unit = |name: &str, text: &str| machine.write(&format!("/etc/systemd/system/{name}"), text);
    let sleep = service("/bin/sleep 1000");
    for name in ["plain.service", "deleted.service", "masked.service"] {
        unit(name, &sleep)?;
    }
    unit("real.service", &format!("{sleep}Alias=alias.service\n"))?;
    machine.ok(
        "systemctl daemon-reload; systemctl --quiet enable --now real.service deleted.service",
    )?;

    let everything: &[(&str, &[UnitAction])] = &[
        ("plain.service", &[Enable, Start]),
        ("deleted.service", &[Restart]),
        ("masked.service", &[Enable, Start]),
        ("alias.service", &[Restart]),
    ];
    let status = with(&machine, "declared-apply", everything)?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(&machine, "declared-apply")?, Phase::Committed);

    // By hand: one is purged, one loses its file while it runs, one is masked.
    machine.ok("systemctl --quiet disable --now plain.service; rm /etc/systemd/system/plain.service /etc/systemd/system/deleted.service")?;
    machine.ok("systemctl --quiet stop masked.service; mv /etc/systemd/system/masked.service /root; ln -s /dev/null /etc/systemd/system/masked.service; systemctl daemon-reload")?;
    let undeclared: &[(&str, &[UnitAction])] = &[
        ("plain.service", &[Original]),
        ("masked.service", &[Stop, Disable]),
        ("alias.service", &[Original]),
        ("never-there.service", &[Stop, Disable]),
    ];
    let status = with(&machine, "undeclared-apply", undeclared)?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    let status = ask(&machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    let status = with(&machine, "undeclared-again", undeclared)?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(&machine, "undeclared-again")?, Phase::Committed);
    assert_eq!(states(&machine, "real.service")?, "active\nenabled\n");

    // An alias is its unit: it goes with it, and comes back with it.
    let status = with(
        &machine,
        "alias-apply",
        &[("alias.service", &[Stop, Disable])],
    )?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(states(&machine, "real.service")?, "inactive\ndisabled\n");
    let status = ask(&machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert_eq!(states(&machine, "real.service")?, "active\nenabled\n");

    // It ran without a file: it can be stopped, and nothing could have started it again before either.
    let status = with(
        &machine,
        "deleted-apply",
        &[("deleted.service", &[Stop, Disable])],
    )?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    let status = ask(&machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));

    causes(&machine, unit)
}

/// The cause that is told is the unit's own word, or systemd's.
fn causes(machine: &Machine, unit: impl Fn(&str, &str) -> Result<()>) -> Result<()> {
    unit(
        "loud.service",
        &service(
            "/bin/sh -c 'logger -t sudo session opened; echo my cause >&2; logger -t sudo session opened; exit 3'",
        ),
    )?;
    unit("bad.service", "[Service]\nType=oneshot\n")?;
    unit(
        "slow.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sleep 30\n",
    )?;
    machine.ok("systemctl daemon-reload")?;
    for (id, name, told) in [
        ("loud-apply", "loud.service", "my cause"),
        ("bad-apply", "bad.service", "bad unit file setting"),
        ("slow-apply", "slow.service", "not done within 2 s"),
    ] {
        let status = Draft::new(machine)?
            .file("/etc/motd", id, &[])?
            .unit(name, &[Start])?
            .within(2)
            .apply(id)?;
        assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
        let text = failure(&status);
        assert!(
            text.contains(told) && !text.contains("session opened"),
            "{text}"
        );
    }
    // What the kernel or the mount said of a setting.
    machine.ok("mount --bind /proc/sys/net/core /proc/sys/net/core; mount -o remount,bind,ro /proc/sys/net/core")?;
    for (id, key, value, told) in [
        (
            "invalid-apply",
            "net.ipv4.ip_forward",
            "many",
            "does not take it: Invalid argument",
        ),
        (
            "readonly-apply",
            "net.core.somaxconn",
            "1234",
            "read-only here",
        ),
    ] {
        let status = Draft::new(machine)?
            .file("/etc/motd", id, &[])?
            .sysctl(key, Some(value))?
            .apply(id)?;
        assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
        assert!(failure(&status).contains(told), "{}", failure(&status));
    }
    Ok(())
}

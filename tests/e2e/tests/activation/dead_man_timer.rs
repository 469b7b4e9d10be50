//! What ends an apply that nobody ends: a boot, a kill, and the dead-man timer.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use deployctl_core::activation::{Phase, command};
use deployctl_core::plan::UnitAction;
use deployctl_core::rendered::FollowUp;
use deployctl_e2e::{MachineSpec, World};

use crate::draft::{Draft, ask, confirm, failure, log};
use crate::{DEMO, RULES, SETTING, first, service};

/// A unit whose start takes longer than a test waits.
const SLOW: &str = "[Service]\nType=oneshot\nExecStart=/bin/sleep 30\n";

#[test]
fn a_boot_or_a_kill_in_the_window_undoes_it() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let gone = || -> Result<()> {
        assert!(!machine.exists(DEMO)? && !machine.exists(RULES)?);
        assert_ne!(machine.read(SETTING)?, "1234\n");
        assert_eq!(
            machine.exec("systemctl is-active demo")?.stdout,
            "inactive\n"
        );
        assert!(!machine.exec("nft list table inet deployctl")?.success());
        assert!(!machine.exists("/var/lib/deployctl/lease")?);
        Ok(())
    };

    let status = first(&machine, 600)?.apply("booted-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    machine.reboot()?;
    machine.wait_for_systemd()?;
    let status = ask(&machine, &command::status_of_host())?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(
        failure(&status).starts_with("Interrupted"),
        "{}",
        failure(&status)
    );
    gone()?;
    assert_eq!(
        machine.ok("systemctl list-units --state=failed --no-legend")?,
        ""
    );

    // The process that activates is killed, with all that it started.
    machine.write("/etc/systemd/system/slow.service", SLOW)?;
    let killer = machine
        .shell(
            "for i in $(seq 100); do if [ -e /etc/slow ]; then sleep 1; systemctl kill -s KILL deployctl-apply-killed-apply.service; exit; fi; sleep 0.1; done",
        )
        .spawn()?;
    let started = Instant::now();
    let status = first(&machine, 60)?
        .file("/etc/slow", "", &[])?
        .unit("slow.service", &[UnitAction::Start])?
        .apply("killed-apply")?;
    killer.wait_with_output()?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    // At once, by the unit that recovers, and not by the dead-man timer, which would say `Deadline`.
    assert_eq!(failure(&status), "Interrupted the activation was killed");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}");
    gone()?;
    Ok(())
}

#[test]
fn a_reboot_in_the_middle_of_an_activation_undoes_it() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let status = first(&machine, 60)?.apply("first-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(&machine, "first-apply")?, Phase::Committed);

    machine.write("/etc/systemd/system/slow.service", SLOW)?;
    let apply = Draft::new(&machine)?
        .file(DEMO, &service("/bin/sleep 1002"), &[FollowUp::DaemonReload])?
        .unit("demo.service", &[UnitAction::Restart])?
        .unit("slow.service", &[UnitAction::Start])?
        .stage("second-apply")?;
    let run = machine
        .shell(&command::start(&apply, false))
        .stdout(Stdio::null())
        .spawn()?;
    machine.wait_until(
        Duration::from_secs(20),
        "test \"$(systemctl is-active slow)\" = activating",
    )?;
    machine.ok("pgrep -f 'sleep 1002'")?;
    machine.reboot()?;
    run.wait_with_output()?;
    machine.wait_for_systemd()?;
    // As it went down, or at the boot, whichever came to it.
    let status = ask(&machine, &command::status_of_host())?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(
        failure(&status).starts_with("Interrupted the host "),
        "{}",
        failure(&status)
    );
    machine.ok(
        "systemctl is-active demo && pgrep -f 'sleep 1001' && ! test -e /var/lib/deployctl/lease",
    )?;
    assert_eq!(
        machine.ok("systemctl list-units --state=failed --no-legend")?,
        ""
    );
    Ok(())
}

#[test]
fn the_dead_man_timer_outlives_its_unit_and_what_hangs() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let motd = "/etc/motd-of-the-tests";
    let no_timer = || -> Result<()> {
        assert!(
            !machine
                .exec(
                    "systemctl is-active 'deployctl-deadman-*.timer' 'deployctl-apply-*.service'"
                )?
                .success()
        );
        assert_eq!(
            machine.ok("systemctl list-units --state=failed --no-legend 'deployctl-apply-*'")?,
            ""
        );
        Ok(())
    };

    // The first timer elapses while the activation, which put the deadline off, still runs; what is left at its end is
    // about the window.
    let status = Draft::new(&machine)?
        .file(motd, "never confirmed\n", &[])?
        .window(14)
        .last("allow_seconds 20; sleep 8", 4)
        .apply("outliving-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    let left = status.deadline_seconds.context("a deadline")?;
    assert!((5..=14).contains(&left), "{left}");
    assert_eq!(
        machine.ok("systemctl show -p SubState --value $(cat /var/lib/deployctl/applies/outliving-apply/timer).timer")?,
        "waiting\n"
    );
    machine.wait_until(
        Duration::from_secs(30),
        "sh /var/lib/deployctl/host.sh status outliving-apply --frame | grep -qx 'phase rolled-back'",
    )?;
    let status = ask(
        &machine,
        "sh /var/lib/deployctl/host.sh status outliving-apply --frame",
    )?;
    assert!(
        failure(&status).starts_with("Deadline"),
        "{}",
        failure(&status)
    );
    assert!(!machine.exists(motd)?);
    no_timer()?;

    // A step that never ends.
    let started = Instant::now();
    let status = Draft::new(&machine)?
        .file(motd, "never activated\n", &[])?
        .window(10)
        .last("rename_into_place; sleep 1000", 5)
        .apply("hanging-apply")?;
    let took = started.elapsed();
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(
        failure(&status).starts_with("Deadline"),
        "{}",
        failure(&status)
    );
    assert!(took < Duration::from_secs(17), "{took:?}");
    assert!(!machine.exists(motd)?);
    // systemd forgets the killed unit, too, a moment after its end.
    machine.wait_until(
        Duration::from_secs(5),
        "! systemctl --quiet is-active 'deployctl-deadman-*.service' &&
         ! systemctl --quiet is-failed 'deployctl-apply-*.service'",
    )?;
    no_timer()?;
    Ok(())
}

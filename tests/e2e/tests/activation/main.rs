//! The program that runs on hosts, on real machines: systemd, nftables, live sysctls, apt, a reboot.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

mod dead_man_timer;
mod draft;
mod first;
mod interrupted;
mod locks;
mod network;
mod units;

use std::time::Duration;

use anyhow::Result;
use deployctl_core::activation::{Phase, status::ApplyStatus};
use deployctl_core::plan::UnitAction;
use deployctl_core::rendered::FollowUp;
use deployctl_e2e::{AptRepo, Machine, MachineSpec, World, real_packages};

use crate::draft::{Draft, ask, confirm, failure, log};

const SETTING: &str = "/proc/sys/net/core/somaxconn";

pub(crate) fn service(command: &str) -> String {
    format!(
        "[Unit]\nDescription=a service of the tests\n[Service]\nExecStart={command}\n[Install]\nWantedBy=multi-user.target\n"
    )
}

const DEMO: &str = "/etc/systemd/system/demo.service";
const RULES: &str = "/etc/nftables.d/deployctl.nft";

fn first(machine: &Machine, window: u32) -> Result<Draft<'_>> {
    use UnitAction::{Enable, Start};
    Draft::new(machine)?
        .checked_file(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            "X11Forwarding no\n",
            &[],
            &["sshd", "-t"],
        )?
        .checked_file(
            DEMO,
            &service("/bin/sleep 1001"),
            &[FollowUp::DaemonReload],
            &["systemd-analyze", "verify", DEMO],
        )?
        .file(
            RULES,
            "table inet deployctl {\n\tset one { type ipv4_addr; }\n}\n",
            &[FollowUp::Firewall],
        )?
        .file(
            "/etc/sysusers.d/deployctl.conf",
            "u demo - \"of the tests\"\n",
            &[FollowUp::Sysusers],
        )?
        .file(
            "/etc/tmpfiles.d/deployctl.conf",
            "d /run/demo 0750 demo demo\n",
            &[FollowUp::Tmpfiles],
        )?
        .sysctl("net.core.somaxconn", Some("1234"))?
        .unit("demo.service", &[Enable, Start])
        .map(|draft| draft.window(window))
}

#[test]
fn a_machine_takes_keeps_and_gives_back() -> Result<()> {
    use UnitAction::{Original, Restart};
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let somaxconn = machine.read(SETTING)?;

    let status = first(&machine, 60)?.apply("apply-one")?;
    assert_eq!(
        status.phase,
        Phase::Activated,
        "{status:?}\n{}",
        log(&status)
    );
    machine.ok("systemctl is-active deployctl-deadman-apply-one.*.timer")?;
    machine.ok("systemctl is-enabled deployctl-recover.service")?;
    assert_eq!(machine.read(SETTING)?, "1234\n");
    assert_eq!(machine.ok("stat -c '%U %a' /run/demo")?, "demo 750\n");
    assert!(
        machine
            .ok("nft list table inet deployctl")?
            .contains("set one")
    );
    assert_eq!(
        machine.ok("systemctl is-active demo; systemctl is-enabled demo")?,
        "active\nenabled\n"
    );
    assert_eq!(confirm(&machine, "apply-one")?, Phase::Committed);
    assert!(
        !machine
            .exec("systemctl is-active 'deployctl-deadman-*.timer'")?
            .success()
    );
    assert_eq!(
        machine.ok("systemctl list-units --state=failed --no-legend")?,
        ""
    );

    // A second table, which is not ours and which we may not touch.
    machine.ok("nft add table inet theirs")?;
    let second = |id: &str, command: &str, window: u32| -> Result<ApplyStatus> {
        Draft::new(&machine)?
            .file(DEMO, &service(command), &[FollowUp::DaemonReload])?
            .file(
                RULES,
                "table inet deployctl {\n\tset two { type ipv4_addr; }\n}\n",
                &[FollowUp::Firewall],
            )?
            .sysctl("net.core.somaxconn", Some("4321"))?
            .unit("demo.service", &[Restart])?
            .window(window)
            .apply(id)
    };
    let as_committed = || -> Result<()> {
        assert_eq!(machine.read(SETTING)?, "1234\n");
        let table = machine.ok("nft list table inet deployctl")?;
        assert!(
            table.contains("set one") && !table.contains("set two"),
            "{table}"
        );
        machine.ok("nft list table inet theirs")?;
        let cmdline =
            machine.ok("tr '\\0' ' ' </proc/$(systemctl show -P MainPID demo)/cmdline")?;
        assert_eq!(cmdline, "/bin/sleep 1001 ");
        assert_eq!(machine.read("/var/lib/deployctl/generation")?, "1\n");
        assert!(
            !machine
                .exec("systemctl is-active 'deployctl-deadman-*.timer'")?
                .success()
        );
        Ok(())
    };
    let status = second("by-hand-apply", "/bin/sleep 1002", 60)?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(machine.read(SETTING)?, "4321\n");
    assert!(
        machine
            .ok("nft list table inet deployctl")?
            .contains("set two")
    );
    let told = machine.ok("sh /var/lib/deployctl/host.sh status")?;
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].ends_with(
            "has changed this host from generation 1 to 2 and waits for its confirmation."
        ),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("If it is not confirmed by "),
        "{told:?}"
    );
    assert_eq!(
        told[2],
        "To roll it back now:  sh /var/lib/deployctl/host.sh rollback"
    );
    let status = ask(&machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    as_committed()?;

    // A service that dies at once, and one that cannot start at all.
    for (id, command) in [
        ("failing-apply", "/bin/sh -c 'echo my cause >&2; exit 3'"),
        ("missing-apply", "/no/such/program"),
    ] {
        let status = second(id, command, 60)?;
        assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
        assert!(
            failure(&status).contains("demo.service"),
            "{}",
            failure(&status)
        );
        as_committed()?;
    }
    assert!(
        machine
            .ok("sh /var/lib/deployctl/host.sh status failing-apply --frame")?
            .contains("my cause")
    );

    // The dead-man timer: nobody confirms.
    let status = second("silent-apply", "/bin/sleep 1002", 3)?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    machine.wait_until(
        Duration::from_secs(20),
        "sh /var/lib/deployctl/host.sh status silent-apply --frame | grep -qx 'phase rolled-back'",
    )?;
    as_committed()?;

    // What a validator refuses changes nothing. The log has the words of the one that failed alone.
    let status = Draft::new(&machine)?
        .checked_file(
            "/etc/motd-of-the-tests",
            "fine\n",
            &[],
            &["seq", "-f", "word %g of a validator", "450"],
        )?
        .checked_file(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            "NoSuchOption yes\n",
            &[],
            &["sshd", "-t"],
        )?
        .apply("refused-apply")?;
    assert_eq!(status.phase, Phase::Refused);
    assert!(
        failure(&status).contains("NoSuchOption"),
        "{}",
        failure(&status)
    );
    let words = log(&status);
    assert!(words.contains("==> validate seq"), "{words}");
    assert!(!words.contains("of a validator\n"), "{words}");
    assert!(
        words.contains("Bad configuration option: NoSuchOption"),
        "{words}"
    );
    assert!(
        machine
            .read("/etc/ssh/sshd_config.d/00-deployctl.conf")?
            .contains("X11")
    );
    assert_eq!(
        machine.ok("grep -c /var/lib/deployctl /proc/self/mounts || :")?,
        "0\n"
    );

    // Everything back to what was there before the first apply.
    let status = Draft::new(&machine)?
        .original("/etc/ssh/sshd_config.d/00-deployctl.conf", &[])?
        .original(DEMO, &[FollowUp::DaemonReload])?
        .original(RULES, &[FollowUp::Firewall])?
        .original("/etc/sysusers.d/deployctl.conf", &[FollowUp::Sysusers])?
        .original("/etc/tmpfiles.d/deployctl.conf", &[FollowUp::Tmpfiles])?
        .sysctl("net.core.somaxconn", None)?
        .unit("demo.service", &[Original])?
        .apply("removing-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(machine.read(SETTING)?, somaxconn);
    assert!(!machine.exists(DEMO)?);
    assert_eq!(
        machine.exec("systemctl is-active demo")?.stdout,
        "inactive\n"
    );
    assert!(!machine.exists("/etc/systemd/system/multi-user.target.wants/demo.service")?);
    // Changing one's mind brings all of it back.
    let status = ask(&machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    as_committed()?;
    machine.ok("systemctl is-enabled demo")?;

    // Failed before is no reason; failed since is one.
    machine.write("/etc/systemd/system/bad.service", service("/bin/false"))?;
    machine.ok("systemctl daemon-reload; systemctl start bad; sleep 0.3")?;
    let motd = |text: &str| Draft::new(&machine)?.file("/etc/motd", text, &[]);
    let status = motd("with one failed unit\n")?.apply("baseline-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(&machine, "baseline-apply")?, Phase::Committed);
    let draft = motd("with a new one\n")?;
    machine.write("/etc/systemd/system/worse.service", service("/bin/false"))?;
    machine.ok("systemctl daemon-reload; systemctl start worse; sleep 0.3")?;
    let status = draft.apply("worse-apply")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert_eq!(
        failure(&status),
        "Step `worse.service` failed, and had not failed before"
    );
    machine.ok("systemctl reset-failed worse")?;

    // A timer's job and a unit that a person starts may fail without an effect on the apply.
    let draft = motd("with failed jobs\n")?;
    machine.write(
        "/etc/systemd/system/nightly.service",
        "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    )?;
    machine.write(
        "/etc/systemd/system/nightly.timer",
        "[Timer]\nOnActiveSec=0\nAccuracySec=1ms\n",
    )?;
    machine.ok(
        "systemctl daemon-reload; systemctl start nightly.timer; systemd-run --quiet false
         for _ in 1 2 3 4 5 6 7 8 9; do systemctl is-failed nightly && break; sleep 0.2; done",
    )?;
    let status = draft.apply("jobs-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert!(
        log(&status).contains("the job nightly.service failed"),
        "{}",
        log(&status)
    );
    assert_eq!(confirm(&machine, "jobs-apply")?, Phase::Committed);
    Ok(())
}

#[test]
fn packages_go_forward_and_nothing_else_goes() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let dir = tempfile::tempdir()?;
    machine.use_apt_repo(&AptRepo::build(dir.path(), &real_packages())?)?;
    let versions = |names: &str| {
        machine.ok(&format!(
            "dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}} ${{Version}}\\n' {names} 2>/dev/null || :"
        ))
    };

    // A staged pin decides what is simulated and installed; a service is held back until its configuration is there.
    let pin = "Package: libnvinfer10\nPin: version 10.7.*\nPin-Priority: 1001\n";
    let status = Draft::new(&machine)?
        .file("/etc/apt/preferences.d/90-deployctl", pin, &[])?
        .file("/etc/haproxy/haproxy.cfg", "# ours\n", &[])?
        .package("libnvinfer10", None)?
        .package("haproxy", Some("2.8.5-1ubuntu3"))?
        .package(
            "nvidia-utils-580-server",
            Some("580.173.02-0ubuntu0.24.04.1"),
        )?
        .unit("haproxy.service", &[UnitAction::Start])?
        .apply("package-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(&machine, "package-apply")?, Phase::Committed);
    assert_eq!(
        versions("libnvinfer10 haproxy nvidia-utils-580-server")?,
        "hi  haproxy 2.8.5-1ubuntu3\nhi  libnvinfer10 10.7.0.23-1+cuda12.6\nhi  nvidia-utils-580-server 580.173.02-0ubuntu0.24.04.1\n"
    );
    assert_eq!(machine.read("/etc/haproxy/haproxy.cfg")?, "# ours\n");
    assert!(!machine.exists("/usr/sbin/policy-rc.d")?);
    assert_eq!(machine.ok("systemctl is-active haproxy")?, "active\n");

    let refused = |id: &str, name: &str, version: Option<&str>| -> Result<String> {
        let status = Draft::new(&machine)?
            .file("/etc/motd", "never there\n", &[])?
            .package(name, version)?
            .apply(id)?;
        assert_eq!(status.phase, Phase::Refused, "{}", log(&status));
        assert!(!machine.exists("/etc/motd")? || machine.read("/etc/motd")? != "never there\n");
        Ok(failure(&status))
    };
    assert_eq!(
        refused(
            "superseded-pin",
            "libnvinfer-bin",
            Some("10.6.0.26-1+cuda12.6")
        )?,
        "Packages superseded pin: `libnvinfer-bin` is to be 10.6.0.26-1+cuda12.6, and the archive offers 10.16.1.11-1+cuda13.2 10.7.0.23-1+cuda12.6"
    );
    // A held package goes forward when it is declared to, and stays held.
    let older = Draft::new(&machine)?
        .package("libnvinfer-dev", Some("10.7.0.23-1+cuda12.6"))?
        .apply("older-apply")?;
    assert_eq!(older.phase, Phase::Activated, "{}", log(&older));
    assert_eq!(confirm(&machine, "older-apply")?, Phase::Committed);
    let newer = Draft::new(&machine)?
        .package("libnvinfer-dev", Some("10.16.1.11-1+cuda13.2"))?
        .apply("newer-apply")?;
    assert_eq!(newer.phase, Phase::Activated, "{}", log(&newer));
    assert_eq!(confirm(&machine, "newer-apply")?, Phase::Committed);
    assert_eq!(
        versions("libnvinfer-dev")?,
        "hi  libnvinfer-dev 10.16.1.11-1+cuda13.2\n"
    );

    let held = refused("conflict-apply", "hostile-conflict", Some("1.0"))?;
    assert!(
        held.contains("Conflicts: nvidia-utils-580-server"),
        "{held}"
    );
    machine.ok("apt-mark unhold nvidia-utils-580-server")?;
    assert_eq!(
        refused("removing-apply", "hostile-conflict", Some("1.0"))?,
        "Packages apt would remove `nvidia-utils-580-server`; only what a package is declared to replace may go"
    );
    assert_eq!(
        refused("unknown-apply", "no-such-package", None)?,
        "Packages apt cannot do it: E: Unable to locate package no-such-package"
    );
    machine.ok("apt-get -qy install libnvinfer-bin=10.16.1.11-1+cuda13.2")?;
    assert_eq!(
        refused(
            "downgrade-apply",
            "libnvinfer-bin",
            Some("10.7.0.23-1+cuda12.6")
        )?,
        "Packages apt would downgrade `libnvinfer-bin`; packages only go forward"
    );

    // A package that cannot be configured: files go back, packages stay, and both are said.
    let status = Draft::new(&machine)?
        .file("/etc/motd", "never there\n", &[])?
        .package("failing-postinst", Some("1.0"))?
        .package("cuda-toolkit-12-6", Some("12.6.3-1"))?
        .apply("failing-apply")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    let text = failure(&status);
    for part in [
        "no such device",
        "unfinished: `failing-postinst`",
        "packages kept",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!machine.exists("/usr/sbin/policy-rc.d")?);
    assert!(versions("cuda-toolkit-12-6")?.starts_with("ii"));
    Ok(())
}

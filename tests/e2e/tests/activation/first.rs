//! The first apply of an untouched machine, cut short in every way: it makes directories, replaces files, brings accounts,
//! a package and a unit, and whatever ends it, the host is as it was, or committed.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use deployctl_core::activation::{
    ApplyId, Phase, command,
    status::{ApplyStatus, Failure, FailureCode},
};
use deployctl_core::plan::UnitAction::{Enable, Start};
use deployctl_core::rendered::FollowUp;
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec, World};

use crate::draft::{Draft, ask, failure, follow, log};
use crate::service;

/// What ends an apply.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The controller sees a gate fail.
    Gate,
    /// The controller is gone: nobody confirms.
    Silence,
    /// What activates is killed, with all that it started.
    Kill,
    /// The power goes, in any phase.
    Power,
    /// The power goes while it is rolled back.
    PowerInRollback,
    /// The power goes while it is committed.
    PowerInCommit,
}

const CUTS: [Cut; 6] = [
    Cut::Gate,
    Cut::Silence,
    Cut::Kill,
    Cut::Power,
    Cut::PowerInRollback,
    Cut::PowerInCommit,
];

/// What the host has below /etc, but for accounts, which stay, and the unit that recovers at boot.
const TREE: &str = "cd /etc && find . -xdev ! -name 'passwd*' ! -name 'group*' ! -name 'shadow*' ! -name 'gshadow*' ! -name 'sub?id*' ! -name .pwd.lock ! -name deployctl-recover.service ! -path './systemd/system/sysinit.target.wants' ! -path ./systemd/system ! -path . ! -path './cni*' ! -name ld.so.cache ! -name mtab -printf '%p %y %m %U %G %l\\n' -type f -exec sha256sum {} + | LC_ALL=C sort";

/// Takes back what an apply leaves by design, so that the machine is untouched again.
const FORGET: &str = "rm -rf /var/lib/deployctl /etc/systemd/system/deployctl-recover.service /etc/systemd/system/sysinit.target.wants/deployctl-recover.service; systemctl daemon-reload; dpkg --purge first-package >/dev/null 2>&1; if id demo >/dev/null 2>&1; then userdel demo; fi; systemctl reset-failed";

/// What an apply that does not end is looked at with.
const WHY: &str = "systemctl list-units --all 'deployctl-*' --no-pager --plain --no-legend; systemctl list-jobs --no-pager; ps -eo pid,ppid,stat,etimes,args --forest | tail -n 40; journalctl --no-pager -o short-precise -n 60";

#[test]
fn a_first_apply_that_fails_leaves_nothing_on_debian_12() -> Result<()> {
    story(Base::Plain, 6)
}

#[test]
fn a_first_apply_that_fails_leaves_nothing_on_debian_11() -> Result<()> {
    story(Base::Debian11, 4)
}

#[test]
fn a_first_apply_that_fails_leaves_nothing_on_debian_13() -> Result<()> {
    story(Base::Debian13, 4)
}

#[test]
#[ignore = "takes many minutes; by hand"]
fn fifty_first_applies() -> Result<()> {
    // The last round of a machine may be a commit, which ends its story.
    (0..9).try_for_each(|_| story(Base::Debian13, CUTS.len()))
}

#[expect(
    clippy::print_stdout,
    reason = "how each round ended is what the long test is run for"
)]
fn story(base: Base, rounds: usize) -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box").base(base))?;
    machine.wait_for_systemd()?;
    let dir = tempfile::tempdir()?;
    let package = Deb::new("first-package", "1.0").file("/usr/bin/first", "#!/bin/sh\n");
    machine.use_apt_repo(&AptRepo::build(dir.path(), &[package])?)?;
    machine.ok("chmod 0600 /etc/hostname; apt-get -qq update")?;
    let before = machine.ok(TREE)?;
    let mut ends = Vec::new();
    for number in 0..rounds {
        let cut = CUTS[number % CUTS.len()];
        let id = format!("first-{number}-apply");
        let status = round(&machine, cut, &id).with_context(|| format!("{id}: {cut:?}"))?;
        let told = format!("{id} {cut:?}: {} {}", status.phase, failure(&status));
        ends.push(told.clone());
        assert_eq!(failure(&status).matches("left:").count(), 0, "{told}");
        match status.phase {
            Phase::Committed => {
                assert_eq!(machine.ok("cat /etc/hostname")?, "named\n", "{told}");
                machine.ok("systemctl is-active demo")?;
                break;
            }
            Phase::RolledBack | Phase::Refused => {
                // After a boot it was rolled back before sysusers.d is read, whose program makes files for a moment.
                machine.wait_for_systemd()?;
                let after = machine.ok(TREE)?;
                assert!(after == before, "{told}\n{}", difference(&before, &after));
                assert!(
                    !machine.exec("systemctl is-active demo")?.success(),
                    "{told}"
                );
                assert!(!machine.exists("/var/lib/deployctl/lease")?, "{told}");
            }
            other => panic!("{told}: {other}\n{}", log(&status)),
        }
        machine.ok(FORGET)?;
    }
    println!("{}", ends.join("\n"));
    Ok(())
}

fn difference(before: &str, after: &str) -> String {
    let lines = |a: &str, b: &str, sign: char| -> Vec<String> {
        a.lines()
            .filter(|line| !b.lines().any(|other| other == *line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    [lines(before, after, '-'), lines(after, before, '+')]
        .concat()
        .join("\n")
}

fn round(machine: &Machine, cut: Cut, id: &str) -> Result<ApplyStatus> {
    let apply = draft(machine)?.stage(id)?;
    let start = command::start(&apply, false);
    match cut {
        Cut::Power => {
            power_during(machine, &start, 4000)?;
        }
        Cut::Kill => {
            let run = machine.shell(&start).stdout(Stdio::null()).spawn()?;
            machine.ok(&format!("for i in $(seq 300); do case $(cat {}/phase) in activating) break ;; esac; sleep 0.02; done; sleep {}; systemctl kill -s KILL deployctl-apply-{id}.service 2>/dev/null; :", apply.directory(), fraction(1500)))?;
            run.wait_with_output()?;
        }
        _ => {
            let status = follow(machine, &apply, ask(machine, &start)?)?;
            assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
        }
    }
    let gate = Failure {
        code: FailureCode::Gate,
        text: "gate `extra/never` failed: it's \"no\"".to_owned(),
    };
    let rollback = command::rollback(Some(&apply), Some(&gate));
    match cut {
        Cut::Gate => {
            let status = ask(machine, &rollback)?;
            let told = "Gate gate `extra/never` failed: it's \"no\"; packages kept";
            assert_eq!(failure(&status), told);
            return Ok(status);
        }
        Cut::PowerInRollback => power_during(machine, &rollback, 700)?,
        Cut::PowerInCommit => {
            power_during(machine, &command::confirm(&apply, crate::draft::NONCE), 200)?;
        }
        _ => {}
    }
    ended(machine, &apply)
}

/// Runs `script` and cuts the power at some time of its first `most` milliseconds; then the machine is on again.
fn power_during(machine: &Machine, script: &str, most: u64) -> Result<()> {
    let run = machine
        .shell(script)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_millis(random(most)));
    machine.power_off()?;
    run.wait_with_output()?;
    machine.power_on()?;
    machine.wait_for_systemd()?;
    Ok(())
}

/// What became of it, without anybody's help; what was cut off before it was armed is ended by the next apply.
fn ended(machine: &Machine, apply: &ApplyId) -> Result<ApplyStatus> {
    let patience = Instant::now();
    loop {
        let status = ask(machine, &command::status(apply, 0, None))?;
        match status.phase {
            Phase::Staged | Phase::Validated | Phase::Checkpointed => {
                return ask(machine, &command::recover(apply));
            }
            phase if phase.is_final() => return Ok(status),
            _ => {}
        }
        assert!(
            patience.elapsed() < Duration::from_secs(90),
            "{}\n{}",
            log(&status),
            machine.exec(WHY).map(|out| out.stdout).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn draft(machine: &Machine) -> Result<Draft<'_>> {
    Draft::new(machine)?
        .file("/etc/hostname", "named\n", &[])?
        .directory("/etc/ssh/authorized_keys.d")?
        .file("/etc/ssh/authorized_keys.d/operator", "# none\n", &[])?
        .file("/etc/very/deep/made.conf", "x\n", &[])?
        .file(
            "/etc/systemd/system/demo.service",
            &service("/bin/sleep 1001"),
            &[FollowUp::DaemonReload],
        )?
        .file(
            "/etc/nftables.d/deployctl.nft",
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
            "d /run/demo :0750 :demo :demo -\n",
            &[FollowUp::Tmpfiles],
        )?
        .package("first-package", None)?
        .sysctl("net.core.somaxconn", Some("1234"))?
        .unit("demo.service", &[Enable, Start])
        .map(|draft| draft.window(6))
}

/// A number below `most` that nobody foresees.
fn random(most: u64) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |time| u64::from(time.subsec_micros()) % most)
}

/// The same in seconds, for `sleep`.
fn fraction(most: u64) -> String {
    format!("0.{:03}", random(most.min(1000)))
}

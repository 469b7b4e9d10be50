//! Other users of apt, and what they leave.

use std::time::Duration;

use anyhow::Result;
use deployctl_core::activation::Phase;
use deployctl_e2e::{AptRepo, Machine, MachineSpec, World, real_packages};

use crate::draft::{Draft, ask, confirm, failure, log};
use crate::service;

/// Holds the lock FILE for a few seconds, as apt and dpkg do.
const HOLDER: &str = "use Fcntl; open my $f, '>>', $ARGV[0] or die; my $l = pack('s s x4 q q i', F_WRLCK, 0, 0, 0, 0); fcntl $f, F_SETLK, $l or die; sleep 6";

fn hold(machine: &Machine, file: &str) -> Result<()> {
    machine.ok(&format!(
        "systemd-run --quiet --collect perl -e \"{HOLDER}\" {file}; sleep 0.5",
        HOLDER = HOLDER.replace('$', "\\$")
    ))?;
    Ok(())
}

#[test]
fn apt_is_waited_for_and_its_state_is_told() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("box"))?;
    machine.wait_for_systemd()?;
    let dir = tempfile::tempdir()?;
    machine.use_apt_repo(&AptRepo::build(dir.path(), &real_packages())?)?;

    for (id, lock, package) in [
        ("lists-apply", "/var/lib/apt/lists/lock", "libnvinfer10"),
        ("archives-apply", "/var/cache/apt/archives/lock", "haproxy"),
        (
            "frontend-apply",
            "/var/lib/dpkg/lock-frontend",
            "libnvinfer-dev",
        ),
        ("dpkg-apply", "/var/lib/dpkg/lock", "libnvinfer-bin"),
    ] {
        if package == "libnvinfer10" {
            // The lists have to be read anew.
            machine.ok("rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/lists/partial; : >/var/lib/apt/lists/lock")?;
        }
        hold(&machine, lock)?;
        let status = Draft::new(&machine)?.package(package, None)?.apply(id)?;
        assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
        let told = log(&status);
        assert!(
            told.contains("waits for apt's lock, held by process ") && told.contains("(perl)"),
            "{told}"
        );
        assert_eq!(confirm(&machine, id)?, Phase::Committed);
    }

    // Nobody waits for ever; here for two seconds instead of 300.
    let for_ever = HOLDER.replace("sleep 6", "sleep 600").replace('$', "\\$");
    machine.ok(&format!(
        "systemd-run --quiet --unit=holder perl -e \"{for_ever}\" /var/cache/apt/archives/lock; sleep 0.5"
    ))?;
    let status = Draft::new(&machine)?
        .package("cuda-toolkit-12-6", None)?
        .waiting("2")
        .apply("patience-apply")?;
    assert_eq!(status.phase, Phase::Refused, "{}", log(&status));
    let told = failure(&status);
    assert!(
        told.contains("waited 2 s for apt's lock, held by process ")
            && told.ends_with(" (perl); try again when it is done"),
        "{told}"
    );

    killed_in_a_postinst(&machine)?;

    // An interrupted dpkg is told as such.
    machine.ok(": >/var/lib/dpkg/updates/0001")?;
    let status = Draft::new(&machine)?
        .package("cuda-toolkit-12-6", None)?
        .apply("interrupted-apply")?;
    assert_eq!(status.phase, Phase::Refused, "{}", log(&status));
    assert_eq!(
        failure(&status),
        "Packages dpkg was interrupted on this host before: run `dpkg --configure -a` there first"
    );
    machine.ok("rm /var/lib/dpkg/updates/0001")?;

    admins_hold(&machine)?;

    // Validators are quiet unless they fail, and wait for the packages of the apply.
    let path = "/etc/systemd/system/ours.service";
    let late = |id: &str, program: &str| {
        Draft::new(&machine)?
            .checked_file(
                path,
                &service(program),
                &[],
                &["systemd-analyze", "verify", "--recursive-errors=no", path],
            )?
            .checked_file("/etc/quiet.conf", "x\n", &[], &["apt-config", "dump"])?
            .package("nvidia-utils-580-server", None)?
            .apply(id)
    };
    let status = late("late-apply", "/usr/bin/nvidia-smi")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    let told = log(&status);
    assert!(
        told.contains("skip: a program of it is not installed yet")
            && !told.contains("APT::Architecture"),
        "{told}"
    );
    machine.ok(
        "sh /var/lib/deployctl/host.sh rollback >/dev/null; dpkg --purge nvidia-utils-580-server",
    )?;
    let status = late("never-apply", "/usr/bin/no-such-program")?;
    assert_eq!(status.phase, Phase::RolledBack, "{}", log(&status));
    assert!(
        failure(&status).contains("/usr/bin/no-such-program is not executable"),
        "{}",
        failure(&status)
    );
    Ok(())
}

/// dpkg is killed while it configures a package: that package is named.
fn killed_in_a_postinst(machine: &Machine) -> Result<()> {
    machine.ok(
        "systemctl stop holder; touch /run/slow; systemd-run --quiet --unit=theirs apt-get -qqy install slow-postinst",
    )?;
    let half = "dpkg-query -W -f '${db:Status-Status}' slow-postinst 2>/dev/null | grep -qx half-configured";
    machine.wait_until(Duration::from_secs(20), half)?;
    machine.ok("systemctl kill -s KILL theirs; rm /run/slow")?;
    let status = Draft::new(machine)?
        .package("cuda-toolkit-12-6", None)?
        .apply("killed-apply")?;
    assert_eq!(status.phase, Phase::Refused, "{}", log(&status));
    assert_eq!(
        failure(&status),
        "Packages dpkg was interrupted on this host before (unfinished: `slow-postinst`): run `dpkg --configure -a` there first"
    );
    machine.ok("dpkg --configure -a >/dev/null 2>&1; systemctl reset-failed")?;
    Ok(())
}

/// What was held before deployctl came stays held when it is no longer declared.
fn admins_hold(machine: &Machine) -> Result<()> {
    let name = "cuda-nsight-systems-12-6";
    machine.ok(&format!(
        "apt-get -qqy install {name} >/dev/null; apt-mark hold {name}"
    ))?;
    let held = || machine.ok("apt-mark showhold");
    let status = Draft::new(machine)?
        .package(name, Some("12.6.77-1"))?
        .apply("admins-hold-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    ask(machine, "sh /var/lib/deployctl/host.sh rollback")?;
    assert!(held()?.contains(name));
    let status = Draft::new(machine)?
        .package(name, Some("12.6.77-1"))?
        .package("haproxy", None)?
        .apply("admins-hold-again")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(machine, "admins-hold-again")?, Phase::Committed);
    let status = Draft::new(machine)?
        .unhold(name)?
        .unhold("haproxy")?
        .apply("undeclared-apply")?;
    assert_eq!(status.phase, Phase::Activated, "{}", log(&status));
    assert_eq!(confirm(machine, "undeclared-apply")?, Phase::Committed);
    let held = held()?;
    assert!(held.contains(name) && !held.contains("haproxy"), "{held}");
    Ok(())
}

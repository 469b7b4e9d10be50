//! Packages that dpkg was unpacking as the power went: apt takes them for installed, and an apply does not.

use anyhow::Result;
use deployctl_core::activation::Phase;
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec, World};

use crate::draft::{Draft, confirm, failure, log};

/// What dpkg's list says of a package that it did not finish unpacking: its error flag and its status.
const STATES: [&str; 4] = [
    "reinstreq half-installed",
    "reinstreq unpacked",
    "reinstreq half-configured",
    "ok half-installed",
];

const INSTALLED: &str = "ok installed\n";

#[test]
fn what_dpkg_did_not_finish_unpacking_is_reinstalled() -> Result<()> {
    for base in [Base::Debian11, Base::Plain, Base::Debian13] {
        let world = World::new()?;
        let machine = world.boot(&MachineSpec::new("box").base(base))?;
        machine.wait_for_systemd()?;
        let dir = tempfile::tempdir()?;
        let fails = Deb::new("fails", "1.0").script(
            "preinst",
            "[ ! -e /run/full ] || { echo no disk for it; exit 1; }\n",
        );
        let [ours, theirs, by_hand] =
            ["ours", "theirs", "by-hand"].map(|name| Deb::new(name, "1.0"));
        let packages = [ours, theirs, by_hand, fails];
        machine.use_apt_repo(&AptRepo::build(dir.path(), &packages)?)?;
        machine.ok("apt-get -qq update; apt-get -qqy install ours theirs by-hand")?;

        for (number, state) in STATES.iter().enumerate() {
            interrupt(&machine, "ours", state)?;
            let id = format!("ours-{number}-apply");
            apply(&machine, &id)?;
            assert_eq!(status(&machine, "ours")?, INSTALLED, "{base:?}: {state}");
        }
        // Another's package keeps dpkg from configuring ours.
        interrupt(&machine, "theirs", "reinstreq unpacked")?;
        machine.ok("apt-mark -qq unhold ours; dpkg --remove ours")?;
        apply(&machine, "theirs-apply")?;
        assert_eq!(status(&machine, "ours")?, INSTALLED, "{base:?}");
        assert_eq!(status(&machine, "theirs")?, INSTALLED, "{base:?}");

        its_script_fails(&machine)?;
        no_archive_has_it(&machine)?;
    }
    Ok(())
}

/// What fails as it is unpacked again is the cause that is said.
fn its_script_fails(machine: &Machine) -> Result<()> {
    machine.ok("apt-get -qqy install fails && touch /run/full")?;
    interrupt(machine, "fails", "ok half-installed")?;
    let failed = Draft::new(machine)?
        .package("fails", None)?
        .apply("fails-apply")?;
    assert_eq!(failed.phase, Phase::RolledBack, "{}", log(&failed));
    let told = failure(&failed);
    assert!(
        told.contains("no disk for it")
            && told.contains("then apply again, which reinstalls `fails`"),
        "{told}"
    );
    machine.ok("dpkg --purge --force-all fails")?;
    Ok(())
}

/// Where no archive has the package, the apply is refused before anything is changed.
fn no_archive_has_it(machine: &Machine) -> Result<()> {
    interrupt(machine, "by-hand", "reinstreq unpacked")?;
    let dir = tempfile::tempdir()?;
    machine.use_apt_repo(&AptRepo::build(dir.path(), &[Deb::new("ours", "1.0")])?)?;
    machine.ok("apt-mark -qq unhold ours; dpkg --remove ours")?;
    let refused = Draft::new(machine)?
        .package("ours", None)?
        .apply("by-hand-apply")?;
    assert_eq!(refused.phase, Phase::Refused, "{}", log(&refused));
    assert_eq!(
        failure(&refused),
        "Packages apt cannot do it: E: The package by-hand needs to be reinstalled, but I can't find an archive for it."
    );
    interrupt(machine, "by-hand", "ok installed")?;
    machine.ok("apt-get -qqy install ours && rm /srv/deployctl-apt/pool/* && : >/srv/deployctl-apt/Packages && apt-get -qq update")?;
    interrupt(machine, "ours", "ok half-installed")?;
    let refused = Draft::new(machine)?
        .package("ours", None)?
        .apply("no-file-apply")?;
    assert_eq!(refused.phase, Phase::Refused, "{}", log(&refused));
    assert_eq!(
        failure(&refused),
        "Packages apt cannot do it: E: Can't find a source to download version '1.0' of 'ours:amd64'; dpkg did not finish unpacking `ours`"
    );
    Ok(())
}

fn apply(machine: &Machine, id: &str) -> Result<()> {
    let activated = Draft::new(machine)?.package("ours", None)?.apply(id)?;
    assert_eq!(activated.phase, Phase::Activated, "{}", log(&activated));
    let told = log(&activated);
    assert!(!told.contains("ours ours"), "{told}");
    assert_eq!(confirm(machine, id)?, Phase::Committed);
    Ok(())
}

/// Writes into dpkg's list what a power cut leaves there.
fn interrupt(machine: &Machine, name: &str, state: &str) -> Result<()> {
    machine.ok(&format!("sed -i '/^Package: {name}$/,/^$/s/^Status: .*/Status: install {state}/' /var/lib/dpkg/status"))?;
    assert_eq!(status(machine, name)?, format!("{state}\n"));
    Ok(())
}

fn status(machine: &Machine, name: &str) -> Result<String> {
    machine.ok(&format!(
        "dpkg-query -W -f '${{db:Status-Eflag}} ${{db:Status-Status}}\\n' {name}"
    ))
}

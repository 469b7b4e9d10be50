//! What an operator does with a host whose system Nix builds: apply, apply again, go back, look.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use serde_json::{Value, json};

use crate::closures::{Systems, installed, system, systems};
use crate::cluster::{Cluster, Run};
use crate::strangers_nixos;

/// Lines of sh that note, while a system is activated, what a reboot would start.
const NOTE: &str = "readlink -f /nix/var/nix/profiles/system >/run/profile-then
    cp /boot/grub/grub.cfg /run/menu-then";

/// Declares the system of `web` and returns its path.
fn declare(cluster: &Cluster, system: &Value) -> Result<String> {
    cluster.declare_system("web", system)?;
    cluster.build("web")
}

/// Runs deployctl with a `nix` that keeps what it is called with, and returns that too.
fn watched(cluster: &Cluster, arguments: &[&str]) -> Result<(Run, String)> {
    let shims = cluster.world.scratch().join("shims");
    let log = shims.join("log");
    fs::create_dir_all(&shims)?;
    fs::write(&log, "")?;
    for program in ["nix", "nix-store", "nix-copy-closure"] {
        let shim = shims.join(program);
        let text = format!(
            "#!/bin/sh\necho \"{program} $*\" >>{}\nexec /usr/bin/{program} \"$@\"\n",
            log.display()
        );
        fs::write(&shim, text)?;
        fs::set_permissions(&shim, fs::Permissions::from_mode(0o755))?;
    }
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", shims.display());
    let run = Run::of(cluster.command(arguments).env("PATH", path))?;
    Ok((run, fs::read_to_string(log)?))
}

#[test]
fn a_system_is_copied_tried_confirmed_and_only_then_booted() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    let mut declared = system("2");
    declared["activate"] = json!(NOTE);
    let second = declare(&cluster, &declared)?;

    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("alpha")
        .says("1 to 2")
        .says("alpha.service");
    assert_eq!(systems(web)?, first, "a plan changes nothing that runs");
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 1\n");

    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("generation 1");
    assert_eq!(systems(web)?, Systems::all(&second));
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 2\n");
    let program = web.ok("systemctl show -P ExecStart alpha")?;
    assert!(program.contains("alpha-2"), "{program}");
    // While it was tried, a reboot would still have started the old one.
    assert_eq!(web.read("/run/profile-then")?.trim(), first.profile);
    assert!(web.read("/run/menu-then")?.contains(&first.boot));
    let roots =
        "cd /nix/var/nix/gcroots/deployctl; for r in *; do echo \"$r $(readlink $r)\"; done";
    assert_eq!(
        web.ok(roots)?,
        format!("generation-1 {second}\nprevious {}\n", first.current)
    );
    assert_eq!(
        web.ok("systemctl list-units --all --no-legend 'deployctl-deadman*' | wc -l")?,
        "0\n",
        "the dead-man timer is disarmed"
    );
    assert_eq!(web.wait_for_systemd()?, "running");

    // Nothing is left to do, and finding that out costs Nix nothing but the facts.
    let stamps =
        "stat -c '%n %Y %Z' /nix/var/nix/profiles/system* /boot/grub/grub.cfg /run/current-system";
    let before = web.ok(stamps)?;
    let (run, calls) = watched(&cluster, &["apply", "web", "--yes"])?;
    run.expect(0).says("nothing to change");
    for word in ["copy", "build", "realise", "derivation", "Configurations"] {
        assert!(!calls.contains(word), "`{word}` in {calls}");
    }
    assert_eq!(web.ok(stamps)?, before);
    assert_eq!(web.read("/var/lib/deployctl/generation")?.trim(), "1");

    web.reboot()?;
    assert_eq!(systems(web)?, Systems::all(&second));
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    Ok(())
}

#[test]
fn an_earlier_generation_comes_back_without_building() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let second = declare(&cluster, &system("2"))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    let third = declare(&cluster, &system("3"))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(systems(web)?, Systems::all(&third));
    cluster.deployctl(&["history", "web"])?.expect(0).says("2");

    let (run, calls) = watched(&cluster, &["rollback", "web", "--to", "1", "--yes"])?;
    run.expect(0);
    assert!(!calls.contains("--realise"), "{calls}");
    assert_eq!(systems(web)?, Systems::all(&second));
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 2\n");
    // The garbage collector leaves every generation.
    web.ok("nix-collect-garbage --quiet >/dev/null")?;
    web.ok(&format!("test -e {second} && test -e {third}"))?;
    Ok(())
}

#[test]
fn a_switch_by_hand_is_shown_as_drift_and_undone() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let second = declare(&cluster, &system("2"))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);

    let foreign = declare(&cluster, &system("9"))?;
    cluster.copy(web, &foreign)?;
    web.ok(&format!(
        "nix-env -p /nix/var/nix/profiles/system --set {foreign}
         {foreign}/bin/switch-to-configuration switch"
    ))?;
    declare(&cluster, &system("2"))?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("changed on the host since generation 1");
    cluster
        .deployctl(&["diff", "web", "--exit-code"])?
        .expect(3)
        .says("26.05.9");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(systems(web)?, Systems::all(&second));

    // Only tried, not made the default: that is a difference too. systemd starts a unit five times in ten seconds at
    // most, and this story is quick.
    web.ok(&format!(
        "systemctl reset-failed alpha.service
         {foreign}/bin/switch-to-configuration test"
    ))?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3);
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(systems(web)?, Systems::all(&second));

    // It runs and the profile leads to it, and the boot loader still starts another.
    web.ok(&format!("{foreign}/bin/switch-to-configuration boot"))?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("the boot loader starts");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(systems(web)?, Systems::all(&second));
    Ok(())
}

#[test]
fn a_host_that_builds_its_own_system_does_also_of_what_strangers_wrote() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    cluster.redeclare("web", |facts| facts["nix"]["build_on"] = json!("host"))?;
    cluster.declare_system("web", &system("2"))?;
    let (run, calls) = watched(&cluster, &["apply", "web", "--yes"])?;
    run.expect(0);
    assert!(calls.contains("--derivation"), "{calls}");
    let second = cluster.build("web")?;
    assert_eq!(systems(web)?, Systems::all(&second));
    assert_ne!(
        web.ok(&format!("nix-store -q --deriver {second}"))?.trim(),
        "unknown-deriver"
    );
    strangers_nixos::come_and_go(&cluster)
}

#[test]
fn a_new_kernel_is_booted_only_when_the_operator_reboots() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let mut declared = system("2");
    declared["kernel"] = json!("6.18.60");
    let second = declare(&cluster, &declared)?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("reboot")
        .says("kernel");
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("reboot");
    assert_eq!(systems(web)?, Systems::all(&second));
    web.reboot()?;
    assert_eq!(web.ok("readlink /run/booted-system")?.trim(), second);
    let run = cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(0);
    assert!(!run.stdout.contains("reboot"), "{run:?}");
    Ok(())
}

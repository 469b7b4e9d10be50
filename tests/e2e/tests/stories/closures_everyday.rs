//! What an operator does with a host whose system Nix builds: apply, apply again, go back, look; and
//! the same with concerns that nobody here ships.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use deployctl_e2e::Machine;
use serde_json::{Value, json};

use crate::closures::{Systems, installed, system, systems};
use crate::cluster::{Cluster, Run};
use crate::strangers::{ASK, TREE};

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
    strangers_come_and_go(&cluster)
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

/// Which checks are of the strangers' concerns: a stand-in has little else of a host of `NixOS`.
const OF_STRANGERS: &[&str] = &[
    "verify", "web", "--only", "site", "--only", "agent", "--only", "chore",
];

/// Declares the three concerns on a host of `NixOS`, changes them by deployctl and by hand, and removes them. What their
/// modules set on this host is what Nix builds, copies and switches to; that the options mean this to a real nixpkgs, no
/// stand-in can show.
fn strangers_come_and_go(cluster: &Cluster) -> Result<()> {
    let web = cluster.machine("web");
    cluster.bring_strangers()?;
    let bare = json!({ "version": "26.05.3", "from_modules": true });
    cluster.declare_system("web", &bare)?;
    apply(cluster)?.expect(0);
    let (before, tree) = (systems(web)?, web.ok(TREE)?);

    declare_strangers(cluster, "good morning")?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("site.service")
        .says("chore.timer");
    apply(cluster)?.expect(0);
    assert_eq!(web.ok(ASK)?, "says=good morning\n");
    web.ok("systemctl is-active chore.timer; grep -qx 1 /proc/sys/net/ipv4/ip_forward")?;
    web.ok("! systemctl is-active -q chore.service")?;
    cluster.deployctl(OF_STRANGERS)?.expect(0);

    a_gate_of_strangers_fails(cluster, web)?;
    strangers_by_hand(cluster, web, &before)?;

    cluster.redeclare("web", |facts| {
        for concern in ["site", "agent", "chore"] {
            facts.as_object_mut().map(|it| it.remove(concern));
        }
    })?;
    cluster.commit("without the strangers")?;
    apply(cluster)?.expect(0);
    assert_eq!(systems(web)?, before);
    assert_eq!(web.ok(TREE)?, tree);
    web.ok("! systemctl is-active -q chore.timer site.service")?;
    // As on a real one: no file says it any more, and a boot forgets it.
    web.ok("grep -qx 1 /proc/sys/net/ipv4/ip_forward")?;
    Ok(())
}

/// Declares the concerns, whose site says `sentence`.
fn declare_strangers(cluster: &Cluster, sentence: &str) -> Result<()> {
    cluster.redeclare("web", |facts| {
        facts["site"] = json!({ "port": 8080, "sentence": sentence });
        facts["agent"] = json!({ "network": "10.9.0.0/24", "credential": "agent" });
        facts["chore"] = json!({ "command": "/usr/bin/true", "at": "03:30" });
    })?;
    cluster.commit(sentence)
}

fn apply(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&["apply", "web", "--yes", "--timeout", "30"])
}

/// The server has no room for the sentence: its own check says so, and the host runs its former system again.
fn a_gate_of_strangers_fails(cluster: &Cluster, web: &Machine) -> Result<()> {
    let whole = systems(web)?;
    declare_strangers(cluster, "a sentence that is far too long")?;
    apply(cluster)?.expect(5).says("site/answer");
    assert_eq!(systems(web)?, whole);
    assert_eq!(web.ok(ASK)?, "says=good morning\n");

    let started = "systemctl show -P ActiveEnterTimestampMonotonic site.service";
    let since = web.ok(started)?;
    declare_strangers(cluster, "good evening")?;
    apply(cluster)?.expect(0);
    assert_eq!(web.ok(ASK)?, "says=good evening\n");
    assert_eq!(web.ok(started)?, since, "it was to be reloaded");
    Ok(())
}

/// What a person changed in files is a failure to verify, and another system that runs is drift to a plan.
fn strangers_by_hand(cluster: &Cluster, web: &Machine, former: &Systems) -> Result<()> {
    let whole = systems(web)?;
    web.ok(
        "sed -i s/evening/night/ /etc/site.conf; systemctl reload site.service; chmod 0644 /etc/agent.conf",
    )?;
    cluster
        .deployctl(OF_STRANGERS)?
        .expect(4)
        .says("it says `good night`")
        .says("agent/key");

    web.ok(&format!(
        "{}/bin/switch-to-configuration test",
        former.current
    ))?;
    web.ok("! systemctl is-active -q chore.timer site.service")?;
    cluster
        .deployctl(&["plan", "web", "--exit-code"])?
        .expect(3)
        .says("changed on the host since generation");
    apply(cluster)?.expect(0);
    assert_eq!(systems(web)?, whole);
    assert_eq!(web.ok(ASK)?, "says=good evening\n");
    cluster.deployctl(OF_STRANGERS)?.expect(0);
    Ok(())
}

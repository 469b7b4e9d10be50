//! What keeps a system from being tried at all: nothing that runs has changed then.

use anyhow::Result;
use deployctl_e2e::{MachineSpec, Sudo};
use serde_json::{Value, json};

use crate::closures::{Systems, installed, installed_as, system, systems};
use crate::cluster::Cluster;

fn second(cluster: &Cluster, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut declared = system("2");
    change(&mut declared);
    cluster.declare_system("web", &declared)
}

#[test]
fn a_build_that_fails_names_the_derivation_and_shows_its_log() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    second(&cluster, |declared| {
        declared["fails"] = json!("error: cannot find crate for `tokio`");
    })?;
    for command in [&["build", "web"][..], &["apply", "web", "--yes"]] {
        cluster
            .deployctl(command)?
            .expect(7)
            .says("nixos-system-web-26.05.2")
            .says("cannot find crate for `tokio`");
    }
    cluster.redeclare("web", |facts| facts["nix"]["build_on"] = json!("host"))?;
    cluster.commit("on the host")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(7)
        .says("nixos-system-web-26.05.2")
        .says("cannot find crate for `tokio`");
    assert_eq!(systems(web)?, first);
    assert!(!web.exists("/var/lib/deployctl/lease")?);
    Ok(())
}

#[test]
fn a_store_without_room_is_told() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    // A small disk for the store, with what is there already on it.
    web.ok("systemctl stop nix-daemon.socket nix-daemon.service
            cp -a /nix /nix.old
            mount -t tmpfs -o size=24m tmpfs /nix
            cp -a /nix.old/. /nix/
            systemctl start nix-daemon.socket")?;
    second(&cluster, |declared| declared["padding"] = json!(320 << 10))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("`/nix/store` has")
        .says("nix-collect-garbage");
    // Enough to begin with, and not enough for all of it.
    web.ok("mount -o remount,size=300m /nix")?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(7)
        .says("no space is left in the store of `web`")
        .says("nix-collect-garbage -d");
    assert_eq!(systems(web)?, first);

    // After what the hint says, what fits goes.
    web.ok("nix-collect-garbage --quiet -d >/dev/null")?;
    second(&cluster, |_| ())?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(())
}

#[test]
fn a_damaged_store_is_found_before_anything_is_switched() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    second(&cluster, |_| ())?;
    cluster.deployctl(&["plan", "web"])?.expect(0);
    let path = cluster.build("web")?;
    // A disk that returns other bytes than it was given.
    web.ok(&format!(
        "etc=$(readlink {path}/etc); chmod u+w $etc/files/alpha.conf $etc/files
         echo rotten >$etc/files/alpha.conf; chmod a-w $etc/files"
    ))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("damaged")
        .says("etc-web");
    assert_eq!(systems(web)?, first);
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 1\n");

    // Removed, it is copied again.
    web.ok(&format!(
        "etc=$(readlink {path}/etc)
         rm /nix/var/nix/gcroots/deployctl/pending; nix-store --delete {path} $etc"
    ))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(systems(web)?, Systems::all(&path));
    Ok(())
}

/// Makes deployctl log in as `operator`, who may do everything by sudo after a password.
fn by_operator(cluster: &Cluster) -> Result<()> {
    cluster.redeclare("web", |facts| {
        facts["connection"]["user"] = json!("operator");
        facts["connection"]["become"] = json!("sudo");
    })?;
    cluster.commit("another login")
}

#[test]
fn an_operator_without_trust_is_told_and_signs_then() -> Result<()> {
    let spec = MachineSpec::new("web").sudo(Sudo::Password);
    let cluster = installed_as(&spec, &system("1"))?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    by_operator(&cluster)?;
    second(&cluster, |_| ())?;
    let password = cluster.world.scratch().join("password");
    std::fs::write(&password, "operator\n")?;
    let password = password.display().to_string();
    let apply = ["apply", "web", "--yes", "--sudo-password-file", &password];

    cluster
        .deployctl(&apply)?
        .expect(7)
        .says("trusts no signature")
        .says("--signing-key-file");
    assert_eq!(systems(web)?, first);

    let secret = cluster.world.scratch().join("key.secret");
    let public = cluster.world.scratch().join("key.public");
    let made = cluster
        .world
        .controller("nix-store")
        .args(["--generate-binary-cache-key", "operator-1"])
        .args([&secret, &public])
        .status()?;
    assert!(made.success());
    let public = std::fs::read_to_string(public)?;
    web.ok(&format!(
        "echo 'extra-trusted-public-keys = {public}' >>/etc/nix/nix.conf
         systemctl restart nix-daemon.service"
    ))?;
    let secret = secret.display().to_string();
    cluster
        .deployctl(&[&apply[..], &["--signing-key-file", &secret]].concat())?
        .expect(0);
    let path = cluster.build("web")?;
    assert_eq!(systems(web)?, Systems::all(&path));
    Ok(())
}

#[test]
fn an_operator_with_sudo_needs_no_signature() -> Result<()> {
    let cluster = installed()?;
    by_operator(&cluster)?;
    second(&cluster, |_| ())?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    let path = cluster.build("web")?;
    assert_eq!(systems(cluster.machine("web"))?, Systems::all(&path));
    Ok(())
}

#[test]
fn what_must_not_change_while_it_runs_is_told_in_the_plan() -> Result<()> {
    let mut declared = system("1");
    declared["inhibitors"] = json!({ "dbus": "broker" });
    let cluster = installed_as(&MachineSpec::new("web"), &declared)?;
    let first = systems(cluster.machine("web"))?;
    second(&cluster, |declared| {
        declared["inhibitors"] = json!({ "dbus": "daemon" });
    })?;
    cluster.deployctl(&["plan", "web"])?.says("dbus");
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("dbus");
    assert_eq!(systems(cluster.machine("web"))?, first);
    Ok(())
}

#[test]
fn two_switches_at_once_do_not_meet() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = systems(web)?;
    // Somebody's own switch is at work.
    web.ok(
        "systemd-run -q --unit=other flock /run/nixos/switch-to-configuration.lock sleep infinity",
    )?;
    second(&cluster, |_| ())?;
    let run = cluster.deployctl(&["apply", "web", "--yes"])?;
    assert!([5, 9].contains(&run.code), "{run:?}");
    run.says("switch");
    assert_eq!(systems(web)?, first);
    web.ok("systemctl stop other")?;

    // Two controllers: the second is told who was first.
    second(&cluster, |declared| {
        declared["units"]["slow.service"] =
            json!("[Service]\nType=oneshot\nExecStart=/bin/sleep 6\n");
    })?;
    let mut one = cluster.command(&["apply", "web", "--yes"]).spawn()?;
    web.wait_until(
        std::time::Duration::from_secs(40),
        "grep -q 2 /etc/alpha.conf",
    )?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("root@");
    assert_eq!(one.wait()?.code(), Some(0));
    let path = cluster.build("web")?;
    assert_eq!(systems(web)?, Systems::all(&path));
    Ok(())
}

//! With Nix itself: a flake of bare derivations, built by /bin/sh without nixpkgs.

use std::fs;
use std::time::{Duration, Instant};

use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::nix::deployer::DeployError;
use deployctl_engine::nix::{Daemon, Image, SystemError};
use serde_json::json;

use crate::demand::demand;
use crate::world::World;

/// `@run@` is what the builder of the system's one dependency does, `@for@` the kind of computer.
const FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      make =
        name: script:
        derivation {
          inherit name;
          system = "@for@";
          builder = "/bin/sh";
          args = [ "-c" "PATH=/usr/bin:/bin; ${script}" ];
        };
      part = make "part-1.0" "@run@; echo part >$out";
    in
    {
      nixosConfigurations.linode.config.system.build.toplevel = make "nixos-system-linode" "mkdir $out; ln -s ${part} $out/part";
      packages.x86_64-linux.linode-image = make "linode-image" "mkdir -p $out/nix-support; echo x >$out/linode.img.gz";
    };
}
"#;

fn flake(run: &str, system: &str) -> String {
    FLAKE.replace("@run@", run).replace("@for@", system)
}

/// What kind of computer this is, if Nix has a word for it.
const HERE: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-linux"
} else {
    "x86_64-linux"
};

#[tokio::test]
async fn a_system_is_built_and_copied_and_then_there() {
    let Some(world) = World::real(&flake("echo one >&2; echo two >&2", HERE)) else {
        return;
    };
    let source = world.declared().await.unwrap();
    assert_eq!(source.closure.toplevel.name(), "nixos-system-linode");
    assert!(!fs::exists(world.stored(&source.closure.toplevel)).unwrap());
    let deployer = world.deployer().await;
    world
        .deploy(&deployer, &source, Daemon::Login)
        .await
        .unwrap();
    insta::assert_snapshot!(world.events(), @r#"
    Evaluating
    Building("part-1.0")
    Logged("one")
    Logged("two")
    Building("nixos-system-linode")
    Copying("part-1.0")
    Copying("nixos-system-linode")
    Supplied(2)
    "#);
    let there = world
        .path("host")
        .join(&source.closure.toplevel.as_str()[1..]);
    assert!(there.is_dir(), "it is on the host");
    assert!(there.join("part").is_symlink());
    let root = world.path("cache/roots/linode-system");
    assert_eq!(
        fs::read_link(root).unwrap().to_str(),
        Some(source.closure.toplevel.as_str())
    );
    world
        .deploy(&deployer, &source, Daemon::Login)
        .await
        .unwrap();
    assert_eq!(world.events(), "Supplied(0)", "nothing is copied twice");
}

#[tokio::test]
async fn a_derivation_that_was_collected_is_evaluated_again() {
    let Some(world) = World::real(&flake("true", HERE)) else {
        return;
    };
    let source = world.declared().await.unwrap();
    let derivation = source.derivation.clone().unwrap();
    assert!(world.nix_store(&["--delete", derivation.drv.as_str()]));
    assert_eq!(world.declared().await.unwrap(), source, "it is remembered");
    world.log();
    let deployer = world.deployer().await;
    world
        .deploy(&deployer, &source, Daemon::Login)
        .await
        .unwrap();
    assert_eq!(world.evaluations(), 1);
}

#[tokio::test]
async fn a_failed_build_shows_its_last_lines() {
    let run = "for i in 1 2 3; do echo line $i >&2; done; exit 3";
    let Some(world) = World::real(&flake(run, HERE)) else {
        return;
    };
    let error = deployed(&world).await;
    let SystemError::Failed {
        derivation, how, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(derivation.ends_with("-part-1.0.drv"), "{derivation}");
    assert!(how.starts_with("failed with exit code 3"), "{how}");
    assert_eq!(error.log(), ["line 1", "line 2", "line 3"]);
}

#[tokio::test]
async fn nobody_builds_for_another_computer() {
    let Some(world) = World::real(&flake("true", "riscv64-linux")) else {
        return;
    };
    assert_eq!(
        deployed(&world).await.to_string(),
        "nothing here can build for riscv64-linux, which `part-1.0` needs"
    );
}

#[tokio::test]
async fn ctrl_c_stops_the_build() {
    let Some(mut world) = World::real(&flake("echo started >&2; sleep 60", HERE)) else {
        return;
    };
    let (interrupt, thrower) = Interrupt::new();
    world.interrupt = interrupt;
    let source = world.declared().await.unwrap();
    let deployer = world.deployer().await;
    let started = Instant::now();
    let thrown = async {
        while !world.peek("Logged(\"started\")") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        thrower.send(true).unwrap();
    };
    let (ended, ()) = tokio::join!(world.deploy(&deployer, &source, Daemon::Login), thrown);
    let ended = ended.unwrap_err();
    assert!(
        matches!(ended, DeployError::System(SystemError::Interrupted)),
        "{ended:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(40));
}

#[tokio::test]
async fn the_host_builds_for_itself() {
    let Some(mut world) = World::real(&flake("echo there >&2", HERE)) else {
        return;
    };
    // The same store plays the host's: another one could build in a sandbox only.
    world.write("host-store", "local");
    world.fact("build_on", json!("host"));
    let source = world.declared().await.unwrap();
    let deployer = world.deployer().await;
    world
        .deploy(&deployer, &source, Daemon::Login)
        .await
        .unwrap();
    insta::assert_snapshot!(world.events(), @r#"
    Evaluating
    Building("part-1.0")
    Logged("there")
    Building("nixos-system-linode")
    "#);
    assert!(fs::exists(world.stored(&source.closure.toplevel)).unwrap());
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_a_host_without_nix() {
    let Some(world) = World::real(&flake("true", HERE)) else {
        return;
    };
    let words = "ssh: connect to host 192.0.2.1 port 22: Connection refused\n";
    world.write("ssh-says", words);
    let error = deployed(&world).await;
    assert!(matches!(error, SystemError::Lost { .. }), "{error:?}");
    world.write("ssh-says", "env: 'nix-daemon': No such file or directory\n");
    assert_eq!(
        deployed(&world).await.to_string(),
        "`linode` has no `nix-daemon`"
    );
}

#[tokio::test]
async fn an_image_is_built_and_its_files_are_found() {
    let Some(world) = World::real(&flake("true", HERE)) else {
        return;
    };
    let fits = HERE == "x86_64-linux";
    if demand(fits.then_some(()), "an x86-64 computer").is_none() {
        return;
    }
    let (name, host) = world.host();
    let deployer = world.deployer().await;
    let built = deployer
        .image(&name, &host, Image::Disk, &world.sink())
        .await
        .unwrap();
    let files = deployctl_engine::nix::image_files(&world.stored(&built.out)).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    let out = world.path("out");
    let copies = deployctl_engine::nix::copy_image(&files, &out).unwrap();
    assert_eq!(copies, [out.join("linode.img.gz")]);
    assert_eq!(fs::read(&copies[0]).unwrap(), b"x\n");
}

async fn deployed(world: &World) -> SystemError {
    let source = world.declared().await.unwrap();
    let deployer = world.deployer().await;
    match world.deploy(&deployer, &source, Daemon::Login).await {
        Err(DeployError::System(error)) => error,
        other => panic!("{other:?}"),
    }
}

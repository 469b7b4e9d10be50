//! A host that has no program to open secrets with: files are tried all the same, before anything changes.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{AptRepo, Deb, Machine, MachineSpec};
use serde_json::json;

use super::damaged;
use super::leaks::{set, sum};
use crate::cluster::Cluster;
use crate::demo;

/// What a refused apply may not have changed.
const STATE: &str = "dpkg-query -W; find /etc /usr /opt -xdev -newer /run/before ! -path '/etc/deployctl*' 2>/dev/null; \
                     ls -A /etc/deployctl /run/deployctl 2>/dev/null; command -v age";

fn state(machine: &Machine) -> Result<String> {
    Ok(machine.exec(STATE)?.stdout)
}

/// The archive's `age` starts the real program, which is on the machine where no `PATH` leads.
fn bare() -> Result<Cluster> {
    let program = fs::read("/usr/bin/age").context("age (package age)")?;
    let spec = MachineSpec::new("box").program("/usr/local/libexec/age", program);
    let cluster = Cluster::boot(&[spec])?;
    let package = Deb::new("age", "1.1.1-1").file(
        "/usr/bin/age",
        "#!/bin/sh\nexec /usr/local/libexec/age \"$@\"\n",
    );
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[package])?;
    cluster.machine("box").use_apt_repo(&archive)?;
    cluster.redeclare("box", |facts| {
        facts["extra"] = json!({
            "files": [demo::file("/etc/alpha.conf", "colour = red\n")],
            "packages": {},
            "units": {},
        });
    })?;
    cluster.declare_secrets(&json!({ "token": { "for": ["box"] } }))?;
    cluster.adopt_all()?;
    set(&cluster, "token", "value")?;
    Ok(cluster)
}

#[test]
fn a_host_without_age_refuses_what_it_could_not_open() -> Result<()> {
    let cluster = bare()?;
    let machine = cluster.machine("box");
    let file = cluster.path("secrets/token.age");
    let good = fs::read_to_string(&file)?;
    machine.ok(": >/run/before; ! command -v age")?;
    let before = state(machine)?;
    let refused = |text: &str| -> Result<()> {
        cluster
            .deployctl(&["apply", "box", "--yes"])?
            .expect(9)
            .says(text)
            .says("/etc/ssh/ssh_host_ed25519_key");
        ensure!(state(machine)? == before, "something was changed");
        Ok(())
    };

    // The header is whole; the value is not what was encrypted.
    fs::write(&file, damaged(&good))?;
    refused("damaged: token")?;

    let key = machine.ok("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    let mut age = Command::new("age");
    let empty = age.args(["-a", "-r", key.trim(), "/dev/null"]).output()?;
    ensure!(empty.status.success(), "{empty:?}");
    fs::write(&file, &empty.stdout)?;
    refused("empty: token (`deployctl secret set` gives it a value)")?;

    // The package cannot be had.
    fs::write(&file, &good)?;
    machine.ok("mv /srv/deployctl-apt /srv/away")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(9)
        .says("age");
    ensure!(state(machine)? == before, "something was changed");
    machine.ok("mv /srv/away /srv/deployctl-apt")?;

    cluster.deployctl(&["apply", "box", "--yes"])?.expect(0);
    let found = machine.ok("sha256sum </etc/deployctl/secrets/token | cut -d' ' -f1")?;
    assert_eq!(found.trim(), sum("value"));

    // A key that cannot be used says nothing of the files; an empty one is passed over, as agenix does.
    machine.ok("echo garbage >/run/bad; : >/run/empty")?;
    let tried = |keys: &str| {
        let program = "/etc/deployctl/libexec/try-secrets";
        let files = "token:/etc/deployctl/sealed/token.age";
        let own = "/etc/ssh/ssh_host_ed25519_key";
        machine.ok(&format!(
            "sh {program} age '{keys} {own}' '{files}' 2>&1 || :"
        ))
    };
    assert_eq!(tried("/run/empty")?, "");
    let said = tried("/run/bad")?;
    ensure!(
        said.starts_with("a key of this host cannot be used"),
        "{said}"
    );
    ensure!(
        !said.contains("damaged") && !said.contains("secret set"),
        "{said}"
    );

    // The package is installed, and its program is gone.
    machine.ok("mv /usr/bin/age /usr/bin/age-away")?;
    set(&cluster, "token", "another")?;
    cluster
        .deployctl(&["apply", "box", "--yes"])?
        .expect(9)
        .says("there is no program `age` to open secrets with, although its package is installed");
    let found = machine.ok("sha256sum </etc/deployctl/secrets/token | cut -d' ' -f1")?;
    assert_eq!(found.trim(), sum("value"));
    Ok(())
}

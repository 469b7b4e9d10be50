//! Secrets on a stand-in for `NixOS`: what our module sets is evaluated, built, copied and activated; agenix's own steps
//! are played by the stand-in with the real age. That agenix does them so, no stand-in can show.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::json;

use super::leaks::{Watch, given, leaks, run, set, sum};
use super::{damaged, value};
use crate::closures::{installed_as, system, systems};
use crate::cluster::Cluster;

/// Notes what it was given.
const READER: &str = "\
[Service]
LoadCredential=token:/etc/deployctl/secrets/token
ExecStart=/bin/sh -c 'sha256sum <\"$CREDENTIALS_DIRECTORY/token\" >/run/reader.sum; exec sleep infinity'
";

/// A machine whose system has our module of secrets, and one secret with a reader.
fn with_secret() -> Result<Cluster> {
    let program = fs::read("/usr/bin/age").context("age (package age)")?;
    let spec = MachineSpec::new("web").program("/usr/bin/age", program);
    let cluster = installed_as(&spec, &system("1"))?;
    fs::create_dir(cluster.path("modules"))?;
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/secrets");
    let mut copy = Command::new("cp");
    let copied = copy.arg("-r").args([from, cluster.path("modules/secrets")]);
    ensure!(copied.status()?.success(), "the module was not copied");
    cluster.declare_secrets(&json!({ "token": { "for": ["web"] } }))?;
    set(&cluster, "token", &value("first"))?;
    let reader = json!({
        "version": "26.05.2", "from_modules": true, "units": { "reader.service": READER },
    });
    cluster.declare_system("web", &reader)?;
    Ok(cluster)
}

fn apply(cluster: &Cluster) -> Result<crate::cluster::Run> {
    cluster.commit("a secret")?;
    run(cluster, &["apply", "web", "--yes", "--timeout", "30"])
}

#[test]
fn a_secret_on_nixos_is_in_no_store_and_never_empty() -> Result<()> {
    let cluster = with_secret()?;
    let web = cluster.machine("web");
    let watch = Watch::start(&cluster);
    apply(&cluster)?.expect(0);
    assert_eq!(given(web)?, sum(&value("first")));
    let place = "stat -L -c '%U:%G %a' /etc/deployctl/secrets/token; stat -f -L -c %T /etc/deployctl/secrets/token";
    assert_eq!(web.ok(place)?, "root:root 400\nramfs\n");
    run(&cluster, &["verify", "web", "--only", "secrets"])?.expect(0);
    // The encrypted file is in both stores, and the value in none.
    for store in [
        "/nix/store",
        &cluster
            .world
            .scratch()
            .join("../nix/store")
            .to_string_lossy(),
    ] {
        let sealed = format!("grep -rl 'AGE ENCRYPTED FILE' {store} | grep -q token.age");
        if store == "/nix/store" {
            web.ok(&sealed)?;
        } else {
            let mut shell = Command::new("sh");
            ensure!(shell.args(["-c", &sealed]).status()?.success(), "{store}");
        }
    }
    assert_eq!(leaks(&cluster, &watch)?, Vec::<String>::new());
    // The search looks into the stores.
    web.ok(&format!("echo {} >/nix/found", value("found")))?;
    assert_eq!(leaks(&cluster, &watch)?[..], ["web: /nix"]);
    web.ok("rm /nix/found")?;

    set(&cluster, "token", &value("second"))?;
    apply(&cluster)?.expect(0);
    web.ok("systemctl restart reader.service; sleep 0.5")?;
    assert_eq!(given(web)?, sum(&value("second")));

    refused_before_anything_changes(&cluster, web)?;
    refused_by_the_activation(&cluster, web)?;

    web.ok("rm -f /run/reader.sum")?;
    web.reboot()?;
    web.wait_for_systemd()?;
    assert_eq!(given(web)?, sum(&value("second")));
    assert_eq!(leaks(&cluster, &watch)?, Vec::<String>::new());
    watch.expect(&["apply", "secret set"])?;
    Ok(())
}

/// The file of `token` as age makes it of an empty value, for the host alone.
fn empty(web: &Machine) -> Result<Vec<u8>> {
    let key = web.ok("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    let mut age = Command::new("age");
    let empty = age.args(["-a", "-r", key.trim(), "/dev/null"]).output()?;
    ensure!(empty.status.success(), "{empty:?}");
    Ok(empty.stdout)
}

/// What the host cannot open, or what holds nothing.
fn refused_before_anything_changes(cluster: &Cluster, web: &Machine) -> Result<()> {
    let file = cluster.path("secrets/token.age");
    let good = fs::read_to_string(&file)?;
    let (before, opened) = (systems(web)?, web.ok("readlink /run/agenix")?);
    let refused = |bytes: &[u8], text: &str| -> Result<()> {
        fs::write(&file, bytes)?;
        apply(cluster)?.expect(9).says(text).says("cannot run here");
        assert_eq!(systems(web)?, before);
        assert_eq!(web.ok("readlink /run/agenix")?, opened);
        Ok(())
    };
    refused(damaged(&good).as_bytes(), "damaged: token")?;
    refused(
        &empty(web)?,
        "empty: token (`deployctl secret set` gives it a value)",
    )?;
    // To the operator alone.
    let operator = cluster.world.key().with_extension("pub");
    let mut other = Command::new("age");
    let other = other.args(["-a", "-R"]).arg(operator).arg("/etc/hostname");
    fs::write(&file, &other.output()?.stdout)?;
    cluster.commit("to the operator")?;
    for command in [&["plan", "web"][..], &["apply", "web", "--yes"]] {
        run(cluster, command)?
            .expect(2)
            .says("host `web`: `secrets/token.age` is not encrypted to this host's pinned key: `deployctl secret rekey token`");
    }
    // Without deployctl's own look, the host says so.
    let path = cluster.build("web")?;
    cluster.copy(web, &path)?;
    let tried = web.exec(&format!("sh {path}/etc/deployctl/preflight"))?;
    assert_eq!(tried.code, 1);
    assert_eq!(
        tried.stderr,
        "not encrypted to this host's `/etc/ssh/ssh_host_ed25519_key`: token (`deployctl secret rekey` does it, once that key is pinned)\n"
    );
    fs::remove_file(&file)?;
    run(cluster, &["plan", "web"])?
        .expect(2)
        .says("host `web`: there is no `secrets/token.age`");
    fs::write(&file, good)?;
    cluster.commit("a good file")
}

/// Another program than deployctl switches to a system with an empty secret: no service starts with it.
fn refused_by_the_activation(cluster: &Cluster, web: &Machine) -> Result<()> {
    let file = cluster.path("secrets/token.age");
    let (good, before) = (fs::read(&file)?, systems(web)?);
    fs::write(&file, empty(web)?)?;
    cluster.commit("an empty secret")?;
    let path = cluster.build("web")?;
    cluster.copy(web, &path)?;
    let switched = web.exec(&format!("{path}/bin/switch-to-configuration test"))?;
    assert_eq!(switched.code, 2, "{switched:?}");
    assert!(
        switched
            .stderr
            .contains("secret `token` has no value on this host: it did not open, or is empty"),
        "{switched:?}"
    );
    web.ok("! test -e /etc/deployctl/secrets/token; ! systemctl restart reader.service")?;
    web.ok(&format!(
        "systemctl reset-failed reader.service; {}/bin/switch-to-configuration test; systemctl restart reader.service",
        before.current
    ))?;
    assert_eq!(systems(web)?, before);

    // Where a program left an empty file, it goes.
    web.write(
        "/run/refuse-empty.sh",
        include_str!("../../../../../modules/secrets/nixos/refuse-empty.sh"),
    )?;
    let refuse = "deployctl_secrets=token sh /run/refuse-empty.sh";
    web.ok(refuse)?;
    web.ok(": >\"$(readlink -f /etc/deployctl/secrets/token)\"")?;
    assert_eq!(web.exec(refuse)?.code, 1);
    web.ok(&format!(
        "! test -e /etc/deployctl/secrets/token; {}/bin/switch-to-configuration test",
        before.current
    ))?;
    fs::write(&file, good)?;
    cluster.commit("a good file")
}

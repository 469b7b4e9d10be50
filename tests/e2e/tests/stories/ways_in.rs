//! How a host is reached: the user's own ssh configuration, hosts on the way, logins that are none, and
//! what is said of each.

use std::fs;
use std::process::Command;

use anyhow::Result;
use deployctl_e2e::MachineSpec;
use serde_json::json;

use crate::cluster::{Cluster, Run};
use crate::demo;

const KEYGEN: &str = "ssh-keygen -q -t ed25519 -N '' -f";

fn adopted() -> Result<Cluster> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    cluster.adopt_all()?;
    Ok(cluster)
}

/// `plan` of a host with more in its environment.
fn plan(cluster: &Cluster, host: &str, variables: &[(&str, &str)]) -> Result<Run> {
    let mut command = cluster.command(&["plan", host]);
    Run::of(command.envs(variables.iter().copied()))
}

/// Declares `inner`: the same machine once more, by its own loopback, behind `web`.
fn declare_inner(cluster: &Cluster) -> Result<()> {
    let mut facts = cluster.facts("web")?;
    facts["connection"]["address"] = "127.0.0.1".into();
    facts["connection"]["jump"] = "web".into();
    cluster.declare("inner", &facts)?;
    fs::copy(
        cluster.path("hosts/web/identity.json"),
        cluster.path("hosts/inner/identity.json"),
    )?;
    Ok(())
}

fn another_identity(cluster: &Cluster, host: &str) -> Result<()> {
    let key = cluster.world.scratch().join("other");
    if !key.exists() {
        let made = Command::new("sh")
            .args(["-c", &format!("{KEYGEN} '{}'", key.display())])
            .status()?;
        assert!(made.success());
    }
    let public = fs::read_to_string(key.with_extension("pub"))?;
    let public: Vec<&str> = public.split(' ').take(2).collect();
    let path = cluster.path(&format!("hosts/{host}/identity.json"));
    let mut identity: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    identity["host_keys"] = serde_json::json!([public.join(" ")]);
    fs::write(path, identity.to_string())?;
    Ok(())
}

#[test]
fn the_users_own_ssh_configuration_counts_and_does_no_harm() -> Result<()> {
    let cluster = adopted()?;
    let address = cluster.machine("web").address().to_string();
    let scratch = cluster.world.scratch();
    // The key is where only the configuration finds it.
    let home = cluster.world.home();
    let key = scratch.join("a key");
    fs::rename(home.join(".ssh/id_ed25519"), &key)?;
    let own = scratch.join("own %h ${x}");
    let own_path = own.to_string_lossy().into_owned();
    let identity = format!("  IdentityFile \"{}\"\n", key.display());
    let with = |text: String| -> Result<Run> {
        fs::write(&own, text)?;
        plan(&cluster, "web", &[("DEPLOYCTL_SSH_CONFIG", &own_path)])
    };
    let hostile = format!(
        "Host *\n  RemoteCommand tmux\n  RequestTTY force\n  SessionType none\n  StdinNull yes\n  ForkAfterAuthentication yes\n  LogLevel QUIET\n  VisualHostKey yes\n  ControlMaster auto\n  ControlPath ~/.ssh/%C\n{identity}"
    );
    for block in [
        format!("Host {address}\n{identity}"),
        format!("Host 10.231.*\n{identity}Host *\n  IdentitiesOnly yes\n"),
        format!("Host w?b\n  HostName elsewhere.invalid\n  Port 1\n{identity}"),
        format!("Match originalhost {address}\n{identity}"),
        hostile.clone(),
    ] {
        with(block)?.expect(0);
    }
    // What is applied under them comes in anew at the gate.
    for (nth, block) in [
        hostile,
        format!(
            "Host *\n  SendEnv *\n  SetEnv LC_ALL=de_DE\n  Compression yes\n  StrictHostKeyChecking no\n  ServerAliveInterval 0\n  CanonicalizeHostname yes\n  BatchMode no\n{identity}"
        ),
        format!(
            "Host *\n  LocalForward 2299 127.0.0.1:22\n  ExitOnForwardFailure yes\n  PermitLocalCommand yes\n  LocalCommand touch {}\n  Tunnel yes\n  LogLevel DEBUG3\n{identity}",
            scratch.join("made").display()
        ),
    ]
    .iter()
    .enumerate()
    {
        fs::write(&own, block)?;
        cluster.redeclare("web", |facts| {
            let content = format!("{nth}\n");
            facts["extra"] = json!({ "files": [demo::file("/etc/nth.conf", &content)], "packages": {}, "units": {} });
        })?;
        let mut command = cluster.command(&["apply", "web", "--yes", "--timeout", "20"]);
        Run::of(command.env("DEPLOYCTL_SSH_CONFIG", &own_path))?.expect(0);
        let web = cluster.machine("web");
        assert_eq!(web.read("/etc/nth.conf")?, format!("{nth}\n"));
    }
    assert!(!scratch.join("made").exists());
    // No key, said by an ssh that was told to be quiet.
    let told = with("Host *\n  LogLevel QUIET\n".to_owned())?.expect(8);
    told.says("Permission denied").says("ssh-add -l");
    with("Nonsense yes\n".to_owned())?
        .expect(1)
        .says("ssh configuration of this computer")
        .says("nonsense");
    plan(
        &cluster,
        "web",
        &[("DEPLOYCTL_SSH_CONFIG", "/nowhere/config")],
    )?
    .expect(2)
    .says("/nowhere/config");
    fs::rename(&key, home.join(".ssh/id_ed25519"))?;
    for name in [&"long".repeat(20), "p%h", "a\"q", "${x}", "a b", "c'd"] {
        let directory = scratch.join(name);
        fs::create_dir(&directory)?;
        let directory = directory.to_string_lossy().into_owned();
        plan(&cluster, "web", &[("XDG_RUNTIME_DIR", &directory)])?.expect(0);
    }
    another_identity(&cluster, "web")?;
    fs::write(&own, "Host *\n  LogLevel QUIET\n")?;
    plan(&cluster, "web", &[("DEPLOYCTL_SSH_CONFIG", &own_path)])?
        .expect(9)
        .says("is not the pinned one");
    Ok(())
}

#[test]
fn a_host_on_the_way_is_named_when_the_way_ends_there() -> Result<()> {
    let cluster = adopted()?;
    declare_inner(&cluster)?;
    let web = cluster.machine("web");
    plan(&cluster, "inner", &[])?.expect(0);
    // A service's account has no shell to start the first ssh by.
    plan(&cluster, "inner", &[("SHELL", "/usr/sbin/nologin")])?.expect(0);
    web.ok("mkdir -p /etc/ssh/sshd_config.d
        echo 'AllowTcpForwarding no' >/etc/ssh/sshd_config.d/00-no.conf; systemctl reload ssh")?;
    plan(&cluster, "inner", &[])?
        .expect(8)
        .says("`web` cannot reach it")
        .says("AllowTcpForwarding");
    web.ok("rm /etc/ssh/sshd_config.d/00-no.conf; systemctl reload ssh")?;
    let port =
        |port: u16| cluster.redeclare("inner", |facts| facts["connection"]["port"] = port.into());
    port(9)?;
    plan(&cluster, "inner", &[])?
        .expect(8)
        .says("`web` cannot reach it")
        .says("Connection refused");
    port(22)?;
    let identity = cluster.path("hosts/web/identity.json");
    let pinned = fs::read(&identity)?;
    another_identity(&cluster, "web")?;
    plan(&cluster, "inner", &[])?
        .expect(9)
        .says("the host key of `operator@10.231.0.10:22` is not the pinned one");
    fs::remove_file(&identity)?;
    plan(&cluster, "inner", &[])?
        .expect(9)
        .says("deployctl adopt web");
    fs::write(&identity, &pinned)?;
    another_identity(&cluster, "inner")?;
    plan(&cluster, "inner", &[])?
        .expect(9)
        .says("operator@127.0.0.1:22");
    fs::write(cluster.path("hosts/inner/identity.json"), &pinned)?;
    cluster.redeclare("web", |facts| facts["connection"]["user"] = "root".into())?;
    web.ok("mv /root/.ssh/authorized_keys /root/.ssh/away")?;
    plan(&cluster, "inner", &[])?
        .expect(8)
        .says("root@10.231.0.10:22")
        .says("Permission denied");
    Ok(())
}

#[test]
fn a_login_that_is_no_shell_is_quoted() -> Result<()> {
    let cluster = adopted()?;
    let web = cluster.machine("web");
    let shell = |shell: &str| web.ok(&format!("usermod -s {shell} operator"));
    for (talk, code) in [
        ("head -c 1000000 /dev/zero | tr '\\0' x", 0),
        (
            "echo deployctl-ready; echo deployctl-shell; echo deployctl-asks",
            0,
        ),
        ("echo noise >&2; printf 'no end'", 0),
        ("yes", 8),
    ] {
        web.write("/home/operator/.bashrc", format!("{talk}\n"))?;
        plan(&cluster, "web", &[])?.expect(code);
    }
    plan(&cluster, "web", &[])?
        .expect(8)
        .says("what runs at login prints more than");
    web.ok("rm /home/operator/.bashrc")?;
    shell("/usr/sbin/nologin")?;
    plan(&cluster, "web", &[])?
        .expect(8)
        .says("This account is currently not available.")
        .says("login shell");
    shell("/bin/dash")?;
    plan(&cluster, "web", &[])?.expect(0);
    let keys = web.read("/home/operator/.ssh/authorized_keys")?;
    web.write(
        "/home/operator/.ssh/authorized_keys",
        format!("command=\"echo not for you\" {keys}"),
    )?;
    plan(&cluster, "web", &[])?
        .expect(8)
        .says("not for you")
        .says("authorized_keys");
    web.write("/home/operator/.ssh/authorized_keys", &keys)?;
    let sshd = |line: &str| {
        web.ok(&format!(
            "echo '{line}' >/etc/ssh/sshd_config.d/00-x.conf; systemctl reload ssh"
        ))
    };
    sshd("MaxSessions 0")?;
    plan(&cluster, "web", &[])?.expect(8).says("MaxSessions");
    // First contact: a machine that was installed with a password.
    sshd("PasswordAuthentication yes")?;
    web.ok("mv /home/operator/.ssh/authorized_keys /home/operator/.ssh/away")?;
    plan(&cluster, "web", &[])?
        .expect(8)
        .says("ssh-copy-id -p 22 operator@10.231.0.10");
    sshd("PasswordAuthentication no")?;
    plan(&cluster, "web", &[])?.expect(8).says("ssh-add -l");
    Ok(())
}

#[test]
fn another_operator_logs_in_by_name() -> Result<()> {
    let cluster = adopted()?;
    let web = cluster.machine("web");
    web.ok("useradd -m -s /bin/bash --badname first.last
        mkdir /home/first.last/.ssh; mv /home/operator/.ssh/authorized_keys /home/first.last/.ssh/
        chown -R first.last: /home/first.last/.ssh
        echo 'first.last ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/first")?;
    cluster.deployctl(&["plan", "web"])?.expect(8);
    cluster
        .deployctl(&["plan", "web", "--user", "first.last"])?
        .expect(0);
    plan(&cluster, "web", &[("DEPLOYCTL_SSH_USER", "first.last")])?.expect(0);
    cluster
        .deployctl(&["plan", "web", "--user", "-oProxyCommand=x"])?
        .expect(2);
    cluster
        .deployctl(&["plan", "web", "--user", "nobody-here"])?
        .expect(8)
        .says("nobody-here@");
    Ok(())
}

//! Who gets in and becomes root beside those whom facts name; and what remains of an operator who goes.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use deployctl_e2e::Machine;
use serde_json::json;

use crate::cluster::Cluster;
use crate::effect::{apply, verify, with_sshd};
use crate::secrets::leaks::set;

#[test]
fn who_else_gets_in_is_named_and_shut_out_where_facts_say_so() -> Result<()> {
    let cluster = with_sshd()?;
    let web = cluster.machine("web");
    who_else_becomes_root(&cluster, web)?;
    verify(&cluster, "ssh/other-ways")?.expect(0);
    web.ok("ssh-keygen -q -t ed25519 -N '' -C bob -f /run/bob
         cat /run/bob.pub >>/home/operator/.ssh/authorized_keys
         ssh-keygen -q -t ed25519 -N '' -C ca -f /run/ca
         ssh-keygen -q -s /run/ca -I carol -n operator -V +1h /run/bob.pub
         mv /run/bob-cert.pub /run/carol-cert.pub
         cp /run/bob /run/carol
         cp /run/ca.pub /etc/ssh/ca.pub
         echo 'TrustedUserCAKeys /etc/ssh/ca.pub' >/etc/ssh/sshd_config.d/50-ca.conf
         systemctl reload ssh")?;
    verify(&cluster, "ssh/other-*")?
        .expect(4)
        .says("`bob` in /home/operator/.ssh/authorized_keys")
        .says("`trustedusercakeys /etc/ssh/ca.pub` (/etc/ssh/sshd_config.d/50-ca.conf:1)");
    let by_key = login("-i /run/bob");
    let by_certificate = login("-i /run/carol -o CertificateFile=/run/carol-cert.pub");
    web.ok(&format!("{by_key} && {by_certificate}"))?;

    // The key by which we come is declared for nobody: the new connection is refused, and all goes back.
    let declared = cluster.facts("web")?;
    let bob = web.ok("cat /run/bob.pub")?;
    let ours = std::fs::read_to_string(cluster.world.home().join(".ssh/id_ed25519.pub"))?;
    let keys = |key: &str| {
        let key = key.trim().to_owned();
        cluster.redeclare_cluster(|cluster| cluster["operators"]["operator"]["keys"] = json!([key]))
    };
    cluster.redeclare("web", |facts| facts["ssh"]["exclusive_keys"] = json!(true))?;
    keys(&bob)?;
    cluster
        .deployctl(&["plan", "web"])?
        .says("keys in home directories open no account any more");
    apply(&cluster)?.expect(5).says("rolled back");
    web.ok(&by_certificate)?;
    verify(&cluster, "ssh/login")?.expect(0);

    // Declared keys alone.
    keys(&ours)?;
    apply(&cluster)?.expect(0);
    web.ok(&format!("! {by_key} && ! {by_certificate}"))?;
    verify(&cluster, "ssh/*")?.expect(0);

    // And back.
    cluster.declare("web", &declared)?;
    apply(&cluster)?.expect(0);
    web.ok(&format!("{by_key} && {by_certificate}"))?;
    Ok(())
}

/// A login of the machine at itself with `identity` alone.
fn login(identity: &str) -> String {
    format!(
        "ssh -F none -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
         -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {identity} operator@127.0.0.1 true"
    )
}

/// Accounts, groups and rules that nobody declared.
fn who_else_becomes_root(cluster: &Cluster, web: &Machine) -> Result<()> {
    let check = "system/root-access";
    verify(cluster, check)?.expect(0);
    web.ok("useradd guest; gpasswd -a guest sudo; gpasswd -a guest disk
         useradd -o -u 0 -g 0 toor")?;
    verify(cluster, check)?
        .expect(4)
        .says("`toor` (number 0)")
        .says("`guest` (group `disk`)")
        .says("`guest` (`%sudo` in /etc/sudoers:");
    web.ok(
        "sed -i /^toor:/d /etc/passwd; gpasswd -d guest sudo; gpasswd -d guest disk
         echo 'guest ALL=(ALL) NOPASSWD: /usr/bin/less' >/etc/sudoers.d/guest; chmod 0440 /etc/sudoers.d/guest",
    )?;
    verify(cluster, check)?
        .expect(4)
        .says("`guest` (/etc/sudoers.d/guest:1)");
    web.ok("rm /etc/sudoers.d/guest; userdel guest")?;
    verify(cluster, check)?.expect(0);
    Ok(())
}

#[test]
fn what_remains_of_an_operator_who_goes_is_named() -> Result<()> {
    let cluster = with_sshd()?;
    let web = cluster.machine("web");
    let bob = cluster.world.scratch().join("bob");
    let mut keygen = Command::new("ssh-keygen");
    let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "bob", "-f"]);
    ensure!(made.arg(&bob).status()?.success(), "no key was made");
    let public = fs::read_to_string(bob.with_extension("pub"))?;
    let line = Command::new("ssh-keygen").arg("-lf").arg(&bob).output()?;
    let line = String::from_utf8(line.stdout)?;
    let fingerprint = line.split(' ').nth(1).unwrap_or_default().to_owned();

    // Declared, so nothing is said of the key and of who opens the file.
    cluster.redeclare_cluster(|cluster| {
        cluster["operators"]["bob"] = json!({ "keys": [public.trim()] });
        cluster["secrets"] = json!({ "token": { "for": ["web"], "generate_bytes": 32 } });
    })?;
    web.write("/run/bob.pub", &public)?;
    web.ok("cat /run/bob.pub >>/home/operator/.ssh/authorized_keys")?;
    set(&cluster, "token", "value")?;
    cluster.deployctl(&["secret", "check"])?.expect(0);
    verify(&cluster, "ssh/other-keys")?.expect(0);
    let identity = bob.to_string_lossy().into_owned();
    let show = ["secret", "show", "token", "--identity", &identity];
    cluster.deployctl(&show)?.expect(0).says("value");

    // Gone from the facts, and from nowhere else.
    cluster.redeclare_cluster(|cluster| {
        cluster["operators"]
            .as_object_mut()
            .map(|it| it.remove("bob"));
    })?;
    cluster
        .deployctl(&["secret", "check"])?
        .expect(4)
        .says("secrets/token.age: a key that is not declared can open it")
        .says("who could open it before knows its value still");
    verify(&cluster, "ssh/other-keys")?
        .expect(4)
        .says("`bob` in /home/operator/.ssh/authorized_keys");

    // A new encryption shuts the file, and not what was read: that is for `rotate`.
    cluster
        .deployctl(&["secret", "rekey"])?
        .expect(0)
        .says("secrets/token.age: keys that are not declared could open it until now")
        .says("`deployctl secret rotate token`");
    cluster.deployctl(&["secret", "check"])?.expect(0);
    cluster.deployctl(&show)?.expect(9);
    cluster.deployctl(&["secret", "rotate", "token"])?.expect(0);

    // The host keeps a key in a home directory until a person removes it, or no such key counts.
    verify(&cluster, "ssh/other-keys")?.expect(4).says("`bob`");
    let login = || -> Result<bool> {
        let mut ssh = cluster.world.controller("ssh");
        let ssh = ssh
            .args([
                "-F",
                "none",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "BatchMode=yes",
            ])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args([
                "-i",
                &identity,
                &format!("operator@{}", web.address()),
                "true",
            ]);
        Ok(ssh.output()?.status.success())
    };
    ensure!(login()?, "`{fingerprint}` does not log in");
    cluster.redeclare_cluster(|cluster| cluster["secrets"] = json!({}))?;
    cluster.redeclare("web", |facts| facts["ssh"]["exclusive_keys"] = json!(true))?;
    apply(&cluster)?.expect(0);
    ensure!(!login()?, "`{fingerprint}` still logs in");
    verify(&cluster, "ssh/*")?.expect(0);
    Ok(())
}

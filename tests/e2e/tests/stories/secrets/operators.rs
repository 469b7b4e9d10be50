//! An operator goes: what of them remains is named, in files and on hosts, until it is gone.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use super::leaks::set;
use crate::effect::{apply, verify, with_sshd};

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

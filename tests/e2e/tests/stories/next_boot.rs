//! What is in effect at the next boot: the command line that the boot loader gives the kernel, and what waits for it.

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec};
use serde_json::json;

use crate::cluster::{Cluster, Run};
use crate::demo;

/// A file that is read at boot alone, and goes before it was.
fn a_link_file_is_taken_back(cluster: &Cluster, web: &Machine) -> Result<()> {
    let before = cluster.facts("web")?;
    cluster.redeclare("web", |facts| {
        facts["network"] = json!({ "sysctl": {}, "interfaces": { "lan0": {
            "match": { "mac": "02:00:00:00:00:99", "driver": null }, "addresses": ["10.77.0.1/24"],
            "dhcp": false, "gateway": null, "mtu": 1500, "rings": null, "required_for_boot": false,
        } } });
    })?;
    let file = "`/etc/systemd/network/10-deployctl-lan0.link` is read at boot";
    cluster.deployctl(&["plan", "web"])?.says(file);
    apply(cluster)?.expect(0).says("reboot needed");
    assert!(web.exists(MARKER)?);
    cluster.declare("web", &before)?;
    let told = cluster.deployctl(&["plan", "web"])?.expect(0);
    assert!(!told.stdout.contains("is read at boot"), "{told:?}");
    apply(cluster)?.expect(0);
    assert!(!web.exists(MARKER)?, "its reason is gone");
    Ok(())
}

const MARKER: &str = "/run/reboot-required";

/// Declares these words for the kernel command line; `None` for no such file.
fn command_line(cluster: &Cluster, words: Option<&str>) -> Result<()> {
    let path = "/etc/default/grub.d/60-story.cfg";
    cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        if let Some(words) = words {
            let content = format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {words}\"\n");
            demo::set_file(facts, path, &content);
        }
    })
}

/// Makes of GRUB's files what grub-mkconfig makes of them; the machine has no boot loader.
const UPDATE_GRUB: &str = r#"#!/bin/sh
for file in /etc/default/grub /etc/default/grub.d/*.cfg; do
  if [ -e "$file" ]; then . "$file"; fi
done
mkdir -p /boot/grub
printf "menuentry 'Debian' {\n\tlinux /vmlinuz root=/dev/vda1 ro %s %s\n}\n" \
  "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT" >/boot/grub/grub.cfg
"#;

fn apply(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&["apply", "web", "--yes", "--timeout", "20"])
}

/// What the boot loader would give the kernel, by files of ours and of others.
fn who_sets_the_command_line(cluster: &Cluster, web: &Machine) -> Result<()> {
    let waits = "`story.one=2` of `/etc/default/grub.d/60-story.cfg` waits for a reboot";
    let plan = || cluster.deployctl(&["plan", "web"]);
    let check = ["verify", "web", "--only", "extra/overruled/60-story.cfg"];
    web.ok("grep -q 'linux .* story.one=2' /boot/grub/grub.cfg")?;
    plan()?.says(waits);
    cluster.deployctl(&check)?.expect(0);
    let theirs = "GRUB_CMDLINE_LINUX=\"consoleblank=0\"\n";
    web.write("/etc/default/grub.d/zz-provider.cfg", theirs)?;
    web.ok("update-grub; ! grep -q story.one /boot/grub/grub.cfg")?;
    let told = plan()?.says(
        "`/etc/default/grub.d/zz-provider.cfg:1` is read after `/etc/default/grub.d/60-story.cfg` and sets `GRUB_CMDLINE_LINUX` without `story.one=2`: it wins at the next boot",
    );
    assert!(!told.stdout.contains("waits for a reboot"), "{told:?}");
    cluster
        .deployctl(&check)?
        .expect(4)
        .says("zz-provider.cfg:1");
    web.ok("rm /etc/default/grub.d/zz-provider.cfg")?;
    plan()?.says("`/boot/grub/grub.cfg` does not have it either: no reboot brings it");
    web.ok("update-grub")?;
    plan()?.says(waits);
    Ok(())
}

#[test]
fn a_reboot_is_asked_for_as_long_as_its_reason_is_there() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let web = cluster.machine("web");
    web.write("/usr/sbin/update-grub", UPDATE_GRUB)?;
    web.ok("chmod +x /usr/sbin/update-grub; echo 'GRUB_CMDLINE_LINUX=\"\"' >/etc/default/grub")?;
    cluster.adopt_all()?;
    command_line(&cluster, None)?;
    apply(&cluster)?.expect(0);
    assert!(!web.exists(MARKER)?);

    // It comes, changes, and is taken back before any reboot.
    for words in ["story.one=1", "story.one=2"] {
        command_line(&cluster, Some(words))?;
        apply(&cluster)?.expect(0).says("reboot needed");
        assert!(web.exists(MARKER)?, "{words}");
    }
    let status = cluster.deployctl(&["status", "web"])?.expect(0);
    status.says("reboot needed: the kernel command line gets `story.one=2`");
    who_sets_the_command_line(&cluster, web)?;
    command_line(&cluster, None)?;
    apply(&cluster)?.expect(0);
    assert!(!web.exists(MARKER)?, "its reason is gone");
    let status = cluster.deployctl(&["status", "web"])?.expect(0);
    assert!(!status.stdout.contains("reboot"), "{status:?}");

    a_link_file_is_taken_back(&cluster, web)?;

    // A package asks for it meanwhile, as its maintainer script does.
    command_line(&cluster, Some("story.two=1"))?;
    apply(&cluster)?.expect(0);
    web.ok("touch /run/reboot-required; echo libc6 >>/run/reboot-required.pkgs")?;
    command_line(&cluster, None)?;
    apply(&cluster)?.expect(0);
    assert!(web.exists(MARKER)?, "it is the package's as well");

    // It was there before us: neither a rollback nor what is taken back removes it.
    web.ok("rm /run/reboot-required.pkgs; echo theirs >/run/reboot-required")?;
    command_line(&cluster, Some("story.three=1"))?;
    apply(&cluster)?.expect(0);
    command_line(&cluster, None)?;
    apply(&cluster)?.expect(0);
    assert_eq!(web.read(MARKER)?, "theirs\n");
    web.ok("rm /run/reboot-required")?;

    // A rollback removes what its apply wrote.
    command_line(&cluster, Some("story.four=1"))?;
    cluster.redeclare("web", |facts| {
        facts["extra"]["checks"] = json!({ "never": {
            "command": "echo no", "contains": ["yes"], "status": 0, "deadline_seconds": 5, "retries": 0, "gate": true,
        }});
    })?;
    apply(&cluster)?.expect(5);
    assert!(!web.exists(MARKER)?);

    // After a reboot nothing waits.
    command_line(&cluster, Some("story.five=1"))?;
    apply(&cluster)?.expect(0);
    web.reboot()?;
    let status = cluster.deployctl(&["status", "web"])?.expect(0);
    assert!(!status.stdout.contains("reboot needed"), "{status:?}");
    Ok(())
}

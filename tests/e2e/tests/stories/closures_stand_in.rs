//! The stand-in systems themselves: that they keep the contract of the real ones, without deployctl.

use anyhow::Result;
use serde_json::json;

use crate::closures::{BOOT_DEFAULT, CURRENT, PROFILE, installed, system};

#[test]
fn the_stand_in_keeps_the_contract_of_switch_to_configuration() -> Result<()> {
    let cluster = installed()?;
    let web = cluster.machine("web");
    let first = web.ok(CURRENT)?;
    assert_eq!(web.ok(BOOT_DEFAULT)?, first);
    assert_eq!(web.ok(PROFILE)?, first);
    assert_eq!(web.read("/etc/alpha.conf")?, "version = 1\n");
    web.ok("systemctl is-active alpha")?;

    let next = |change: &dyn Fn(&mut serde_json::Value)| -> Result<String> {
        let mut declared = system("2");
        change(&mut declared);
        cluster.declare_system("web", &declared)?;
        let path = cluster.build("web")?;
        cluster.copy(web, &path)?;
        Ok(path)
    };
    let switch = |path: &str, action: &str| {
        web.exec(&format!("{path}/bin/switch-to-configuration {action}"))
    };

    let second = next(&|_| ())?;
    assert_eq!(switch(&second, "")?.code, 1);
    let dry = switch(&second, "dry-activate")?;
    assert_eq!(dry.code, 0);
    assert_eq!(
        dry.stderr,
        "would activate the configuration...\nwould restart the following units: alpha.service\n"
    );
    assert_eq!(switch(&second, "check")?.code, 0);
    assert_eq!(web.ok(CURRENT)?, first, "neither changes anything");

    let locked = web.exec(&format!(
        "flock /run/nixos/switch-to-configuration.lock {second}/bin/switch-to-configuration test"
    ))?;
    assert_eq!(locked.code, 1, "{locked:?}");
    assert!(locked.stderr.contains("Could not acquire lock"));

    assert_eq!(switch(&second, "test")?.code, 0);
    assert_eq!(web.ok(CURRENT)?.trim(), second);
    assert_eq!(
        web.ok(BOOT_DEFAULT)?,
        first,
        "only `boot` and `switch` move it"
    );
    let program = web.ok("systemctl show -P ExecStart alpha")?;
    assert!(program.contains("alpha-2"), "{program}");

    // What a test leaves behind is gone after a reboot.
    web.reboot()?;
    assert_eq!(web.wait_for_systemd()?, "running");
    assert_eq!(web.ok(CURRENT)?, first);
    assert_eq!(web.ok("readlink /run/booted-system")?, first);
    web.ok("systemctl is-active alpha")?;

    let fails = next(&|declared| declared["activate"] = json!("echo no; exit 7"))?;
    assert_eq!(switch(&fails, "test")?.code, 2);
    assert_eq!(web.ok(CURRENT)?.trim(), fails, "as in the real one");
    let unit = next(&|declared| {
        declared["units"]["beta.service"] =
            json!("[Service]\nType=oneshot\nExecStart=/bin/false\n");
    })?;
    assert_eq!(switch(&unit, "test")?.code, 4);
    let init = next(&|declared| declared["init"] = json!("systemd 300"))?;
    assert_eq!(switch(&init, "test")?.code, 100);
    let bootloader = next(&|declared| declared["bootloader"] = json!("exit 1"))?;
    assert_eq!(switch(&bootloader, "boot")?.code, 1);
    assert_eq!(web.ok(BOOT_DEFAULT)?, first);
    assert_eq!(switch(first.trim(), "test")?.code, 0);
    assert_eq!(web.ok(CURRENT)?, first);
    Ok(())
}

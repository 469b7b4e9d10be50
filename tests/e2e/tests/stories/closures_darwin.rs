//! A host like one of nix-darwin: `activate` instead of `switch-to-configuration`, launchd instead of
//! systemd. A Debian machine with STAND-INS for launchctl, networksetup, pmset and sysctl plays the
//! Mac; Nix, the copy, the store, the profile and the roots are real.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::closures::{CURRENT, PROFILE, installed_mac};
use crate::cluster::Cluster;

/// A system that runs one daemon, in the version of the system.
pub(crate) fn system(version: &str) -> Value {
    json!({
        "version": format!("26.05.{version}"),
        "packages": { "alpha": version },
        "daemons": { "org.nixos.alpha": "@alpha@/bin/alpha" },
        "files": { "alpha.conf": format!("version = {version}\n") },
    })
}

/// What runs, what the profile says, the configuration, and the daemon.
fn state(cluster: &Cluster) -> Result<String> {
    cluster.machine("mac").ok(&format!(
        "{CURRENT}; {PROFILE}; cat /etc/alpha.conf
         launchctl print system/org.nixos.alpha | grep state
         systemctl show -P ExecStart launchd-org.nixos.alpha | grep -o 'alpha-[0-9]*' | head -n 1"
    ))
}

fn expected(path: &str, version: &str) -> String {
    format!("{path}\n{path}\nversion = {version}\n\tstate = running\nalpha-{version}\n")
}

/// No job of ours is left with launchd.
pub(crate) fn quiet(cluster: &Cluster) -> Result<()> {
    let mac = cluster.machine("mac");
    mac.wait_until(
        Duration::from_secs(20),
        "! ls /run/launchd /Library/LaunchDaemons | grep -q deployctl",
    )
}

#[test]
fn a_mac_is_activated_first_and_then_gets_its_profile() -> Result<()> {
    let cluster = installed_mac(&system("1"))?;
    let mac = cluster.machine("mac");
    let first = mac.ok(PROFILE)?;
    let mut declared = system("2");
    declared["activate"] = json!("readlink -f /nix/var/nix/profiles/system >/var/log/profile-then");
    cluster.declare_system("mac", &declared)?;
    mac.ok(": >/var/log/stand-in")?;
    cluster
        .deployctl(&["plan", "mac", "--exit-code"])?
        .expect(3)
        .says("alpha")
        .says("1 to 2");
    cluster.deployctl(&["apply", "mac", "--yes"])?.expect(0);
    let second = cluster.build("mac")?;
    assert_eq!(state(&cluster)?, expected(&second, "2"));
    assert_eq!(mac.read("/var/log/profile-then")?, first);
    let calls = mac.read("/var/log/stand-in")?;
    for call in [
        "networksetup -setdnsservers Ethernet empty",
        "pmset -a sleep 0",
        "launchctl bootout system/org.nixos.alpha",
        "launchctl bootstrap system /Library/LaunchDaemons/org.deployctl.recover.",
    ] {
        assert!(calls.contains(call), "`{call}` is missing in\n{calls}");
    }
    quiet(&cluster)?;

    let before = mac.read("/var/log/stand-in")?;
    cluster
        .deployctl(&["apply", "mac", "--yes"])?
        .expect(0)
        .says("nothing to change");
    assert_eq!(mac.read("/var/log/stand-in")?, before);

    mac.reboot()?;
    mac.wait_for_systemd()?;
    assert_eq!(state(&cluster)?, expected(&second, "2"));
    Ok(())
}

#[test]
fn an_activation_that_fails_on_a_mac_is_undone() -> Result<()> {
    let cluster = installed_mac(&system("1"))?;
    let before = state(&cluster)?;
    let mut declared = system("2");
    declared["activate"] = json!("echo Unexpected files in /etc, aborting activation >&2; exit 1");
    cluster.declare_system("mac", &declared)?;
    cluster
        .deployctl(&["apply", "mac", "--yes"])?
        .expect(5)
        .says("Unexpected files in /etc");
    assert_eq!(state(&cluster)?, before);
    quiet(&cluster)?;
    cluster.declare_system("mac", &system("3"))?;
    cluster.deployctl(&["apply", "mac", "--yes"])?.expect(0);
    let third = cluster.build("mac")?;
    assert_eq!(state(&cluster)?, expected(&third, "3"));
    Ok(())
}

#[test]
fn a_mac_that_cuts_us_off_goes_back_by_itself() -> Result<()> {
    let cluster = installed_mac(&system("1"))?;
    let mac = cluster.machine("mac");
    let before = state(&cluster)?;
    let mut declared = system("2");
    declared["activate"] = json!("ip link set host0 down");
    cluster.declare_system("mac", &declared)?;
    // As networksetup would in the old system: it gives the interface its address.
    mac.write(
        "/usr/sbin/networksetup",
        "#!/bin/sh\necho \"networksetup $*\" >>/var/log/stand-in\nip link set host0 up\n",
    )?;
    cluster
        .deployctl(&["apply", "mac", "--yes", "--timeout", "10"])?
        .expect(5)
        .says("rolled");
    assert_eq!(state(&cluster)?, before);
    quiet(&cluster)
}

#[test]
fn a_mac_that_reboots_in_the_window_goes_back() -> Result<()> {
    let cluster = installed_mac(&system("1"))?;
    let mac = cluster.machine("mac");
    let before = state(&cluster)?;
    let mut declared = system("2");
    declared["activate"] = json!("sleep 30");
    cluster.declare_system("mac", &declared)?;
    let mut apply = cluster
        .command(&["apply", "mac", "--yes", "--timeout", "120"])
        .spawn()?;
    mac.wait_until(Duration::from_secs(40), "grep -q 2 /etc/alpha.conf")?;
    apply.kill()?;
    apply.wait()?;
    mac.power_off()?;
    mac.power_on()?;
    mac.wait_until(
        Duration::from_secs(60),
        "grep -qx rolled-back /var/lib/deployctl/applies/*/phase",
    )?;
    assert_eq!(state(&cluster)?, before);
    quiet(&cluster)
}

const TRY_SECRETS: &str =
    include_str!("../../../../modules/secrets/ubuntu/etc/deployctl/libexec/try-secrets");

/// What our module of secrets puts into a system of a Mac, with the real age; that nix-darwin puts it there, no stand-in
/// can show.
#[test]
fn a_mac_that_cannot_open_a_secret_stays_as_it_is() -> Result<()> {
    let cluster = installed_mac(&system("1"))?;
    let mac = cluster.machine("mac");
    mac.write("/usr/bin/age", std::fs::read("/usr/bin/age")?)?;
    mac.ok("chmod 0755 /usr/bin/age")?;
    let before = state(&cluster)?;
    let preflight = "set -- /usr/bin/age /etc/ssh/ssh_host_ed25519_key 'token:/var/token.age other:/var/other.age'\n".to_owned()
        + TRY_SECRETS;
    let mut declared = system("2");
    declared["files"]["deployctl/preflight"] = json!(preflight);
    cluster.declare_system("mac", &declared)?;
    mac.ok("ssh-keygen -q -t ed25519 -N '' -f /var/other-key
         echo value | age -R /var/other-key.pub -o /var/token.age")?;
    mac.ok(": >/var/log/stand-in")?;
    cluster
        .deployctl(&["apply", "mac", "--yes"])?
        .expect(9)
        .says("there is no file of: other; not encrypted to this host's `/etc/ssh/ssh_host_ed25519_key`: token");
    assert_eq!(state(&cluster)?, before);
    // Nothing but questions.
    mac.ok("! grep -v '^launchctl print ' /var/log/stand-in")?;
    quiet(&cluster)?;
    // Where another program activates a system: what is empty is refused, and nothing else.
    mac.write("/var/try", TRY_SECRETS)?;
    let tried = |secrets: &str| {
        mac.exec(&format!(
            "sh /var/try /usr/bin/age /etc/ssh/ssh_host_ed25519_key '{secrets}' empty"
        ))
    };
    assert_eq!(tried("token:/var/token.age other:/var/other.age")?.code, 0);
    mac.ok(": | age -R /etc/ssh/ssh_host_ed25519_key.pub -o /var/empty.age")?;
    let refused = tried("token:/var/token.age empty:/var/empty.age")?;
    assert_eq!(refused.code, 1);
    assert_eq!(
        refused.stderr,
        "empty: empty (`deployctl secret set` gives it a value)\n"
    );
    for name in ["token", "other"] {
        mac.ok(&format!(
            "echo value | age -R /etc/ssh/ssh_host_ed25519_key.pub -o /var/{name}.age"
        ))?;
    }
    cluster.deployctl(&["apply", "mac", "--yes"])?.expect(0);
    let second = cluster.build("mac")?;
    assert_eq!(state(&cluster)?, expected(&second, "2"));
    Ok(())
}

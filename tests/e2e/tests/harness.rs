//! The fixture's own tests: that the machines are like real ones, and that nothing of them stays.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use deployctl_e2e::{AptRepo, Deb, Machine, MachineSpec, Sudo, User, World, real_packages};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Runs a script that must succeed as the user says.
fn login(machine: &Machine, user: User, script: &str) -> Result<String> {
    let output = machine.ssh(user, script)?;
    assert!(output.success(), "{output:?}");
    Ok(output.stdout)
}

#[test]
fn two_machines_are_real_and_reach_each_other() -> Result<()> {
    let world = World::new()?;
    let machines = world.boot_all(&[MachineSpec::new("cuda"), MachineSpec::new("linode")])?;
    let [cuda, linode] = &machines[..] else {
        panic!("two were asked for");
    };
    assert_eq!(login(cuda, User::Root, "id -un; hostname")?, "root\ncuda\n");
    assert_eq!(
        login(linode, User::Operator, "sudo -n id -un; hostname")?,
        "root\nlinode\n"
    );
    cuda.ok(&format!("ping -c1 -W2 {}", linode.address()))?;
    cuda.ok(&format!("ping -c1 -W2 {}", world.address()))?;
    for (machine, text) in [(cuda, "cuda"), (linode, "linode")] {
        assert_eq!(machine.wait_for_systemd()?, "running", "{text}");
    }
    for path in [
        "/etc/machine-id",
        "/etc/ssh/ssh_host_ed25519_key.pub",
        BOOT_ID,
    ] {
        assert_ne!(cuda.read(path)?, linode.read(path)?, "{path}");
    }

    // Each has network settings of its own; what all share with the computer cannot be written.
    cuda.ok("sysctl -qw net.core.somaxconn=1234")?;
    assert_ne!(linode.ok("sysctl -n net.core.somaxconn")?, "1234\n");
    assert!(!cuda.exec("sysctl -qw vm.swappiness=1")?.success());
    cuda.ok("nft add table inet mine")?;
    assert!(!linode.ok("nft list tables")?.contains("mine"));

    cuda.ok("systemd-run --on-active=1 --timer-property=AccuracySec=100ms touch /var/fired")?;
    cuda.wait_until(Duration::from_secs(10), "test -e /var/fired")?;
    Ok(())
}

#[test]
fn reboot_keeps_the_disk_and_is_a_new_boot() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(
        &MachineSpec::new("vm")
            .nic("cluster0")
            .file("/etc/motd", "hi\n"),
    )?;
    let boot_id = machine.read(BOOT_ID)?;
    assert_eq!(machine.read("/etc/motd")?, "hi\n");
    machine.write("/srv/it's here", "kept\n")?;
    machine.write("/run/gone", "")?;
    machine.ok("ip link set cluster0 mtu 9000 up")?;

    machine.reboot()?;
    assert_eq!(machine.read("/srv/it's here")?, "kept\n");
    assert!(!machine.exists("/run/gone")?);
    let second = machine.read(BOOT_ID)?;
    assert_ne!(second, boot_id);
    machine.ok("ip link show cluster0")?;

    machine.power_off()?;
    assert_eq!(
        machine.read("/srv/it's here")?,
        "kept\n",
        "the disk is there while it is off"
    );
    machine.write("/srv/from outside", "")?;
    assert!(
        machine
            .ssh(User::Root, "true")
            .is_ok_and(|output| output.code == 255)
    );
    machine.power_on()?;
    assert!(machine.exists("/srv/from outside")?);
    assert_ne!(machine.read(BOOT_ID)?, second);
    assert_eq!(login(&machine, User::Operator, "id -un")?, "operator\n");
    Ok(())
}

#[test]
fn cut_link_silences_a_machine_that_runs_on() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("vm"))?;
    machine.cut_link()?;
    let output = machine.ssh(User::Root, "true")?;
    assert_eq!(output.code, 255, "{output:?}");
    machine.ok("true")?;
    machine.restore_link()?;
    machine.wait_for_login()?;
    assert_eq!(login(&machine, User::Root, "id -un")?, "root\n");
    Ok(())
}

#[test]
fn operator_may_do_what_the_spec_says() -> Result<()> {
    let world = World::new()?;
    let machines = world.boot_all(&[
        MachineSpec::new("asks").sudo(Sudo::Password),
        MachineSpec::new("refuses").sudo(Sudo::Refused),
    ])?;
    let [asks, refuses] = &machines[..] else {
        panic!("two were asked for");
    };
    assert!(!asks.ssh(User::Operator, "sudo -n true")?.success());
    assert_eq!(
        login(asks, User::Operator, "echo operator | sudo -S -p '' id -un")?,
        "root\n"
    );
    assert!(
        !refuses
            .ssh(User::Operator, "echo operator | sudo -S -p '' true")?
            .success()
    );
    Ok(())
}

#[test]
fn controller_has_the_worlds_network_home_and_key() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("vm"))?;
    let known_hosts = world.home().join(".ssh/known_hosts");
    std::fs::write(known_hosts, machine.ssh_access().known_hosts_line())?;
    let address = format!("operator@{}", machine.address());
    let output = world
        .controller("ssh")
        .args(["-o", "BatchMode=yes", &address, "id -un"])
        .output()?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "operator\n",
        "{output:?}"
    );

    let output = world.controller("env").output()?;
    let home = format!("HOME={}\n", world.home().display());
    let environment = String::from_utf8(output.stdout)?;
    assert!(environment.contains(&home), "{environment}");
    assert!(!environment.contains("CARGO"), "{environment}");
    Ok(())
}

#[test]
fn apt_installs_from_the_local_archive() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("vm"))?;
    let archive = world.scratch().join("archive");
    machine.use_apt_repo(&AptRepo::build(&archive, &real_packages())?)?;
    let install = |arguments: &str| {
        machine.exec(&format!(
            "DEBIAN_FRONTEND=noninteractive apt-get -qy install {arguments}"
        ))
    };
    let version = |package: &str| machine.ok(&format!("dpkg-query -W -f '${{Version}}' {package}"));

    // Unpinned, the newest wins, built for the wrong CUDA: the trap of the real archive.
    let simulated = install("-s libnvinfer10")?;
    assert!(
        simulated.stdout.contains("10.16.1.11-1+cuda13.2"),
        "{simulated:?}"
    );
    let output = install(
        "libnvinfer10=10.7.0.23-1+cuda12.6 nvidia-headless-580-server-open nvidia-utils-580-server",
    )?;
    assert!(output.success(), "{output:?}");
    assert_eq!(version("libnvinfer10")?, "10.7.0.23-1+cuda12.6");
    assert_eq!(machine.exec("nvidia-smi")?.code, 6);

    let output = install("-s hostile-conflict")?;
    assert!(
        output.stdout.contains("Remv nvidia-utils-580-server"),
        "{output:?}"
    );
    let output = install("failing-postinst")?;
    assert!(!output.success(), "{output:?}");
    assert!(output.stdout.contains("no such device") || output.stderr.contains("no such device"));
    machine.ok("dpkg --purge --force-all failing-postinst")?;

    // A service is started, unless a policy holds it back.
    machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")?;
    machine.ok("chmod +x /usr/sbin/policy-rc.d")?;
    assert!(install("haproxy")?.success());
    assert!(!machine.exec("systemctl is-active haproxy")?.success());
    machine.ok("rm /usr/sbin/policy-rc.d")?;
    assert!(install("prometheus-node-exporter")?.success());
    machine.ok("systemctl is-active prometheus-node-exporter")?;
    assert_eq!(machine.ok("systemctl is-enabled haproxy")?, "enabled\n");

    // A newer version is published; a changed conffile survives it.
    machine.write("/etc/haproxy/haproxy.cfg", "mine\n")?;
    let newer = Deb::new("haproxy", "3.0").conffile("/etc/haproxy/haproxy.cfg", "theirs\n");
    machine.use_apt_repo(&AptRepo::build(&archive, &[newer])?)?;
    assert!(install("-o Dpkg::Options::=--force-confold haproxy")?.success());
    assert_eq!(version("haproxy")?, "3.0");
    assert_eq!(machine.read("/etc/haproxy/haproxy.cfg")?, "mine\n");
    Ok(())
}

/// Returns every trace of a world that can be seen on this computer.
fn traces(id: &str) -> Result<Vec<String>> {
    let script = "cat /proc/self/mountinfo
        ip -o link; ip netns list
        find /sys/fs/cgroup -name 'dctl-*'
        ls -d /run/systemd/nspawn/propagate/* \"$1\"/*
        for line in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$line; echo; done";
    let cache = std::env::var("DEPLOYCTL_TESTS_CACHE")
        .unwrap_or_else(|_| "/var/cache/deployctl-tests".to_owned());
    let output = Command::new("sh")
        .args(["-c", script, "sh", &format!("{cache}/worlds")])
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(id))
        .map(str::to_owned)
        .collect())
}

#[test]
fn nothing_stays_of_a_dropped_world() -> Result<()> {
    let world = World::new()?;
    let machine = world.boot(&MachineSpec::new("vm"))?;
    let id = world.ns().trim_start_matches("dctl-").to_owned();
    assert!(traces(&id)?.len() > 3, "{:?}", traces(&id)?);
    // A stray process of the controller's, as an ssh master is.
    let mut stray = world.controller("sleep").arg("1000").spawn()?;
    drop(world);
    assert!(
        machine.exec("true")?.success(),
        "a machine keeps its world alive"
    );
    drop(machine);
    assert_eq!(traces(&id)?, [""; 0]);
    assert!(!stray.wait()?.success());
    Ok(())
}

#[test]
fn sweep_removes_what_a_killed_test_leaves() -> Result<()> {
    let mut killed = Command::new(env!("CARGO_BIN_EXE_deployctl-machines"))
        .args(["up", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = killed.stdout.take().context("stdout is a pipe")?;
    let line = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("netns"))
        .context("no machine came up")?;
    let (_, id) = line.split_once("dctl-").context("no id")?;
    let id = &id[..6];

    let sweep = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sweep");
        Command::new(script).status()
    };
    assert!(sweep()?.success());
    assert!(
        traces(id)?.len() > 3,
        "what is in use stays: {:?}",
        traces(id)?
    );
    killed.kill()?;
    killed.wait()?;
    // Every new world sweeps, so another test may come first.
    assert!(sweep()?.success());
    // The kernel takes a moment to bury the processes of a control group.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !traces(id)?.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(traces(id)?, [""; 0]);
    Ok(())
}

//! Packages by real apt, from an archive of the test's own whose packages bear real names.

use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::{AptRepo, Deb, Machine, MachineSpec, real_packages};
use serde_json::json;

use crate::cluster::Cluster;
use crate::demo;

const DRIVER: &str = "580.173.02-0ubuntu0.24.04.1";

/// An adopted machine `web` whose apt knows our archive alone.
fn with_archive() -> Result<Cluster> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &real_packages())?;
    cluster.machine("web").use_apt_repo(&archive)?;
    cluster.adopt_all()?;
    Ok(cluster)
}

fn declare(cluster: &Cluster, packages: &serde_json::Value) -> Result<()> {
    cluster.redeclare("web", |facts| {
        facts["extra"] = json!({
            "files": [demo::file("/etc/alpha.conf", "colour = red\n")],
            "packages": packages,
            "units": {},
        });
    })
}

fn installed(cluster: &Cluster, package: &str) -> Result<String> {
    let query = format!(
        "dpkg-query -W -f '${{db:Status-Abbrev}}${{Version}}' {package} 2>/dev/null || true"
    );
    cluster.machine("web").ok(&query)
}

#[test]
fn pinned_packages_are_installed_held_and_then_left_alone() -> Result<()> {
    let cluster = with_archive()?;
    declare(
        &cluster,
        &json!({ "nvidia-headless-580-server-open": DRIVER, "libnvinfer10": "10.7.0.23-1+cuda12.6", "haproxy": null }),
    )?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("10.7.0.23-1+cuda12.6");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(
        installed(&cluster, "libnvinfer10")?,
        "hi 10.7.0.23-1+cuda12.6"
    );
    assert_eq!(
        installed(&cluster, "nvidia-dkms-580-server-open")?,
        format!("ii {DRIVER}")
    );
    let web = cluster.machine("web");
    assert_eq!(
        web.ok("systemctl is-active haproxy || true")?.trim(),
        "inactive",
        "a package's own start is held back; only declared units run"
    );
    assert!(!web.exists("/usr/sbin/policy-rc.d")?);
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("nothing to change");

    // Released from our care, the package stays and its hold goes.
    declare(&cluster, &json!({}))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(
        installed(&cluster, "libnvinfer10")?,
        "ii 10.7.0.23-1+cuda12.6"
    );
    Ok(())
}

#[test]
fn a_pin_that_the_archive_no_longer_has_is_refused() -> Result<()> {
    let cluster = with_archive()?;
    declare(&cluster, &json!({ "libnvinfer10": "10.6.0.26-1+cuda12.6" }))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("libnvinfer10")
        .says("10.6.0.26-1+cuda12.6")
        .says("10.16.1.11-1+cuda13.2");
    assert_eq!(installed(&cluster, "libnvinfer10")?, "");
    assert!(!cluster.machine("web").exists("/etc/alpha.conf")?);
    apt_at_work(&cluster, cluster.machine("web"))
}

/// Somebody installs, and is killed in the middle.
fn apt_at_work(cluster: &Cluster, web: &Machine) -> Result<()> {
    declare(cluster, &json!({ "slow-postinst": null, "haproxy": null }))?;
    web.ok(
        "touch /run/slow; systemd-run --quiet --unit=theirs apt-get -qqy install slow-postinst",
    )?;
    let half = "dpkg-query -W -f '${db:Status-Status}' slow-postinst 2>/dev/null | grep -qx half-configured";
    web.wait_until(Duration::from_secs(20), half)?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("holds `/var/lib/dpkg/lock-frontend`")
        .says("holds `/var/lib/dpkg/lock`")
        .says("an apply waits for it, at most 5 minutes");
    web.ok("systemctl kill -s KILL theirs; rm /run/slow")?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(9)
        .says("dpkg was interrupted on the host: `slow-postinst` is half-configured")
        .says("dpkg --configure -a");
    cluster
        .deployctl(&["verify", "web", "--only", "extra/packages"])?
        .expect(4)
        .says("slow-postinst is unpacked or half configured")
        .says("dpkg --configure -a");
    web.ok("dpkg --configure -a >/dev/null 2>&1")?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(())
}

#[test]
fn a_package_that_would_remove_another_is_refused() -> Result<()> {
    let cluster = with_archive()?;
    declare(&cluster, &json!({ "nvidia-utils-580-server": DRIVER }))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    declare(
        &cluster,
        &json!({ "nvidia-utils-580-server": DRIVER, "hostile-conflict": "1.0" }),
    )?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("nvidia-utils-580-server");
    assert_eq!(
        installed(&cluster, "nvidia-utils-580-server")?,
        format!("hi {DRIVER}")
    );

    // Held or not, what nobody declares is not removed either.
    cluster
        .machine("web")
        .ok("apt-mark -q unhold nvidia-utils-580-server")?;
    declare(&cluster, &json!({ "hostile-conflict": "1.0" }))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("nvidia-utils-580-server");
    assert_eq!(installed(&cluster, "hostile-conflict")?, "");
    Ok(())
}

#[test]
fn a_downgrade_is_refused() -> Result<()> {
    let cluster = with_archive()?;
    declare(
        &cluster,
        &json!({ "libnvinfer10": "10.16.1.11-1+cuda13.2" }),
    )?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    declare(&cluster, &json!({ "libnvinfer10": "10.7.0.23-1+cuda12.6" }))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("libnvinfer10")
        .says("downgrade");
    assert_eq!(
        installed(&cluster, "libnvinfer10")?,
        "hi 10.16.1.11-1+cuda13.2"
    );
    Ok(())
}

#[test]
fn a_failing_postinst_rolls_the_files_back_and_names_the_packages_kept() -> Result<()> {
    let cluster = with_archive()?;
    declare(&cluster, &json!({ "failing-postinst": "1.0" }))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(5)
        .says("failing-postinst");
    let web = cluster.machine("web");
    assert!(!web.exists("/etc/alpha.conf")?);
    assert!(!web.exists("/usr/sbin/policy-rc.d")?);
    Ok(())
}

#[test]
fn a_changed_conffile_survives_an_upgrade() -> Result<()> {
    let cluster = with_archive()?;
    declare(&cluster, &json!({ "haproxy": "2.8.5-1ubuntu3" }))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    let web = cluster.machine("web");
    web.write("/etc/haproxy/haproxy.cfg", "mine\n")?;
    let newer = Deb::new("haproxy", "3.0").conffile("/etc/haproxy/haproxy.cfg", "theirs\n");
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[newer])?;
    web.use_apt_repo(&archive)?;
    declare(&cluster, &json!({ "haproxy": "3.0" }))?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(installed(&cluster, "haproxy")?, "hi 3.0");
    assert_eq!(web.read("/etc/haproxy/haproxy.cfg")?, "mine\n");
    Ok(())
}

#[test]
fn a_clock_daemon_takes_the_place_of_another_as_declared() -> Result<()> {
    let cluster = with_archive()?;
    let web = cluster.machine("web");
    // As on a new Ubuntu: systemd-timesyncd is there, and chrony excludes it.
    let timesyncd = Deb::new("systemd-timesyncd", "255");
    let chrony = Deb::new("chrony", "99:4.5")
        .conflicts("systemd-timesyncd")
        .service("chrony.service");
    web.ok("apt-get -qy purge chrony")?;
    web.use_apt_repo(&AptRepo::build(
        &cluster.world.scratch().join("apt"),
        &[timesyncd, chrony],
    )?)?;
    web.ok("apt-get -qy install systemd-timesyncd")?;
    let declared: serde_json::Value =
        serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    cluster.redeclare("web", |facts| {
        facts["time"] = declared["hosts"]["linode"]["time"].clone();
    })?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("in the place of")
        .says("systemd-timesyncd");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(installed(&cluster, "chrony")?, "ii 99:4.5");
    assert!(!installed(&cluster, "systemd-timesyncd")?.starts_with("ii"));
    Ok(())
}

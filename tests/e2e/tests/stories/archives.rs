//! An archive beside the distribution's own: tried before anything changes, taken back as a whole, refused for every other key.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec, SigningKey, World, real_packages};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::demo;

const PORT: u16 = 8080;
const FILES: [&str; 3] = [
    "/etc/apt/sources.list.d/deployctl-vendor.sources",
    "/etc/apt/keyrings/deployctl-vendor.asc",
    "/etc/apt/preferences.d/deployctl-vendor.pref",
];

/// A folder that a web server of the controller's network gives to everybody.
struct Served(Child);

impl Served {
    fn start(world: &World, folder: &PathBuf) -> Result<Self> {
        let address = world.address().to_string();
        let mut python = world.controller("python3");
        python.args(["-m", "http.server", &PORT.to_string(), "--bind", &address]);
        python.arg("--directory").arg(folder);
        let served = Self(python.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let since = Instant::now();
        let probe = format!("exec 3<>/dev/tcp/{address}/{PORT}");
        while !world
            .controller("bash")
            .args(["-c", &probe])
            .stderr(Stdio::null())
            .status()?
            .success()
        {
            ensure!(
                since.elapsed() < Duration::from_secs(20),
                "the server did not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The world's end would end it as well.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn archive(world: &World, key: &SigningKey) -> Result<Value> {
    Ok(json!({
        "uris": [format!("http://{}:{PORT}/vendor", world.address())],
        "suites": ["/"],
        "key": key.public()?,
        "fingerprints": [key.fingerprint()],
        "packages": ["vendor-*"],
    }))
}

fn declare(cluster: &Cluster, archive: Option<&Value>, packages: &Value) -> Result<()> {
    cluster.redeclare("web", |facts| {
        facts["apt"] = match archive {
            Some(archive) => json!({ "archives": { "vendor": archive } }),
            None => Value::Null,
        };
        facts["extra"] = json!({
            "files": [demo::file("/etc/alpha.conf", "colour = red\n")],
            "packages": packages,
            "units": {},
        });
    })
}

/// Nothing of the archive is on the machine, and its apt works.
fn untouched(web: &Machine) -> Result<()> {
    for file in FILES {
        assert!(!web.exists(file)?, "{file} is there");
    }
    assert_eq!(web.ok("ls /var/lib/apt/lists | grep vendor || true")?, "");
    web.ok("apt-get -q update 2>&1 | tee /run/said; ! grep -q '^[EW]' /run/said")?;
    Ok(())
}

fn installed(web: &Machine, package: &str) -> Result<String> {
    web.ok(&format!(
        "dpkg-query -W -f '${{db:Status-Abbrev}}${{Version}}' {package} 2>/dev/null || true"
    ))
}

/// Both checks pass, by what apt itself holds.
fn signed_by(cluster: &Cluster, key: &SigningKey) -> Result<()> {
    let run = cluster
        .deployctl(&["verify", "web", "--only", "apt", "--json"])?
        .expect(0);
    let report = run.json();
    let checks = report["hosts"][0]["checks"].as_array().cloned();
    let told = |check: &str| {
        let mut checks = checks.iter().flatten();
        let found = checks.find(|it| it["check"] == check).cloned();
        let found = found.unwrap_or_default();
        assert_eq!(found["status"]["status"], "pass", "{check}: {report}");
        found["evidence"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        told("apt/archive/vendor"),
        format!("signed by {}", key.fingerprint())
    );
    assert_eq!(told("apt/packages/vendor"), "vendor-lib vendor-tool");
    Ok(())
}

#[test]
fn an_archive_comes_with_its_key_and_goes_with_it() -> Result<()> {
    story(Base::Plain, "12")
}

/// Its apt verifies by sqv, and speaks otherwise.
#[test]
fn an_archive_comes_and_goes_on_debian_13() -> Result<()> {
    story(Base::Debian13, "13")
}

fn story(base: Base, version: &str) -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web").base(base)])?;
    cluster.redeclare("web", |facts| {
        facts["os"] = json!({ "id": "debian", "version": version });
    })?;
    let (world, web) = (&cluster.world, cluster.machine("web"));
    let own = AptRepo::build(&world.scratch().join("apt"), &real_packages())?;
    web.use_apt_repo(&own)?;
    // Else apt alone would try what is away for half a minute.
    web.write("/etc/apt/apt.conf.d/90tests", "Acquire::Retries \"0\";\n")?;
    cluster.adopt_all()?;
    let folder = world.scratch().join("served");
    let vendor = AptRepo::build(
        &folder.join("vendor"),
        &[
            Deb::new("vendor-tool", "1.0").depends("vendor-lib"),
            Deb::new("vendor-lib", "1.0"),
            // What the archive must not bring, though it is newer.
            Deb::new("haproxy", "99.0"),
        ],
    )?;
    let key = SigningKey::make(&world.scratch().join("key"))?;
    let second = SigningKey::make(&world.scratch().join("second"))?;
    let declared = archive(world, &key)?;
    let tool = json!({ "vendor-tool": null });
    let refused = |packages: &Value, words: &[&str]| -> Result<()> {
        declare(&cluster, Some(&declared), packages)?;
        let mut run = cluster.deployctl(&["apply", "web", "--yes"])?.expect(9);
        for word in words {
            run = run.says(word);
        }
        assert!(!web.exists("/etc/alpha.conf")?);
        assert_eq!(installed(web, "vendor-tool")?, "");
        untouched(web)
    };

    // Away; then signed by another key than the declared one; then out of date.
    refused(
        &tool,
        &[
            "deployctl-vendor.sources",
            "Could not connect to 10.231.0.1:8080",
            "cannot reach that archive",
        ],
    )?;
    let served = Served::start(world, &folder)?;
    vendor.sign(&second, "")?;
    refused(
        &json!({}),
        &[
            "deployctl-vendor.sources",
            &second.fingerprint()[24..],
            "did not sign it",
        ],
    )?;
    vendor.sign(&key, "Valid-Until: Thu, 01 Jan 2026 00:00:00 UTC\n")?;
    refused(&tool, &["is expired"])?;
    vendor.sign(&key, "")?;
    refused(
        &json!({ "vendor-other": null }),
        &["Unable to locate package vendor-other"],
    )?;

    // Another file of the host names the same archive with another key.
    let theirs = "/etc/apt/sources.list.d/cuda-vendor.list";
    let line = format!(
        "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://{}:{PORT}/vendor/ /\n",
        world.address()
    );
    web.write(theirs, line)?;
    let longer = format!(
        "deb http://{}:{PORT}/vendor-of-others/ /\n",
        world.address()
    );
    web.write("/etc/apt/sources.list.d/others.list", longer)?;
    declare(&cluster, Some(&declared), &tool)?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says(&format!("is named by `{theirs}`, too"))
        .says("Conflicting values set for option Signed-By")
        .says("remove that file");
    web.ok(&format!("rm {theirs} /etc/apt/sources.list.d/others.list"))?;
    untouched(web)?;

    // Its pins would count for another archive of the same site.
    AptRepo::build(&folder.join("others"), &[Deb::new("others-tool", "1.0")])?;
    let line = format!(
        "deb [trusted=yes] http://{}:{PORT}/others/ /\n",
        world.address()
    );
    web.write("/etc/apt/sources.list.d/others.list", line)?;
    web.ok("apt-get -q update")?;
    declare(&cluster, Some(&declared), &tool)?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("would count for other sources of the host")
        .says("/etc/apt/sources.list.d/others.list names 10.231.0.1");
    web.ok("rm /etc/apt/sources.list.d/others.list && apt-get -q update")?;
    untouched(web)?;

    // A gate fails: the archive goes, what came from it stays.
    cluster.redeclare("web", |facts| {
        facts["extra"]["checks"] = json!({ "never": {
            "command": "echo no", "status": 0, "contains": ["yes"], "deadline_seconds": 5, "retries": 0, "gate": true,
        } });
    })?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says(&format!(
            "new archive `http://{}:{PORT}/vendor` `/`, with the key {}",
            world.address(),
            key.fingerprint()
        ));
    cluster
        .deployctl(&["apply", "web", "--yes", "--timeout", "20"])?
        .expect(5)
        .says("everything was put back and verified");
    assert_eq!(installed(web, "vendor-tool")?, "ii 1.0");
    untouched(web)?;
    web.ok("apt-get -qy purge vendor-tool vendor-lib")?;

    declare(&cluster, Some(&declared), &tool)?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(installed(web, "vendor-tool")?, "ii 1.0");
    let closed = "find /var/lib/apt/lists -name '*vendor*' ! -perm 0644";
    assert_eq!(web.ok(closed)?, "", "everybody reads lists");
    let policy = web.ok("apt-cache policy haproxy")?;
    assert!(policy.contains("Candidate: 2.8.5-1ubuntu3"), "{policy}");
    signed_by(&cluster, &key)?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("nothing to change");

    // The owner has a new key: the facts follow, and what the host had is no longer good.
    vendor.sign(&second, "")?;
    let declared = archive(world, &second)?;
    declare(&cluster, Some(&declared), &tool)?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("changed archive")
        .says(second.fingerprint());
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    signed_by(&cluster, &second)?;

    // It is away, and was good before: what it does not offer is told with why nothing newer could be read.
    drop(served);
    declare(&cluster, Some(&declared), &json!({ "vendor-other": null }))?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("Unable to locate package vendor-other")
        .says("Could not connect to 10.231.0.1:8080");
    declare(&cluster, None, &json!({}))?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says("packages that came from its archives stay");
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    web.ok("apt-get -q update")?;
    untouched(web)?;
    assert_eq!(installed(web, "vendor-tool")?, "ii 1.0");
    Ok(())
}

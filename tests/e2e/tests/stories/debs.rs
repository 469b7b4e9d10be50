//! A kernel of one's own, in packages that no archive offers: staged, checked, installed by apt, upgraded, kept by a rollback.

use std::fs;

use anyhow::Result;
use deployctl_core::rendered::Sha256Hex;
use deployctl_e2e::{AptRepo, Deb, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;

const IMAGE: &str = "linux-image-6.12.63-deployctl";
const KERNEL: &str = "/boot/vmlinuz-6.12.63-deployctl";
const INCOMING: &str = "/srv/incoming";

/// The image, with what the archive has for it.
fn image(version: &str) -> Deb {
    Deb::new(IMAGE, version)
        .depends("haproxy")
        .file(KERNEL, &format!("the kernel, {version}\n"))
}

/// A machine `web`, whose archive has what the packages need, and not them.
struct Story {
    cluster: Cluster,
}

impl Story {
    fn begin() -> Result<Self> {
        let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
        let archive = cluster.world.scratch().join("archive");
        let archive = AptRepo::build(&archive, &[Deb::new("haproxy", "2.8")])?;
        cluster.machine("web").use_apt_repo(&archive)?;
        cluster.adopt_all()?;
        Ok(Self { cluster })
    }

    /// Puts the package on the machine, as somebody who built it does; what declares it.
    fn put(&self, package: Deb, name: &str, version: &str) -> Result<Value> {
        let folder = self.cluster.path("built");
        AptRepo::build(&folder, &[package])?;
        let path = format!("{name}_{version}_all.deb");
        let bytes = fs::read(folder.join("pool").join(&path))?;
        let web = self.cluster.machine("web");
        web.ok(&format!("mkdir -p {INCOMING}"))?;
        web.write(&format!("{INCOMING}/{path}"), &bytes)?;
        Ok(json!({
            "name": name,
            "version": version,
            "architecture": "all",
            "path": path,
            "size": bytes.len(),
            "sha256": Sha256Hex::of(&bytes),
        }))
    }

    /// The controller sends them.
    fn declare(&self, packages: &[&Value]) -> Result<()> {
        self.declare_from(("upload", "built/pool"), packages)
    }

    fn declare_from(&self, source: (&str, &str), packages: &[&Value]) -> Result<()> {
        self.cluster.redeclare("web", |facts| {
            facts["debs"] = json!({
                "folder": "/srv/debs",
                "packages": packages,
                source.0: source.1,
            });
        })
    }

    fn installed(&self) -> Result<String> {
        let query = format!(
            "dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' {IMAGE} 2>/dev/null || true"
        );
        self.cluster.machine("web").ok(&query)
    }

    fn in_use(&self) -> Result<String> {
        let link = "readlink /srv/debs/current || echo none";
        self.cluster.machine("web").ok(link)
    }
}

#[test]
fn packages_of_one_s_own_are_installed_from_files() -> Result<()> {
    let story = Story::begin()?;
    let first = story.put(image("1"), IMAGE, "1")?;
    refused(&story, &first)?;
    installed(&story, &first)?;
    let second = story.put(image("2"), IMAGE, "2")?;
    upgraded(&story, &first, &second)?;
    let third = image("3").postinst("echo no initramfs for it >&2; exit 1");
    let third = story.put(third, IMAGE, "3")?;
    kept(&story, &second, &third)?;
    let_go(&story)
}

/// What cannot be installed changes nothing.
fn refused(story: &Story, first: &Value) -> Result<()> {
    let cluster = &story.cluster;
    let mut altered = first.clone();
    altered["sha256"] = json!("a5".repeat(32));
    story.declare_from(("directory", INCOMING), &[&altered])?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(7)
        .says("nothing was changed")
        .says("is not what is declared: its sha256 is ");

    let mut another = first.clone();
    another["version"] = json!("9");
    story.declare(&[&another])?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says(&format!("holds `{IMAGE}=1`, and not `{IMAGE}=9`"));

    let needy = Deb::new("needy", "1").depends("what-nobody-has");
    let needy = story.put(needy, "needy", "1")?;
    story.declare(&[&needy])?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(9)
        .says("what-nobody-has");

    let mut foreign = first.clone();
    foreign["architecture"] = json!("arm64");
    story.declare(&[&foreign])?;
    cluster
        .deployctl(&["inventory", "--check"])?
        .expect(2)
        .says("and the host is `amd64`");
    assert_eq!(story.installed()?, "");
    assert_eq!(story.in_use()?.trim(), "none");
    Ok(())
}

fn installed(story: &Story, first: &Value) -> Result<()> {
    let cluster = &story.cluster;
    story.declare(&[first])?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says(&format!("{IMAGE}  install 1, from /srv/debs/releases/"))
        .says(&format!("`{IMAGE}` is a kernel; "));
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(story.installed()?, "installed 1");
    let haproxy = "dpkg-query -W -f '${db:Status-Status}' haproxy";
    assert_eq!(cluster.machine("web").ok(haproxy)?, "installed");
    let only = ["verify", "web", "--only", "debs/*"];
    cluster.deployctl(&only)?.expect(0);
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("nothing to change");
    let web = cluster.machine("web");
    web.ok(&format!("echo altered >>{KERNEL}"))?;
    cluster.deployctl(&only)?.expect(4).says(KERNEL);
    web.write(KERNEL, "the kernel, 1\n")?;
    cluster.deployctl(&only)?.expect(0);
    Ok(())
}

fn upgraded(story: &Story, first: &Value, second: &Value) -> Result<()> {
    let cluster = &story.cluster;
    // Built again without another version: apt would leave it as it is.
    let mut again = first.clone();
    again["sha256"] = json!("5a".repeat(32));
    story.declare(&[&again])?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(9)
        .says("the declared file of that version has other bytes");
    story.declare(&[second])?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(0)
        .says(&format!(
            "{IMAGE}  upgrade 1 to 2, from /srv/debs/releases/"
        ));
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    assert_eq!(story.installed()?, "installed 2");
    story.declare(&[first])?;
    cluster
        .deployctl(&["plan", "web"])?
        .expect(9)
        .says("packages only go forward");
    Ok(())
}

/// A package that cannot be configured stays, and the link goes back.
fn kept(story: &Story, second: &Value, third: &Value) -> Result<()> {
    let cluster = &story.cluster;
    let before = story.in_use()?;
    story.declare(&[third])?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(5)
        .says("no initramfs for it")
        .says("dpkg --configure -a");
    assert_eq!(story.in_use()?, before);
    // A person takes the former one, since packages go back by hand alone.
    let file = second["path"].as_str().unwrap_or_default();
    let by_hand = format!("dpkg --install {INCOMING}/{file} >/dev/null");
    cluster.machine("web").ok(&by_hand)?;
    story.declare(&[second])?;
    cluster
        .deployctl(&["apply", "web", "--yes"])?
        .expect(0)
        .says("nothing to change");
    Ok(())
}

/// Undeclared, the package stays installed, and its files go with `gc`.
fn let_go(story: &Story) -> Result<()> {
    let cluster = &story.cluster;
    cluster.redeclare("web", |facts| {
        facts.as_object_mut().map(|facts| facts.remove("debs"));
    })?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    cluster.deployctl(&["gc", "web", "--yes"])?.expect(0);
    assert_eq!(story.installed()?, "installed 2");
    let left = "find /srv/debs -name '*.deb'";
    assert_eq!(cluster.machine("web").ok(left)?, "");
    Ok(())
}

//! A package archive of our own, with small packages that bear real names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::machine::Machine;
use crate::output::{run, stdout_of};

mod deb;

pub use deb::Deb;

/// Where machines have their copy.
const ON_MACHINE: &str = "/srv/deployctl-apt";

/// A directory that apt can use as an archive: packages, their index, and a `Release` file.
#[derive(Debug)]
pub struct AptRepo {
    dir: PathBuf,
}

impl AptRepo {
    /// Builds packages and their index below `dir`. To publish more versions later, build again
    /// into the same directory and call [`Machine::use_apt_repo`] again.
    pub fn build(dir: &Path, packages: &[Deb]) -> Result<Self> {
        fs::create_dir_all(dir.join("pool"))?;
        for package in packages {
            package
                .build(&dir.join("pool"))
                .with_context(|| format!("failed to build package `{}`", package.file_name()))?;
        }
        let index = |arguments: &[&str]| {
            stdout_of(
                Command::new("apt-ftparchive")
                    .args(arguments)
                    .current_dir(dir),
            )
        };
        fs::write(dir.join("Packages"), index(&["packages", "pool"])?)?;
        let release = index(&[
            "-o",
            "APT::FTPArchive::Release::Origin=deployctl-tests",
            "-o",
            "APT::FTPArchive::Release::Label=deployctl-tests",
            "-o",
            "APT::FTPArchive::Release::Suite=stable",
            "release",
            ".",
        ])?;
        fs::write(dir.join("Release"), release)?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// Returns the archive's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Machine {
    /// Copies an archive onto the machine, makes it apt's only source and updates apt's lists.
    pub fn use_apt_repo(&self, repo: &AptRepo) -> Result<()> {
        let tar = Command::new("tar")
            .args(["-C"])
            .arg(repo.dir())
            .args(["-cf", "-", "."])
            .output()
            .context("failed to run `tar`")?;
        if !tar.status.success() {
            bail!("`tar` failed: {}", String::from_utf8_lossy(&tar.stderr));
        }
        let script = format!(
            "set -e
             rm -rf {ON_MACHINE} /etc/apt/sources.list.d/*
             mkdir -p {ON_MACHINE}
             tar -C {ON_MACHINE} --no-same-owner -xf -
             echo 'deb [trusted=yes] file:{ON_MACHINE} ./' >/etc/apt/sources.list
             apt-get --quiet update"
        );
        let output = run(&mut self.shell(&script), &tar.stdout)?;
        if !output.success() {
            bail!(
                "apt does not take the archive: {}{}",
                output.stdout,
                output.stderr
            );
        }
        Ok(())
    }
}

/// The packages of `TensorRT`; each has to be pinned, none follows another.
const TENSORRT: [&str; 10] = [
    "libnvinfer10",
    "libnvinfer-plugin10",
    "libnvinfer-vc-plugin10",
    "libnvinfer-lean10",
    "libnvinfer-dispatch10",
    "libnvonnxparsers10",
    "libnvinfer-dev",
    "libnvinfer-headers-dev",
    "libnvinfer-headers-plugin-dev",
    "libnvinfer-bin",
];

/// Returns an archive's worth of packages:
///
/// - the driver of branch 580, CUDA 12.6, cuDNN 9, `TensorRT` 10 for CUDA 12.6, and the `TensorRT`
///   that supersedes it but is built for another CUDA;
/// - `haproxy` and `prometheus-node-exporter` as daemons with a unit; haproxy with a conffile;
/// - `failing-postinst`, which cannot be configured;
/// - `slow-postinst`, which is being configured as long as `/run/slow` is there;
/// - `hostile-conflict`, whose installation removes `nvidia-utils-580-server`.
pub fn real_packages() -> Vec<Deb> {
    let driver = "580.173.02-0ubuntu0.24.04.1";
    let cudnn = "9.5.0.50-1";
    let mut packages = vec![
        Deb::new("nvidia-headless-580-server-open", driver)
            .depends(&format!("nvidia-dkms-580-server-open (= {driver})")),
        Deb::new("nvidia-dkms-580-server-open", driver),
        Deb::new("nvidia-compute-utils-580-server", driver),
        Deb::new("nvidia-utils-580-server", driver).file(
            "/usr/bin/nvidia-smi",
            "#!/bin/sh\necho 'no devices were found' >&2\nexit 6\n",
        ),
        Deb::new("cuda-toolkit-12-6", "12.6.3-1"),
        Deb::new("cuda-nsight-systems-12-6", "12.6.77-1"),
        Deb::new("cuda-nsight-compute-12-6", "12.6.77-1"),
        Deb::new("cudnn9-cuda-12-6", cudnn).depends(&format!("libcudnn9-cuda-12 (= {cudnn})")),
        Deb::new("libcudnn9-cuda-12", cudnn),
        Deb::new("haproxy", "2.8.5-1ubuntu3")
            .conffile("/etc/haproxy/haproxy.cfg", "global\n")
            .service("haproxy.service"),
        Deb::new("prometheus-node-exporter", "1.7.0-1").service("prometheus-node-exporter.service"),
        Deb::new("failing-postinst", "1.0").postinst("echo 'no such device' >&2; exit 1"),
        Deb::new("slow-postinst", "1.0").postinst("while [ -e /run/slow ]; do sleep 0.1; done"),
        Deb::new("hostile-conflict", "1.0").conflicts("nvidia-utils-580-server"),
    ];
    for version in ["10.7.0.23-1+cuda12.6", "10.16.1.11-1+cuda13.2"] {
        packages.extend(TENSORRT.map(|name| Deb::new(name, version)));
    }
    packages
}

/// A key that signs archives, in a folder of its own.
#[derive(Debug)]
pub struct SigningKey {
    home: PathBuf,
    fingerprint: String,
}

impl SigningKey {
    /// Makes a key by the real gpg.
    pub fn make(home: &Path) -> Result<Self> {
        fs::create_dir_all(home)?;
        fs::set_permissions(home, fs::Permissions::from_mode(0o700))?;
        let mut key = Self {
            home: home.to_owned(),
            fingerprint: String::new(),
        };
        let mut made = key.gpg();
        made.args(["--passphrase", "", "--quick-gen-key", "tests@localhost"]);
        stdout_of(made.args(["ed25519", "sign", "never"]))?;
        let listed = stdout_of(key.gpg().args(["--with-colons", "--list-keys"]))?;
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:"));
        let line = line.context("gpg lists no key")?;
        line.trim_matches(':').clone_into(&mut key.fingerprint);
        Ok(key)
    }

    /// The fingerprint as gpg tells it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The public key as text.
    pub fn public(&self) -> Result<String> {
        stdout_of(self.gpg().args(["--armor", "--export"]))
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--yes", "--homedir"])
            .arg(&self.home);
        gpg
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        // gpg leaves its agent running.
        let mut ended = Command::new("gpgconf");
        ended.arg("--homedir").arg(&self.home);
        drop(ended.args(["--kill", "all"]).output());
    }
}

impl AptRepo {
    /// Signs the archive, as one whose `Release` holds `fields`, too: `"Valid-Until: …\n"`.
    pub fn sign(&self, key: &SigningKey, fields: &str) -> Result<()> {
        let release = fs::read_to_string(self.dir.join("Release"))?;
        let told = self.dir.join("Release.told");
        fs::write(&told, format!("{fields}{release}"))?;
        let mut signed = key.gpg();
        signed.args(["--clearsign", "--output"]);
        stdout_of(signed.arg(self.dir.join("InRelease")).arg(&told))?;
        Ok(fs::remove_file(told)?)
    }
}

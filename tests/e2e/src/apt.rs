//! A package archive of our own, with small packages that bear real names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::machine::Machine;
use crate::output::{run, stdout_of};

mod deb;
mod real;
mod signed;

pub use deb::Deb;
pub use real::real_packages;
pub use signed::SigningKey;

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

//! Keys of `OpenPGP`, and archives that they sign.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::AptRepo;
use crate::output::stdout_of;

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

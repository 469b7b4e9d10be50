//! The hub and index of stories: a server of the controller's network, its files, and what it was asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{Machine, World};
use serde_json::{Value, json};

const PORT: u16 = 8443;

pub(crate) struct Hub {
    folder: PathBuf,
    url: String,
    server: Child,
}

/// What a request of a file was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) file: String,
    /// The first byte that was sent.
    pub(crate) first: u64,
    /// How many bytes were sent.
    pub(crate) sent: u64,
}

impl Hub {
    pub(crate) fn start(world: &World) -> Result<Self> {
        let folder = world.scratch().join("hub");
        fs::create_dir_all(folder.join("files"))?;
        let address = world.address();
        certify(&folder, &address.to_string())?;
        fs::write(folder.join("control.json"), "{}")?;
        fs::write(folder.join("log"), "")?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/hub.py");
        let server = world
            .controller("python3")
            .arg(program)
            .arg(&folder)
            .args([address.to_string(), PORT.to_string()])
            .spawn()?;
        let since = Instant::now();
        while !folder.join("ready").exists() {
            ensure!(
                since.elapsed() < Duration::from_secs(20),
                "the hub did not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let url = format!("https://{address}:{PORT}");
        Ok(Self {
            folder,
            url,
            server,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets the machine trust the hub's certificate.
    pub(crate) fn trusted_by(&self, machine: &Machine) -> Result<()> {
        let certificate = fs::read(self.authority())?;
        machine.write("/usr/local/share/ca-certificates/hub.crt", certificate)?;
        machine.ok("update-ca-certificates")?;
        Ok(())
    }

    /// Publishes a file below its address.
    pub(crate) fn put(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.folder.join("files").join(path);
        fs::create_dir_all(file.parent().context("no folder")?)?;
        Ok(fs::write(file, content)?)
    }

    /// Publishes a wheel, which may be large.
    pub(crate) fn put_wheel(&self, wheel: &Path) -> Result<()> {
        let name = wheel.file_name().and_then(|it| it.to_str());
        let name = name.context("a wheel has a name")?;
        let package = name.split('-').next().unwrap_or_default();
        let package = package.to_lowercase().replace(['_', '.'], "-");
        let place = self.folder.join("files/simple").join(package);
        fs::create_dir_all(&place)?;
        // Its file is on this disk already, unless the folder of the tests' cache is a mount.
        if fs::hard_link(wheel, place.join(name)).is_err() {
            fs::copy(wheel, place.join(name))?;
        }
        Ok(())
    }

    /// The certificate of the authority that vouches for it.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Publishes a revision, and returns its manifest with the right sizes and hashes.
    pub(crate) fn publish(&self, revision: &str, files: &[(&str, Vec<u8>)]) -> Result<Value> {
        let place = self.folder.join("files/lab/tiny/resolve").join(revision);
        manifest(&place, revision, files)
    }

    /// Changes one published file behind the back of its manifest; the size stays.
    pub(crate) fn alter(&self, revision: &str, path: &str) -> Result<()> {
        let file = self
            .folder
            .join("files/lab/tiny/resolve")
            .join(revision)
            .join(path);
        let mut content = fs::read(&file)?;
        content[0] ^= 1;
        Ok(fs::write(file, content)?)
    }

    /// How it answers from now on.
    pub(crate) fn behave(&self, control: &Value) -> Result<()> {
        // At once: the server reads it at any time.
        let new = self.folder.join("control.new");
        fs::write(&new, control.to_string())?;
        Ok(fs::rename(new, self.folder.join("control.json"))?)
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Result<Vec<Answer>> {
        let log = self.folder.join("log");
        let text = fs::read_to_string(&log)?;
        fs::write(log, "")?;
        let answers = text.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [status, file, first, sent] = words[..] else {
                anyhow::bail!("`{line}` is no line of the hub's log");
            };
            Ok(Answer {
                status: status.parse()?,
                file: file.to_owned(),
                first: first.parse()?,
                sent: sent.parse()?,
            })
        });
        answers.collect()
    }
}

/// An authority, and a certificate of it for `address`.
fn certify(folder: &Path, address: &str) -> Result<()> {
    let name = format!("subjectAltName=IP:{address}");
    let authority = [
        "-subj",
        "/CN=authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    let server = [
        "-subj",
        "/CN=hub",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-addext",
        &name,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    for more in [&authority[..], &server[..]] {
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(more)
            .current_dir(folder)
            .output()?;
        ensure!(made.status.success(), "no certificate: {made:?}");
    }
    Ok(())
}

impl Drop for Hub {
    fn drop(&mut self) {
        // The world's end would end it as well.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Writes the files of a revision below `place`; returns their manifest.
pub(crate) fn manifest(place: &Path, revision: &str, files: &[(&str, Vec<u8>)]) -> Result<Value> {
    let mut listed = Vec::new();
    for (path, content) in files {
        let file = place.join(path);
        fs::create_dir_all(file.parent().context("no folder")?)?;
        fs::write(&file, content)?;
        let hash = Command::new("sha256sum").arg(&file).output()?;
        let hash = String::from_utf8(hash.stdout)?;
        let hash = hash.split(' ').next().context("no hash")?;
        listed.push(json!({ "path": path, "size": content.len(), "sha256": hash }));
    }
    Ok(json!({ "repository": "lab/tiny", "revision": revision, "files": listed }))
}

/// Bytes that are no pattern, and always the same.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend(state.to_le_bytes());
    }
    content.truncate(bytes);
    content
}

//! What is sent to a host to stage an artifact or to free releases, and the scripts that start it.

use std::fmt::Write as _;

use super::{Artifact, Source};
use crate::activation::{Bundle, BundleFile, STATE_DIR};
use crate::name::ManagedPath;
use crate::query::printable_line;
use crate::rendered::{Rendered, Sha256Hex};

/// The program that stages and frees, in the order in which its parts need each other.
pub const STAGE_PROGRAM: &str = concat!(
    include_str!("host/base.sh"),
    include_str!("host/fetch.sh"),
    include_str!("host/receive.sh"),
    include_str!("host/answers.sh"),
    include_str!("host/build.sh"),
    include_str!("host/manager.sh"),
    include_str!("host/stage.sh"),
    include_str!("host/collect.sh"),
    include_str!("host/main.sh"),
);

/// The staging of one artifact. The same artifact for the same place is the same job, so a second controller follows the
/// first one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    id: String,
    wanted: String,
    build: Vec<(String, String)>,
}

impl Job {
    /// The job that stages `artifact` below `base`.
    pub fn new(base: &ManagedPath, artifact: &Artifact) -> Self {
        let wanted = wanted(base, artifact);
        let id = Sha256Hex::of(wanted.as_bytes()).as_str()[..16].to_owned();
        let mut build = Vec::new();
        if let Some(made) = &artifact.build {
            let files = made.files();
            build.extend(files.map(|(name, text)| (name, text.to_owned())));
            build.push(("variables".to_owned(), made.assignments()));
        }
        Self { id, wanted, build }
    }

    /// Where it is on the host.
    pub fn directory(&self) -> String {
        format!("{STATE_DIR}/artifacts/{}", self.id)
    }

    /// The files to put there.
    pub fn bundle(&self) -> Bundle {
        let build = self.build.iter();
        let build = build.map(|(name, text)| (name.as_str(), text.as_str()));
        bundle([("wanted", self.wanted.as_str())].into_iter().chain(build))
    }

    /// Starts it, unless it runs already, and prints its status.
    pub fn start(&self) -> String {
        call(&self.directory(), "start")
    }

    /// Prints its status.
    pub fn status(&self) -> String {
        call(&self.directory(), "status")
    }

    /// The command whose standard input are files that the host lacks, each after its line ([`Send::line`](super::Send::line)).
    pub fn receive(&self) -> String {
        format!("exec sh {}/stage.sh receive", self.directory())
    }
}

fn call(directory: &str, arguments: &str) -> String {
    format!("sh {directory}/stage.sh {arguments}\n")
}

fn bundle<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Bundle {
    let files = [("stage.sh", STAGE_PROGRAM)].into_iter().chain(files);
    Bundle {
        files: files
            .map(|(name, text)| BundleFile {
                name: name.to_owned(),
                bytes: text.as_bytes().to_vec(),
                mode: 0o600,
            })
            .collect(),
    }
}

/// What `stage.sh` reads, one `key value` a line. No value holds blanks but the last one of a line.
fn wanted(base: &ManagedPath, artifact: &Artifact) -> String {
    let Artifact {
        kind, name, digest, ..
    } = artifact;
    let mut text = format!("kind {kind}\nname {name}\nbase {base}\ndigest {digest}\n");
    let _ = match &artifact.source {
        Source::Https(url) => writeln!(text, "url {url}"),
        Source::Directory(path) => writeln!(text, "directory {path}"),
        Source::Upload(path) => writeln!(text, "upload {path}"),
    };
    if let Some(credential) = &artifact.credential {
        let _ = writeln!(text, "credential {credential}");
    }
    if let Some((mount, gib)) = artifact.guard(base) {
        let _ = writeln!(text, "min_free {gib} {mount}");
    }
    if let Some(build) = &artifact.build {
        text.push_str("build yes\n");
        for (purpose, path) in &build.secrets {
            let _ = writeln!(text, "secret {path} {purpose}");
        }
    }
    let _ = writeln!(text, "total {}", artifact.bytes());
    for (path, file) in &artifact.files {
        let _ = writeln!(text, "file {} {} {path}", file.sha256, file.size);
    }
    text
}

/// The freeing of releases that nothing declares or uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    declared: String,
}

impl Collection {
    /// What may be freed on the host of `rendered`.
    pub fn new(rendered: &Rendered) -> Self {
        let mut declared = String::new();
        for (base, artifact) in &rendered.artifacts {
            let _ = writeln!(declared, "{base} {} {}", artifact.digest, artifact.keep);
        }
        Self { declared }
    }

    /// Where it is on the host.
    pub fn directory(&self) -> String {
        format!("{STATE_DIR}/artifacts/gc")
    }

    /// The files to put there.
    pub fn bundle(&self) -> Bundle {
        bundle([("declared", self.declared.as_str())])
    }

    /// Prints what would be freed, or frees it.
    pub fn run(&self, free: bool) -> String {
        let verb = if free { "gc --yes" } else { "gc" };
        call(&self.directory(), verb)
    }
}

/// A folder of a release, or of one that was never whole, as `gc` tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Freed {
    /// Where it is.
    pub path: String,
    /// How much room it takes, in bytes.
    pub bytes: u64,
    /// Why it stays; `None` if it goes.
    pub kept: Option<String>,
}

/// Why an answer of `gc` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreedError {
    /// The host says why it frees nothing.
    #[error("{0}")]
    Denied(String),
    /// A line that is no answer, or an answer that is cut off.
    #[error("the answer about releases cannot be read: `{0}`")]
    Unreadable(String),
}

/// Reads what [`Collection::run`] printed.
pub fn read_freed(stdout: &[u8]) -> Result<Vec<Freed>, FreedError> {
    let text = String::from_utf8_lossy(stdout);
    let mut lines = text.lines();
    let unreadable = |line: &str| FreedError::Unreadable(printable_line(line.as_bytes(), 80));
    match lines.next() {
        Some("deployctl-gc 1") => {}
        other => return Err(unreadable(other.unwrap_or_default())),
    }
    let mut all = Vec::new();
    for line in lines {
        if line == "end" {
            return Ok(all);
        }
        if let Some(why) = line.strip_prefix("denied ") {
            return Err(FreedError::Denied(printable_line(why.as_bytes(), 300)));
        }
        let mut words = line.splitn(3, ' ');
        let (Some(word), Some(kib), Some(path)) = (words.next(), words.next(), words.next()) else {
            return Err(unreadable(line));
        };
        let kib: u64 = kib.parse().map_err(|_| unreadable(line))?;
        let kept = match word {
            "free" => None,
            "current" => Some("in use"),
            "declared" => Some("declared"),
            "begun" => Some("declared, and not whole yet"),
            "former" => Some("the former one"),
            "busy" => Some("being fetched"),
            "stuck" => Some("cannot be removed"),
            _ => return Err(unreadable(line)),
        };
        all.push(Freed {
            path: printable_line(path.as_bytes(), 1024),
            bytes: kib.saturating_mul(1024),
            kept: kept.map(str::to_owned),
        });
    }
    Err(unreadable("it has no end"))
}

//! Sends files of the repository to a host that waits for them. The host says what it lacks, and decides what is whole; what is sent is
//! compared here with what is declared before.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deployctl_core::artifact::{ArtifactFile, Send, Source, StageStatus};
use deployctl_core::name::ArtifactPath;
use deployctl_core::query::printable_line;
use deployctl_report::Outcome;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::{Progress, Staging, Task, not_staged};
use crate::apply::outcome;
use crate::event::EventKind;
use crate::in_full;
use crate::transport::{Files, Limits, Output, Part, TransportError};

/// ssh notices a connection that is dead; else sending takes as long as it takes.
const NO_DEADLINE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often nothing of what is sent may arrive.
const TRIES: u32 = 3;
/// How much of a file is hashed at once.
const CHUNK: usize = 1 << 20;

/// What was sent of one artifact so far.
#[derive(Debug, Default)]
pub(super) struct Supply {
    /// Files that were compared with what is declared.
    compared: BTreeSet<ArtifactPath>,
    sent: u64,
    /// How often nothing arrived, one time after the other.
    idle: u32,
    /// What the shell there said about that.
    complaint: String,
}

impl Supply {
    /// Bytes that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }
}

impl Staging<'_> {
    /// Sends what the host waits for; returns its next status.
    pub(super) async fn supply(
        &mut self,
        task: &Task<'_>,
        status: &StageStatus,
        supply: &mut Supply,
        progress: &mut Progress,
    ) -> Result<StageStatus, Outcome> {
        if supply.idle == TRIES {
            return Err(self.takes_nothing(task, supply));
        }
        let next = if status.sends.is_empty() {
            // All of it is there, and was not looked at.
            self.ask(&task.job.start()).await?
        } else {
            let files = tokio::select! {
                files = self.compared(task, &status.sends, supply) => files?,
                () = self.context.interrupt.wait() => return Err(Outcome::Interrupted),
            };
            self.send(task, status, &files, progress, supply).await?;
            self.ask(&task.job.status()).await?
        };
        supply.idle = if next.there > status.there {
            0
        } else {
            supply.idle + 1
        };
        Ok(next)
    }

    /// Sends these files until their end, or the connection's.
    async fn send(
        &mut self,
        task: &Task<'_>,
        status: &StageStatus,
        files: &Files,
        progress: &mut Progress,
        supply: &mut Supply,
    ) -> Result<(), Outcome> {
        let command = task.job.receive();
        let limits = Limits::default().within(NO_DEADLINE);
        let ended = tokio::select! {
            ended = self.connection.feed(&command, files, limits) => Some(ended),
            () = self.context.interrupt.wait() => None,
            never = self.tell_sending(task, status, files, progress) => match never {},
        };
        supply.sent += files.sent();
        let Some(ended) = ended else {
            self.tell(EventKind::SendingEnds(task.what.clone()));
            return Err(Outcome::Interrupted);
        };
        if let Some(trouble) = files.trouble() {
            let (host, what) = (self.host, &task.what);
            let message = format!("`{host}`: {what}: {trouble}");
            return Err(not_staged(message, "what was sent is kept: stage again"));
        }
        match ended {
            Ok(Output { stderr, .. }) => {
                supply.complaint = printable_line(&stderr, 300);
                Ok(())
            }
            Err(error @ (TransportError::Lost { .. } | TransportError::Timeout { .. })) => {
                let why = in_full(&error);
                supply.complaint.clone_from(&why);
                self.tell(EventKind::SendingCut {
                    what: task.what.clone(),
                    why,
                });
                let hint = "the host keeps what it has: stage again, and it goes on from there";
                self.connect_again(hint).await
            }
            Err(error) => Err(outcome::transport(&error)),
        }
    }

    /// Tells how much is sent, for as long as it is asked to.
    async fn tell_sending(
        &self,
        task: &Task<'_>,
        status: &StageStatus,
        files: &Files,
        progress: &mut Progress,
    ) -> std::convert::Infallible {
        loop {
            let now = StageStatus {
                there: status.there + files.sent(),
                ..status.clone()
            };
            self.tell_progress(&task.what, &now, progress);
            self.context.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// The files that the host waits for, once they were compared with what is declared. All that differ are named.
    async fn compared(
        &self,
        task: &Task<'_>,
        sends: &[Send],
        supply: &mut Supply,
    ) -> Result<Files, Outcome> {
        let lacking = self.lacking(task, sends)?;
        let (below, folder) = self.folder(task)?;
        let at = |path: &ArtifactPath| folder.join(path.as_str());
        let new = lacking.iter();
        let new: Vec<_> = new
            .filter(|(send, _)| !supply.compared.contains(&send.path))
            .collect();
        if !new.is_empty() {
            let what = task.what.clone();
            let bytes = new.iter().map(|(_, file)| file.size).sum();
            self.tell(EventKind::Comparing { what, bytes });
        }
        let mut wrong = Vec::new();
        for (send, file) in new {
            match difference(&at(&send.path), file).await {
                None => _ = supply.compared.insert(send.path.clone()),
                Some(why) => wrong.push(format!("`{}` {why}", send.path)),
            }
        }
        if !wrong.is_empty() {
            return Err(not_staged(
                format!(
                    "`{}`: {}: in `{below}` here, {}",
                    self.host,
                    task.what,
                    wrong.join("; ")
                ),
                "none of them was sent: put the declared files there, or declare those that are there",
            ));
        }
        let parts = lacking.iter().map(|(send, _)| Part {
            line: send.line(),
            path: at(&send.path),
            from: send.from,
            bytes: send.bytes,
        });
        Ok(Files::new(parts.collect()))
    }

    /// What the host waits for, with what is declared of it. It cannot wait for anything else.
    fn lacking<'a>(
        &self,
        task: &Task<'a>,
        sends: &'a [Send],
    ) -> Result<Vec<(&'a Send, &'a ArtifactFile)>, Outcome> {
        let known = sends.iter().map(|send| {
            let file = task.artifact.files.get(&send.path)?;
            (send.from.checked_add(send.bytes) == Some(file.size)).then_some((send, file))
        });
        known.collect::<Option<Vec<_>>>().ok_or_else(|| {
            not_staged(
                format!(
                    "`{}`: {}: the host waits for files that are not declared",
                    self.host, task.what
                ),
                &format!("see `{}` on the host", task.job.directory()),
            )
        })
    }

    /// The folder with the files, as it is declared and on this machine.
    fn folder<'a>(&self, task: &Task<'a>) -> Result<(&'a ArtifactPath, PathBuf), Outcome> {
        let (host, what) = (self.host, &task.what);
        let Source::Upload(below) = &task.artifact.source else {
            return Err(not_staged(
                format!("`{host}`: {what}: the host waits for files, and fetches them elsewhere"),
                &format!("see `{}` on the host", task.job.directory()),
            ));
        };
        let repository = self.context.repository.as_ref();
        let folder = repository.map(|top| top.join(below.as_str()));
        let folder = folder.filter(|folder| folder.is_dir()).ok_or_else(|| {
            not_staged(
                format!(
                    "`{host}`: {what} is sent from this machine, and there is no folder `{below}` in the repository here"
                ),
                "put the files there, or stage from a machine that has them",
            )
        })?;
        Ok((below, folder))
    }

    /// The host is asked again and again, and nothing arrives.
    fn takes_nothing(&self, task: &Task<'_>, supply: &Supply) -> Outcome {
        let (host, what) = (self.host, &task.what);
        let said = match supply.complaint.as_str() {
            "" => String::new(),
            words => format!("; the shell there said: {words}"),
        };
        not_staged(
            format!("`{host}`: {what}: the host takes nothing of what is sent{said}"),
            &format!("see `{}/log` on the host", task.job.directory()),
        )
    }
}

/// How the file at `path` differs from what is declared.
async fn difference(path: &Path, declared: &ArtifactFile) -> Option<String> {
    let found = match tokio::fs::metadata(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some("is missing".to_owned());
        }
        Err(error) => return Some(format!("cannot be read: {error}")),
        Ok(found) => found,
    };
    if !found.is_file() {
        return Some("is no regular file".to_owned());
    }
    if found.len() != declared.size {
        let (found, declared) = (found.len(), declared.size);
        return Some(format!("has {found} bytes, and {declared} are declared"));
    }
    match hash(path).await {
        Ok(hash) if hash == declared.sha256.as_str() => None,
        Ok(hash) => Some(format!("is not what is declared: its sha256 is {hash}")),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

async fn hash(path: &Path) -> io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hash = Sha256::new();
    let mut chunk = Vec::with_capacity(CHUNK);
    while file.read_buf(&mut chunk).await? > 0 {
        hash.update(&chunk);
        chunk.clear();
    }
    let mut hex = String::new();
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use deployctl_core::artifact::{Artifact, Job, parse_stage_status};
    use deployctl_core::name::{ArtifactName, ConcernName, HostName, ManagedPath};
    use deployctl_core::rendered::Sha256Hex;

    use super::*;
    use crate::clock::Manual;
    use crate::interrupt::Interrupt;
    use crate::run_context::RunContext;
    use crate::transport::fake::{Call, Fake, Reply};

    /// A model of two files, which are in `weights/tiny` of a repository.
    fn artifact() -> Artifact {
        let file = |path: &str, text: &str| {
            let size = text.len() as u64;
            let sha256 = Sha256Hex::of(text.as_bytes());
            let path = ArtifactPath::new(path).unwrap();
            (path, ArtifactFile { size, sha256 })
        };
        let files = BTreeMap::from([file("a.json", "{}"), file("b/c.bin", "0123456789")]);
        Artifact {
            concern: ConcernName::new("models").unwrap(),
            kind: ArtifactName::new("model").unwrap(),
            name: ArtifactName::new("tiny").unwrap(),
            digest: Artifact::digest_of(&files, None),
            source: Source::try_from("upload:weights/tiny".to_owned()).unwrap(),
            credential: None,
            programs: BTreeSet::new(),
            after: BTreeSet::new(),
            min_free_gib: BTreeMap::new(),
            keep: 2,
            files,
            made: false,
            build: None,
        }
    }

    fn waiting(there: u64, sends: &str) -> String {
        format!("deployctl-stage 1\nphase waiting\nthere {there}\ntotal 12\n{sends}end\n")
    }

    /// The host waits for these, and goes on waiting; returns what comes of it, and what the host could read.
    async fn supplied(repository: &Path, sends: &str, times: u32) -> (String, Vec<String>) {
        let status = waiting(3, sends);
        let answer = status.clone();
        let fake = Fake::new("box", move |_: &Call| Reply::says(answer.clone()));
        let context = RunContext {
            clock: Arc::new(Manual::default()),
            sink: Arc::new(|_| ()),
            interrupt: Interrupt::never(),
            repository: Some(repository.to_owned()),
        };
        let host = HostName::new("box").unwrap();
        let mut staging = Staging::new(Box::new(fake.clone()), &host, &context);
        let artifact = artifact();
        let base = ManagedPath::new("/srv/models/tiny").unwrap();
        let task = Task {
            what: "model tiny".to_owned(),
            job: Job::new(&base, &artifact),
            artifact: &artifact,
        };
        let status = parse_stage_status(status.as_bytes()).unwrap();
        let (mut supply, mut progress) = (Supply::default(), Progress::default());
        let mut said = String::new();
        for _ in 0..times {
            said = match staging
                .supply(&task, &status, &mut supply, &mut progress)
                .await
            {
                Ok(next) => format!("{} bytes sent, {:?}", supply.sent(), next.phase),
                Err(Outcome::NotStaged { reason }) => reason.message,
                Err(other) => format!("{other:?}"),
            };
        }
        let fed = fake.calls().into_iter().filter_map(|call| match call {
            Call::Feed { input, .. } => Some(String::from_utf8(input).unwrap()),
            _ => None,
        });
        (said, fed.collect())
    }

    #[tokio::test]
    async fn only_what_is_declared_and_asked_for_is_sent() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("weights/tiny");
        let both = "send 0 2 a.json\nsend 3 7 b/c.bin\n";
        let (said, fed) = supplied(top.path(), both, 1).await;
        assert_eq!(
            said,
            "`box`: model tiny is sent from this machine, and there is no folder `weights/tiny` in the repository here"
        );
        assert_eq!(fed, [""; 0]);

        std::fs::create_dir_all(folder.join("b")).unwrap();
        std::fs::write(folder.join("b/c.bin"), "012345678x").unwrap();
        let (said, fed) = supplied(top.path(), both, 1).await;
        let hash = Sha256Hex::of(b"012345678x");
        assert_eq!(
            said,
            format!(
                "`box`: model tiny: in `weights/tiny` here, `a.json` is missing; `b/c.bin` is not what is declared: its sha256 is {hash}"
            )
        );
        assert_eq!(fed, [""; 0]);

        std::fs::write(folder.join("b/c.bin"), "0123456789").unwrap();
        std::fs::write(folder.join("a.json"), "{ }").unwrap();
        // What the host has already need not be here.
        let (said, fed) = supplied(top.path(), "send 3 7 b/c.bin\n", 1).await;
        assert_eq!(said, "7 bytes sent, Waiting");
        assert_eq!(fed, ["3 7 b/c.bin\n3456789"]);
        let (said, _) = supplied(top.path(), both, 1).await;
        assert!(
            said.ends_with("`a.json` has 3 bytes, and 2 are declared"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_host_that_asks_for_other_files_or_takes_nothing_gets_no_more() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("weights/tiny");
        std::fs::create_dir_all(folder.join("b")).unwrap();
        std::fs::write(folder.join("a.json"), "{}").unwrap();
        std::fs::write(folder.join("secret"), "s").unwrap();
        for asked in [
            "send 0 1 secret\n",
            "send 0 3 a.json\n",
            "send 1 18446744073709551615 a.json\n",
        ] {
            let (said, fed) = supplied(top.path(), asked, 1).await;
            assert_eq!(
                said,
                "`box`: model tiny: the host waits for files that are not declared"
            );
            assert_eq!(fed, [""; 0], "{asked}");
        }
        let (said, fed) = supplied(top.path(), "send 0 2 a.json\n", 4).await;
        assert_eq!(
            said,
            "`box`: model tiny: the host takes nothing of what is sent"
        );
        assert_eq!(fed, ["0 2 a.json\n{}"; 3]);
    }
}

//! Local processes: the one place that starts them. Each has a deadline and a cap on what it may print.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What to start. The environment is the caller's own, plus what is added here.
#[derive(Debug, Clone)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    variables: Vec<(&'static str, OsString)>,
    deadline: Duration,
    cap: usize,
}

/// What came back.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error; only its first part where there was more than the cap.
    pub stderr: Vec<u8>,
}

/// Where a process broke.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program.
    #[error("`{program}` is not installed")]
    NotInstalled {
        /// Its name.
        program: String,
    },
    /// It could not be started, or not be listened to.
    #[error("cannot run `{program}`")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It did not end in time, and was stopped.
    #[error("`{program}` did not end within {seconds} s")]
    Timeout {
        /// Its name.
        program: String,
        /// The deadline.
        seconds: u64,
    },
    /// It printed more than the cap, and was stopped.
    #[error("`{program}` printed more than {cap} bytes")]
    TooMuch {
        /// Its name.
        program: String,
        /// The cap in bytes.
        cap: usize,
    },
}

impl Program {
    /// `name` is looked up on the `PATH` unless it holds a slash.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            arguments: Vec::new(),
            folder: None,
            variables: Vec::new(),
            deadline: Duration::from_secs(60),
            cap: 16 << 20,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let more = arguments.into_iter().map(|a| a.as_ref().to_owned());
        self.arguments.extend(more);
        self
    }

    /// Starts it in `folder`.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name, value.as_ref().to_owned()));
        self
    }

    /// How long it may take; one minute unless said.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How much it may print, in bytes; 16 MiB unless said.
    #[must_use]
    pub fn cap(mut self, cap: usize) -> Self {
        self.cap = cap;
        self
    }

    /// Runs it to its end, with nothing on standard input. It does not outlive this call.
    pub async fn run(&self) -> Result<Finished, ProcessError> {
        let program = || self.name.to_string_lossy().into_owned();
        let failed = |source: io::Error| ProcessError::Run {
            program: program(),
            source,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the door for local processes"
        )]
        let mut command = tokio::process::Command::new(&self.name);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn().map_err(|source| {
            // A folder that is not there gives the same error as a program that is not.
            let folder_there = self.folder.as_ref().is_none_or(|folder| folder.is_dir());
            if source.kind() == io::ErrorKind::NotFound && folder_there {
                ProcessError::NotInstalled { program: program() }
            } else {
                failed(source)
            }
        })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let whole = async {
            let (stdout, stderr) = tokio::try_join!(
                capped(stdout, self.cap, Beyond::Refuse),
                capped(stderr, self.cap, Beyond::Drop),
            )?;
            let Some(stdout) = stdout else {
                return Ok(None);
            };
            let status = child.wait().await?;
            let stderr = stderr.unwrap_or_default();
            Ok(Some(Finished {
                status,
                stdout,
                stderr,
            }))
        };
        match tokio::time::timeout(self.deadline, whole).await {
            Ok(Ok(Some(finished))) => Ok(finished),
            Ok(Ok(None)) => Err(ProcessError::TooMuch {
                program: program(),
                cap: self.cap,
            }),
            Ok(Err(source)) => Err(failed(source)),
            Err(_) => Err(ProcessError::Timeout {
                program: program(),
                seconds: self.deadline.as_secs(),
            }),
        }
    }
}

/// What happens to bytes beyond the cap.
#[derive(Clone, Copy)]
enum Beyond {
    /// They end the reading.
    Refuse,
    /// They are read and forgotten.
    Drop,
}

/// Reads to the end; `None` when there was more than `cap` and that is refused.
async fn capped(
    from: Option<impl AsyncRead + Unpin>,
    cap: usize,
    beyond: Beyond,
) -> io::Result<Option<Vec<u8>>> {
    let mut kept = Vec::new();
    let Some(mut from) = from else {
        return Ok(Some(kept));
    };
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(Some(kept));
        }
        let room = cap - kept.len();
        kept.extend_from_slice(&buffer[..count.min(room)]);
        if count > room && matches!(beyond, Beyond::Refuse) {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program::new("/bin/sh").arguments(["-c", script])
    }

    #[tokio::test]
    async fn both_outputs_and_the_status_come_back() {
        let finished = sh("echo out; echo err >&2; cat; exit 3")
            .run()
            .await
            .unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(finished.stdout, b"out\n");
        assert_eq!(finished.stderr, b"err\n");
    }

    #[tokio::test]
    async fn what_is_too_late_or_too_much_is_stopped() {
        let late = sh("exec sleep 60")
            .deadline(Duration::from_millis(50))
            .run()
            .await;
        assert!(matches!(late, Err(ProcessError::Timeout { .. })));
        let much = sh("while :; do echo yes; done").cap(1000).run().await;
        assert!(matches!(much, Err(ProcessError::TooMuch { cap: 1000, .. })));
        let complaints = sh("head -c 100000 /dev/zero >&2").cap(1000).run().await;
        assert_eq!(complaints.unwrap().stderr.len(), 1000);
    }

    #[tokio::test]
    async fn a_missing_program_is_told_from_a_missing_folder() {
        let nothing = Program::new("no-such-program-anywhere").run().await;
        assert_eq!(
            nothing.unwrap_err().to_string(),
            "`no-such-program-anywhere` is not installed"
        );
        let nowhere = sh("true").folder(Path::new("/no/such/folder")).run().await;
        assert!(matches!(nowhere, Err(ProcessError::Run { .. })));
    }
}

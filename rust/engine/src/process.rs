//! Local processes: the one place that starts them. Each has a deadline and a cap on what it may print.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

use crate::interrupt::Interrupt;

mod group;

use group::Group;

/// A command to start. It inherits the environment, plus what is added here.
#[derive(Debug, Clone)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    input: Option<Vec<u8>>,
    variables: Vec<(&'static str, OsString)>,
    deadline: Duration,
    cap: usize,
}

/// The result of a process.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error; only its first part where there was more than the cap.
    pub stderr: Vec<u8>,
}

/// Errors of running a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program.
    #[error("`{program}` is not installed")]
    NotInstalled {
        /// Its name.
        program: String,
    },
    /// It could not be started, or its output could not be read.
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
    /// A stop was requested, and it was stopped.
    #[error("`{program}` was interrupted")]
    Interrupted {
        /// Its name.
        program: String,
    },
}

impl Program {
    /// `name` is looked up on the `PATH` unless it holds a slash.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            arguments: Vec::new(),
            folder: None,
            input: None,
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

    /// What it reads on its standard input; default nothing. All of it has to fit into a pipe, so a few KiB at most.
    #[must_use]
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// How long it may take; default one minute.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How much it may print, in bytes; default 16 MiB.
    #[must_use]
    pub fn cap(mut self, cap: usize) -> Self {
        self.cap = cap;
        self
    }

    /// Runs it to its end. It does not outlive this call.
    pub async fn run(&self) -> Result<Finished, ProcessError> {
        let mut child = self.spawn(&mut self.command())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdin = child.stdin.take();
        let whole = async {
            self.feed(stdin).await?;
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
            Ok(ended) => self.ended(ended),
            Err(_) => Err(self.too_late()),
        }
    }

    /// The same for a long process: each line of standard error is passed to `heard` as it arrives
    /// (and not kept), and `interrupt` stops it. It leads its own process group, which is ended as a
    /// whole, so that the terminal's Ctrl-C reaches it and its children only through this process.
    pub async fn watch(
        &self,
        interrupt: &Interrupt,
        heard: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Finished, ProcessError> {
        let mut child = self.spawn(self.command().process_group(0))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdin = child.stdin.take();
        let mut group = Group::of(&child);
        let whole = async {
            self.feed(stdin).await?;
            let (stdout, ()) = tokio::try_join!(
                capped(stdout, self.cap, Beyond::Refuse),
                lines(stderr, heard)
            )?;
            let Some(stdout) = stdout else {
                return Ok(None);
            };
            let status = child.wait().await?;
            Ok(Some(Finished {
                status,
                stdout,
                stderr: Vec::new(),
            }))
        };
        let stopped = tokio::select! {
            ended = whole => {
                if matches!(ended, Ok(Some(_))) {
                    group.is_gone();
                }
                return self.ended(ended);
            }
            () = interrupt.wait() => ProcessError::Interrupted { program: self.program() },
            _ = tokio::time::timeout(self.deadline, std::future::pending::<()>()) => self.too_late(),
        };
        group.end(&mut child).await;
        Err(stopped)
    }

    /// Runs it on the terminal of this process, for as long as the user needs.
    pub async fn attended(&self) -> Result<ExitStatus, ProcessError> {
        let mut command = self.command();
        command
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit());
        let mut child = self.spawn(&mut command)?;
        child.wait().await.map_err(|source| ProcessError::Run {
            program: self.program(),
            source,
        })
    }

    /// Writes all of its input. One that ends without reading it says itself why.
    async fn feed(&self, stdin: Option<ChildStdin>) -> io::Result<()> {
        let (Some(mut stdin), Some(input)) = (stdin, &self.input) else {
            return Ok(());
        };
        match stdin.write_all(input).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn program(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn command(&self) -> Command {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the door for local processes"
        )]
        let mut command = Command::new(&self.name);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, ProcessError> {
        command.spawn().map_err(|source| {
            // A missing folder gives the same error as a missing program.
            let folder_there = self.folder.as_ref().is_none_or(|folder| folder.is_dir());
            let program = self.program();
            if source.kind() == io::ErrorKind::NotFound && folder_there {
                ProcessError::NotInstalled { program }
            } else {
                ProcessError::Run { program, source }
            }
        })
    }

    fn ended(&self, ended: io::Result<Option<Finished>>) -> Result<Finished, ProcessError> {
        let program = self.program();
        match ended {
            Ok(Some(finished)) => Ok(finished),
            Ok(None) => Err(ProcessError::TooMuch {
                program,
                cap: self.cap,
            }),
            Err(source) => Err(ProcessError::Run { program, source }),
        }
    }

    fn too_late(&self) -> ProcessError {
        ProcessError::Timeout {
            program: self.program(),
            seconds: self.deadline.as_secs(),
        }
    }
}

/// Longest line that is passed on; the rest of a longer one is dropped.
const LINE_CAP: usize = 64 << 10;

/// Passes each line on, as text, without its end.
async fn lines(
    from: Option<impl AsyncRead + Unpin>,
    heard: &mut (dyn FnMut(&str) + Send),
) -> io::Result<()> {
    let Some(mut from) = from else {
        return Ok(());
    };
    let mut line = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE_CAP - line.len();
            line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                heard(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        heard(&String::from_utf8_lossy(&line));
    }
    Ok(())
}

/// What happens to bytes beyond the cap.
#[derive(Clone, Copy)]
enum Beyond {
    /// They end the reading.
    Refuse,
    /// They are read and dropped.
    Drop,
}

/// Reads to the end; `None` if there was more than `cap` and that is an error.
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
#[expect(clippy::disallowed_methods, reason = "tests watch real processes")]
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
    async fn lines_are_heard_as_they_come_and_the_longest_is_cut() {
        let mut heard = Vec::new();
        let finished = sh("echo a >&2; echo out; printf 'b\\nc' >&2; exit 4")
            .watch(&Interrupt::never(), &mut |line| heard.push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(finished.status.code(), Some(4));
        assert_eq!(finished.stdout, b"out\n");
        assert_eq!(heard, ["a", "b", "c"]);

        let mut longest = 0;
        sh("head -c 200000 /dev/zero | tr '\\0' x >&2")
            .watch(&Interrupt::never(), &mut |line| longest = line.len())
            .await
            .unwrap();
        assert_eq!(longest, LINE_CAP);
    }

    #[tokio::test]
    async fn an_interrupt_ends_the_whole_group() {
        let (interrupt, thrower) = Interrupt::new();
        let mut child = None;
        // The grandchild would keep standard error open for a minute.
        let started = std::time::Instant::now();
        let ended = sh("sleep 60 & echo $! >&2; wait")
            .watch(&interrupt, &mut |line| {
                child = line.parse().ok();
                let _ = thrower.send(true);
            })
            .await;
        assert!(matches!(ended, Err(ProcessError::Interrupted { .. })));
        assert!(started.elapsed() < Duration::from_secs(20));
        let child: u32 = child.unwrap();
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
            stat.is_ok_and(|stat| stat.contains(") Z "))
                || !Path::new(&format!("/proc/{child}")).exists()
        });
        assert!(gone, "{child} lives on");
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

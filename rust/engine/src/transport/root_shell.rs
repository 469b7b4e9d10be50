//! A root shell that stays open: later scripts need no sudo and no new channel, even if the apply or another
//! person revokes the right to become root.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use openssh::{ChildStderr, ChildStdin, ChildStdout};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, mpsc};

use super::files::Files;
use super::handover::{Refusal, hand_over};
use super::input::{Input, Signal};
use super::pump::{NOISE, Transcript, find};
use super::{Limits, Output, Transport, TransportError};
use crate::random;

/// How long the shell may take to start.
pub(super) const OPENING: Duration = Duration::from_secs(60);

/// Both ends of a shell's pipes.
#[derive(Debug)]
pub(super) struct Pipes<I, O, E> {
    pub(super) stdin: I,
    pub(super) stdout: O,
    pub(super) stderr: E,
}

/// The pipes of a shell over ssh.
pub(super) type SshPipes = Pipes<ChildStdin, ChildStdout, ChildStderr>;

/// A root shell that was opened over `below`; `guard` keeps its connection alive.
pub(super) struct RootShell<G> {
    pipes: Mutex<Option<SshPipes>>,
    /// Ends every answer; random, so no output can contain it.
    mark: String,
    _guard: G,
    below: Box<dyn Transport>,
}

impl<G: Send + Sync> RootShell<G> {
    /// Takes a shell for which [`become_ready`] was true.
    pub(super) fn new(
        pipes: SshPipes,
        guard: G,
        below: Box<dyn Transport>,
    ) -> Result<Self, TransportError> {
        let mark = random::word().map_err(|source| TransportError::Local {
            action: "read random bytes".to_owned(),
            source,
        })?;
        Ok(Self {
            pipes: Mutex::new(Some(pipes)),
            mark,
            _guard: guard,
            below,
        })
    }
}

#[async_trait]
impl<G: Send + Sync> Transport for RootShell<G> {
    /// After an error the shell is given up: its remaining output would be taken for the next answer.
    async fn run(&self, script: &str, limits: Limits) -> Result<Output, TransportError> {
        let mut place = self.pipes.lock().await;
        let lost = |cause: &str| TransportError::Lost {
            address: self.describe(),
            cause: cause.to_owned(),
        };
        let mut pipes = place
            .take()
            .ok_or_else(|| lost("its root shell has ended"))?;
        let said = say(&mut pipes, script, &self.mark, limits);
        match tokio::time::timeout(limits.deadline, said).await {
            Ok(Ok(output)) => {
                *place = Some(pipes);
                Ok(output)
            }
            Ok(Err(Broken::Ended)) => Err(lost("its root shell has ended")),
            Ok(Err(Broken::Io(error))) => Err(lost(&error.to_string())),
            Ok(Err(Broken::TooMuch(cap))) => Err(TransportError::TooMuch {
                address: self.describe(),
                cap,
            }),
            Err(_) => Err(TransportError::Timeout {
                address: self.describe(),
                seconds: limits.deadline.as_secs(),
            }),
        }
    }

    async fn put(
        &self,
        archive: &[u8],
        directory: &str,
        limits: Limits,
    ) -> Result<(), TransportError> {
        self.below.put(archive, directory, limits).await
    }

    async fn feed(
        &self,
        command: &str,
        files: &Files,
        limits: Limits,
    ) -> Result<Output, TransportError> {
        self.below.feed(command, files, limits).await
    }

    async fn reconnect(&self) -> Result<Box<dyn Transport>, TransportError> {
        self.below.reconnect().await
    }

    async fn reconnect_at(&self, port: u16) -> Result<Box<dyn Transport>, TransportError> {
        self.below.reconnect_at(port).await
    }

    fn describe(&self) -> String {
        self.below.describe()
    }
}

/// Waits for the shell's ready line, and passes a password if it is asked for. Returns the other output if the line
/// does not come.
pub(super) async fn become_ready<I, O, E>(
    pipes: &mut Pipes<I, O, E>,
    input: &Input<'_>,
) -> Result<(), Transcript>
where
    I: AsyncWrite + Unpin,
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    let (signal, signals) = mpsc::channel(16);
    let mut stderr = Vec::new();
    let heard = {
        let listening = until_ready(&mut pipes.stdout, input, signal.clone());
        let opening = async {
            tokio::join!(
                listening,
                hand_over(KeptOpen(&mut pipes.stdin), input, signals)
            )
        };
        // The last sender is dropped with the last reader; otherwise the hand-over would wait forever.
        let complaints = prompts(&mut pipes.stderr, &mut stderr, input, signal);
        let prompts = async {
            complaints.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            opened = opening => Some(opened),
            () = prompts => None,
        }
    };
    let Some(((ready, before), handover)) = heard else {
        return Err(Transcript::default());
    };
    // Standard input stays open here, so a password that was taken late is as good.
    if ready && matches!(handover.refusal(), None | Some(Refusal::Late)) {
        return Ok(());
    }
    Err(Transcript {
        shell: find(&before, &input.markers.shell, 0).is_some(),
        before,
        stderr,
        handover,
        ..Transcript::default()
    })
}

/// Whether the ready line came, and the output.
async fn until_ready(
    from: &mut (impl AsyncRead + Unpin),
    input: &Input<'_>,
    signal: mpsc::Sender<Signal>,
) -> (bool, Vec<u8>) {
    let (mut heard, mut asked) = (Vec::new(), false);
    while heard.len() <= NOISE && from.read_buf(&mut heard).await.is_ok_and(|count| count > 0) {
        if !asked && find(&heard, &input.markers.asks, 0).is_some() {
            asked = true;
            let _ = signal.send(Signal::Asks).await;
        }
        if find(&heard, &input.markers.ready, 0).is_some() {
            let _ = signal.send(Signal::Ready).await;
            return (true, heard);
        }
    }
    (false, heard)
}

/// Signals each time that sudo asks for a password, until the output ends.
async fn prompts(
    from: &mut (impl AsyncRead + Unpin),
    heard: &mut Vec<u8>,
    input: &Input<'_>,
    signal: mpsc::Sender<Signal>,
) {
    let mut searched = 0;
    while heard.len() <= NOISE && from.read_buf(heard).await.is_ok_and(|count| count > 0) {
        while let Some(at) = find(heard, &input.markers.prompt, searched) {
            searched = at + input.markers.prompt.len();
            let _ = signal.send(Signal::Prompts).await;
        }
    }
}

/// Standard input that stays open after the hand-over.
struct KeptOpen<'a, I>(&'a mut I);

impl<I: AsyncWrite + Unpin> AsyncWrite for KeptOpen<'_, I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Why an answer is incomplete.
enum Broken {
    Ended,
    Io(io::Error),
    TooMuch(usize),
}

/// Makes the shell run `script` in a child shell, and reads both outputs up to the mark.
async fn say<I, O, E>(
    pipes: &mut Pipes<I, O, E>,
    script: &str,
    mark: &str,
    limits: Limits,
) -> Result<Output, Broken>
where
    I: AsyncWrite + Unpin,
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    let line_end = if script.ends_with('\n') { "" } else { "\n" };
    let text = format!(
        "/bin/sh -s <<'{mark}'\n{script}{line_end}{mark}\nprintf '\\n{mark} %s\\n' \"$?\"; printf '\\n{mark} 0\\n' >&2\n"
    );
    let write = async {
        let written = pipes.stdin.write_all(text.as_bytes()).await;
        let flushed = match written {
            Ok(()) => pipes.stdin.flush().await,
            failed => failed,
        };
        flushed.map_err(Broken::Io)
    };
    let answer = up_to_mark(&mut pipes.stdout, mark, limits.stdout);
    let complaints = up_to_mark(&mut pipes.stderr, mark, limits.stderr);
    let ((), (stdout, status), (stderr, _)) = tokio::try_join!(write, answer, complaints)?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// The output before the mark, and the number after it.
async fn up_to_mark(
    from: &mut (impl AsyncRead + Unpin),
    mark: &str,
    cap: usize,
) -> Result<(Vec<u8>, i32), Broken> {
    let start = format!("\n{mark} ").into_bytes();
    let mut heard: Vec<u8> = Vec::new();
    loop {
        if heard.ends_with(b"\n")
            && let Some(at) = last_line(&heard)
            && heard[at..].starts_with(&start)
        {
            let number = String::from_utf8_lossy(&heard[at + start.len()..]);
            let status = number.trim().parse().unwrap_or(128);
            heard.truncate(at);
            return Ok((heard, status));
        }
        if heard.len() > cap + start.len() + 8 {
            return Err(Broken::TooMuch(cap));
        }
        match from.read_buf(&mut heard).await {
            Ok(0) => return Err(Broken::Ended),
            Ok(_) => {}
            Err(error) => return Err(Broken::Io(error)),
        }
    }
}

/// The position of the line end before the last line.
fn last_line(heard: &[u8]) -> Option<usize> {
    let (_, before) = heard.split_last()?;
    before.iter().rposition(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell as the host starts it.
    fn shell() -> (
        tokio::process::Child,
        Pipes<tokio::process::ChildStdin, tokio::process::ChildStdout, tokio::process::ChildStderr>,
    ) {
        #[expect(clippy::disallowed_methods, reason = "the far side of the pipes")]
        let mut child = tokio::process::Command::new("/bin/sh")
            .arg("-s")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pipes = Pipes {
            stdin: child.stdin.take().unwrap(),
            stdout: child.stdout.take().unwrap(),
            stderr: child.stderr.take().unwrap(),
        };
        (child, pipes)
    }

    #[tokio::test]
    async fn one_shell_answers_again_and_again() {
        let (_child, mut pipes) = shell();
        let big = "x".repeat(200_000);
        for (script, status, stdout, stderr) in [
            ("echo one; echo bad >&2; exit 3\n", 3, "one\n", "bad\n"),
            ("printf 'no line end'", 0, "no line end", ""),
            (":", 0, "", ""),
            ("printf '\\n\\nmark 9\\n'", 0, "\n\nmark 9\n", ""),
            (&format!(": {big}\nprintf %s '{big}'"), 0, &big, ""),
        ] {
            let limits = Limits::default();
            let output = say(&mut pipes, script, "mark-4711", limits).await;
            let Ok(output) = output else {
                panic!("{script}");
            };
            assert_eq!(output.status, status, "{script:.40}");
            assert_eq!(String::from_utf8(output.stderr).unwrap(), stderr);
            let heard = String::from_utf8(output.stdout).unwrap();
            assert!(
                heard.starts_with(&stdout[..stdout.len().min(40)]),
                "{heard:.80}"
            );
        }
    }

    #[tokio::test]
    async fn a_shell_that_ends_or_floods_is_told() {
        let (mut child, mut pipes) = shell();
        let limits = Limits {
            stdout: 100,
            ..Limits::default()
        };
        let flood = say(&mut pipes, "head -c 5000 /dev/zero", "mark-4711", limits).await;
        assert!(matches!(flood, Err(Broken::TooMuch(100))));
        let (_, mut pipes2) = shell();
        child.kill().await.unwrap();
        let ended = say(&mut pipes, ":", "mark-4711", limits).await;
        assert!(matches!(ended, Err(Broken::Io(_) | Broken::Ended)));
        // A script ends its own shell alone.
        let ended = say(&mut pipes2, "kill -9 $PPID", "mark-4711", limits).await;
        assert!(matches!(ended, Err(Broken::Io(_) | Broken::Ended)));
    }
}

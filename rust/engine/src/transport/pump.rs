//! One conversation with a shell: what goes in, what comes out, and when to stop listening.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::Limits;

/// The shell says this line once it runs as root. What stands before it (a chatty login script) is
/// dropped; without it nothing ran.
pub(super) const READY: &str = "deployctl-ready";

/// Ends the lines that are not the script's: a password that sudo did not ask for.
pub(super) const SENTINEL: &str = "deployctl-end-of-preface";

/// How far into the output the ready line is looked for.
const READY_WITHIN: usize = 64 << 10;

/// What goes in.
pub(super) struct Input<'a> {
    /// Sent at once. When it is not empty, `body` waits for the ready line.
    pub(super) preface: &'a [u8],
    /// The script or archive.
    pub(super) body: &'a [u8],
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Standard output after the ready line; `None` when that never came.
    pub(super) stdout: Option<Vec<u8>>,
    /// Standard error.
    pub(super) stderr: Vec<u8>,
}

/// Why listening stopped early.
#[derive(Debug)]
pub(super) enum PumpError {
    /// More bytes than this.
    TooMuch(usize),
    /// Reading failed.
    Io(io::Error),
}

/// Feeds `input` and listens until both outputs end. Does not mind when the shell stops reading:
/// its exit status tells more.
pub(super) async fn pump(
    mut stdin: impl AsyncWrite + Unpin,
    stdout: impl AsyncRead + Unpin,
    stderr: impl AsyncRead + Unpin,
    input: Input<'_>,
    limits: Limits,
) -> Result<Heard, PumpError> {
    let (signal, mut signals) = mpsc::channel(2);
    let refused = signal.clone();
    let write = async move {
        let waits = !input.preface.is_empty();
        if waits {
            let _ = stdin.write_all(input.preface).await;
            let _ = stdin.flush().await;
        }
        if !waits || signals.recv().await == Some(Signal::Ready) {
            let _ = stdin.write_all(input.body).await;
            let _ = stdin.shutdown().await;
        }
        drop(stdin);
        Ok(())
    };
    let listen = listen(stdout, limits.stdout + READY_WITHIN, signal);
    let complain = complaints(stderr, limits.stderr, refused);
    let ((), stdout, stderr) =
        tokio::try_join!(write, listen, complain).map_err(|error| match error {
            PumpError::TooMuch(cap) if cap > limits.stdout => PumpError::TooMuch(limits.stdout),
            error => error,
        })?;
    let stdout = after_ready(&stdout).map(<[u8]>::to_vec);
    match stdout {
        Some(bytes) if bytes.len() > limits.stdout => Err(PumpError::TooMuch(limits.stdout)),
        stdout => Ok(Heard { stdout, stderr }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Signal {
    Ready,
    PasswordRefused,
}

async fn listen(
    mut from: impl AsyncRead + Unpin,
    cap: usize,
    signal: mpsc::Sender<Signal>,
) -> Result<Vec<u8>, PumpError> {
    let mut heard = Vec::new();
    let mut ready = false;
    while read_some(&mut from, &mut heard, cap).await? {
        if !ready && after_ready(&heard).is_some() {
            ready = true;
            let _ = signal.send(Signal::Ready).await;
        }
    }
    Ok(heard)
}

async fn complaints(
    mut from: impl AsyncRead + Unpin,
    cap: usize,
    signal: mpsc::Sender<Signal>,
) -> Result<Vec<u8>, PumpError> {
    let mut heard = Vec::new();
    let mut refused = false;
    while read_some(&mut from, &mut heard, cap).await? {
        // Without this, sudo would read the script as its next passwords.
        if !refused && contains(&heard, b"try again") {
            refused = true;
            let _ = signal.send(Signal::PasswordRefused).await;
        }
    }
    Ok(heard)
}

/// Whether more may come.
async fn read_some(
    from: &mut (impl AsyncRead + Unpin),
    heard: &mut Vec<u8>,
    cap: usize,
) -> Result<bool, PumpError> {
    let count = from.read_buf(heard).await.map_err(PumpError::Io)?;
    if heard.len() > cap {
        return Err(PumpError::TooMuch(cap));
    }
    Ok(count > 0)
}

/// What follows the ready line.
fn after_ready(heard: &[u8]) -> Option<&[u8]> {
    let line = format!("{READY}\n");
    let window = &heard[..heard.len().min(READY_WITHIN)];
    let start = window
        .windows(line.len())
        .position(|part| part == line.as_bytes())?;
    Some(&heard[start + line.len()..])
}

fn contains(heard: &[u8], word: &[u8]) -> bool {
    heard.windows(word.len()).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hear(stdout: &[u8], limits: Limits) -> Result<Heard, PumpError> {
        let input = Input {
            preface: b"",
            body: b"true\n",
        };
        pump(tokio::io::sink(), stdout, &b""[..], input, limits).await
    }

    #[tokio::test]
    async fn a_chatty_login_script_is_dropped_and_a_missing_ready_line_is_noticed() {
        let heard = hear(b"welcome!\ndeployctl-ready\nanswer", Limits::default())
            .await
            .unwrap();
        assert_eq!(heard.stdout.as_deref(), Some(&b"answer"[..]));
        let heard = hear(b"This account is not available.\n", Limits::default())
            .await
            .unwrap();
        assert_eq!(heard.stdout, None);
    }

    #[tokio::test]
    async fn output_beyond_the_cap_is_an_error_and_not_a_cut() {
        let limits = Limits {
            stdout: 4,
            ..Limits::default()
        };
        let full = hear(b"deployctl-ready\n1234", limits).await.unwrap();
        assert_eq!(full.stdout.as_deref(), Some(&b"1234"[..]));
        assert!(matches!(
            hear(b"deployctl-ready\n12345", limits).await,
            Err(PumpError::TooMuch(4))
        ));
    }

    #[tokio::test]
    async fn the_script_is_held_back_until_the_password_was_taken() {
        let (ours, theirs) = tokio::io::duplex(1024);
        let shell = async move {
            let (mut from, mut to) = tokio::io::split(theirs);
            let mut line = vec![0; 5];
            from.read_exact(&mut line).await.unwrap();
            assert_eq!(line, b"word\n");
            to.write_all(b"deployctl-ready\n").await.unwrap();
            let mut script = vec![0; 3];
            from.read_exact(&mut script).await.unwrap();
            to.write_all(&script).await.unwrap();
            to.shutdown().await.unwrap();
        };
        let (stdout, stdin) = tokio::io::split(ours);
        let input = Input {
            preface: b"word\n",
            body: b"id\n",
        };
        let (heard, ()) = tokio::join!(
            pump(stdin, stdout, &b""[..], input, Limits::default()),
            shell
        );
        assert_eq!(heard.unwrap().stdout.as_deref(), Some(&b"id\n"[..]));
    }

    #[tokio::test]
    async fn the_script_is_never_offered_to_sudo_as_a_password() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let input = Input {
            preface: b"wrong\n",
            body: b"rm -rf x\n",
        };
        let pumped = pump(
            ours,
            &b""[..],
            &b"Sorry, try again.\n"[..],
            input,
            Limits::default(),
        )
        .await;
        assert_eq!(pumped.unwrap().stdout, None);
        let mut sent = String::new();
        theirs.read_to_string(&mut sent).await.unwrap();
        assert_eq!(sent, "wrong\n");
    }
}

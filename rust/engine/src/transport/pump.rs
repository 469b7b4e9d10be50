//! One conversation with a shell: writes its input, reads its output, and decides when to stop.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::mpsc;

use super::Limits;
use super::handover::{Handover, hand_over};
use super::input::{Input, Markers, Signal};

/// Start-up files of a login shell may print this much.
pub(super) const NOISE: usize = 2 << 20;

/// How much of it is kept for the error if no shell starts.
const KEPT: usize = 4 << 10;

/// The output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transcript {
    /// Standard output after the ready line; `None` if that never came, or too late, and nothing ran.
    pub(super) stdout: Option<Vec<u8>>,
    /// The beginning of the output before it.
    pub(super) before: Vec<u8>,
    /// Standard error after sudo's last prompt, without prompts.
    pub(super) stderr: Vec<u8>,
    /// Whether the login shell ran our command.
    pub(super) shell: bool,
    /// Whose password sudo asked for, if it used our prompt.
    pub(super) prompted: Option<String>,
    /// What became of the password.
    pub(super) handover: Handover,
}

/// Why reading stopped early.
#[derive(Debug)]
pub(super) enum PumpError {
    /// More bytes than this.
    TooMuch(usize),
    /// More than [`NOISE`] before the ready line.
    Noise,
    /// Reading failed.
    Io(io::Error),
}

/// Writes `input` and reads until both outputs end, or sudo waits for another password. Ignores a
/// shell that stops reading: its exit status tells more.
pub(super) async fn pump(
    stdin: impl AsyncWrite + Unpin,
    stdout: impl AsyncRead + Unpin,
    stderr: impl AsyncRead + Unpin,
    input: Input<'_>,
    limits: Limits,
) -> Result<Transcript, PumpError> {
    let (signal, signals) = mpsc::channel(16);
    let mut said = Said::default();
    let mut complaints = Vec::new();
    let listening = {
        let listen = listen(stdout, &mut said, input.markers, limits, signal.clone());
        let complain = complain(stderr, &mut complaints, input.markers, limits, signal);
        async { tokio::try_join!(listen, complain).map(|_| ()) }
    };
    let handover = {
        let talk = hand_over(stdin, &input, signals);
        tokio::pin!(listening, talk);
        let first = tokio::select! {
            biased;
            ended = &mut listening => {
                ended?;
                None
            }
            handover = &mut talk => Some(handover),
        };
        match first {
            // The readers are gone, so the writer ends as well.
            None => talk.await,
            // After a refusal, the other end has had its time.
            Some(handover) => {
                if handover.refusal().is_none() {
                    listening.await?;
                }
                handover
            }
        }
    };
    let (prompted, stderr) = without_prompts(&complaints, input.markers);
    Ok(Transcript {
        stdout: (said.ready && handover.refusal().is_none()).then_some(said.heard),
        before: said.before,
        stderr,
        shell: said.shell,
        prompted,
        handover,
    })
}

/// Standard output so far.
#[derive(Debug, Default)]
struct Said {
    heard: Vec<u8>,
    before: Vec<u8>,
    shell: bool,
    asks: bool,
    ready: bool,
}

async fn listen(
    mut from: impl AsyncRead + Unpin,
    said: &mut Said,
    markers: &Markers,
    limits: Limits,
    signal: mpsc::Sender<Signal>,
) -> Result<(), PumpError> {
    let mut searched = 0;
    while from
        .read_buf(&mut said.heard)
        .await
        .map_err(PumpError::Io)?
        > 0
    {
        if !said.ready {
            let asked = said.asks;
            search(said, markers, &mut searched);
            if said.asks && !asked {
                let _ = signal.send(Signal::Asks).await;
            }
            if said.ready {
                let _ = signal.send(Signal::Ready).await;
            } else if said.heard.len() > NOISE {
                return Err(PumpError::Noise);
            }
        }
        if said.ready && said.heard.len() > limits.stdout {
            return Err(PumpError::TooMuch(limits.stdout));
        }
    }
    if !said.ready {
        let kept = said.heard.len().min(KEPT);
        said.before = said.heard[..kept].to_vec();
        for marker in [&markers.shell, &markers.asks] {
            if let Some(at) = find(&said.before, marker, 0) {
                said.before.drain(at..at + marker.len());
            }
        }
    }
    Ok(())
}

/// Looks for the markers in the new output.
fn search(said: &mut Said, markers: &Markers, searched: &mut usize) {
    let longest = markers.shell.len().max(markers.ready.len());
    let from = searched.saturating_sub(longest);
    said.shell |= find(&said.heard, &markers.shell, from).is_some();
    said.asks |= find(&said.heard, &markers.asks, from).is_some();
    *searched = said.heard.len();
    if let Some(at) = find(&said.heard, &markers.ready, from) {
        said.ready = true;
        said.heard.drain(..at + markers.ready.len());
    }
}

async fn complain(
    mut from: impl AsyncRead + Unpin,
    heard: &mut Vec<u8>,
    markers: &Markers,
    limits: Limits,
    signal: mpsc::Sender<Signal>,
) -> Result<(), PumpError> {
    let mut searched = 0;
    while from.read_buf(heard).await.map_err(PumpError::Io)? > 0 {
        if heard.len() > limits.stderr {
            return Err(PumpError::TooMuch(limits.stderr));
        }
        while let Some(at) = find(heard, &markers.prompt, searched) {
            searched = at + markers.prompt.len();
            let _ = signal.send(Signal::Prompts).await;
        }
        searched = searched.max(heard.len().saturating_sub(markers.prompt.len() - 1));
    }
    Ok(())
}

/// Where `marker` begins at or after `from`.
pub(super) fn find(heard: &[u8], marker: &str, from: usize) -> Option<usize> {
    heard[from.min(heard.len())..]
        .windows(marker.len())
        .position(|part| part == marker.as_bytes())
        .map(|at| from + at)
}

/// Whose password was asked for first, and the later output without prompts.
fn without_prompts(heard: &[u8], markers: &Markers) -> (Option<String>, Vec<u8>) {
    let Some(at) = find(heard, &markers.prompt, 0) else {
        return (None, heard.to_vec());
    };
    let mut rest = &heard[at..];
    let mut account = None;
    let mut kept = Vec::new();
    while let Some(at) = find(rest, &markers.prompt, 0) {
        kept.extend_from_slice(&rest[..at]);
        rest = &rest[at + markers.prompt.len()..];
        let end = rest.iter().position(|byte| *byte == b':');
        let name = &rest[..end.unwrap_or(0)];
        account.get_or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        rest = &rest[end.map_or(0, |end| end + 1)..];
    }
    kept.extend_from_slice(rest);
    (account, kept)
}

#[cfg(test)]
mod tests {
    use super::super::input::Body;
    use super::*;

    async fn hear(stdout: &[u8], limits: Limits) -> Result<Transcript, PumpError> {
        let input = Input {
            markers: &Markers::new("x"),
            password: None,
            body: Body::Bytes(b"true\n"),
        };
        pump(tokio::io::sink(), stdout, &b""[..], input, limits).await
    }

    #[tokio::test]
    async fn a_chatty_login_script_is_dropped_and_a_missing_ready_line_is_noticed() {
        let heard = hear(
            b"welcome!\ndeployctl-ready-x\nanswer deployctl-ready-x\n",
            Limits::default(),
        );
        let heard = heard.await.unwrap();
        assert_eq!(
            heard.stdout.as_deref(),
            Some(&b"answer deployctl-ready-x\n"[..])
        );
        let heard = hear(
            b"deployctl-ready\ndeployctl-shell-x\nThis account is not available.\n",
            Limits::default(),
        );
        let heard = heard.await.unwrap();
        assert!(heard.stdout.is_none() && heard.shell);
        assert_eq!(
            heard.before,
            b"deployctl-ready\nThis account is not available.\n"
        );
    }

    #[tokio::test]
    async fn a_loud_login_script_is_heard_out_and_an_endless_one_is_not() {
        let mut loud = vec![b'x'; NOISE - 100];
        loud.extend_from_slice(b"deployctl-ready-x\nanswer");
        let heard = hear(&loud, Limits::default()).await.unwrap();
        assert_eq!(heard.stdout.as_deref(), Some(&b"answer"[..]));
        let endless = vec![b'x'; NOISE + 100];
        let heard = hear(&endless, Limits::default()).await;
        assert!(matches!(heard, Err(PumpError::Noise)));
    }

    #[tokio::test]
    async fn output_beyond_the_cap_is_an_error_and_not_a_cut() {
        let limits = Limits {
            stdout: 4,
            ..Limits::default()
        };
        let full = hear(b"noise\ndeployctl-ready-x\n1234", limits).await;
        assert_eq!(full.unwrap().stdout.as_deref(), Some(&b"1234"[..]));
        assert!(matches!(
            hear(b"deployctl-ready-x\n12345", limits).await,
            Err(PumpError::TooMuch(4))
        ));
    }

    #[test]
    fn questions_and_the_lecture_before_them_are_taken_out() {
        let markers = Markers::new("x");
        let heard = b"We trust you.\ndeployctl-password-x-ann:Sorry.\ndeployctl-password-x-ann:sudo: no password was provided\n";
        let (account, rest) = without_prompts(heard, &markers);
        assert_eq!(account.as_deref(), Some("ann"));
        assert_eq!(rest, b"Sorry.\nsudo: no password was provided\n");
        let (account, rest) = without_prompts(b"plain", &markers);
        assert_eq!((account, rest), (None, b"plain".to_vec()));
    }
}
